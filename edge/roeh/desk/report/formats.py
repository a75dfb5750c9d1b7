"""How an export is written: CSV of RFC 4180, or JSON, an object a line. Pure.

A cell that a spreadsheet would take for a formula gets an apostrophe before it, and what would
move a terminal's cursor is written visibly: names come from poles, and people open exports.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

import msgspec

from roeh.core.errors import one_line
from roeh.desk.alarms.records import AlarmRecord

_FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - the wide ones too


def csv_lines(records: Iterable[AlarmRecord]) -> Iterator[bytes]:
    """The header and a line each, CRLF at the end of each (RFC 4180), UTF-8."""
    yield _line(AlarmRecord.__struct_fields__)
    for record in records:
        yield _line(_cell(value) for value in msgspec.structs.astuple(record))


def json_lines(records: Iterable[AlarmRecord]) -> Iterator[bytes]:
    """An object a line."""
    encode = msgspec.json.Encoder().encode
    for record in records:
        yield encode(record) + b"\n"


def neutral(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_BEGINS) else text


def _line(cells: Iterable[str]) -> bytes:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow(list(cells))
    return written.getvalue().encode("utf-8", errors="replace")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    # A number is one: its minus is no formula.
    return neutral(one_line(value)) if isinstance(value, str) else str(value)
