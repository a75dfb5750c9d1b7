"""When an output may be let on, and the records that say that it was.

The records are all that is remembered: limits hold across restarts and rebuilds. Times are the
node's age, which no clock that is set can move; time switched off does not count.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import msgspec

from roeh.core.config import OutputSection
from roeh.core.orders import Reason
from roeh.ledger.records import OutputRecord, Record

_US_PER_S = 1_000_000
_US_PER_MS = 1_000
_DAY_US = 24 * 3600 * _US_PER_S


class OutputUse(msgspec.Struct, frozen=True):
    """A time that an output was let on, on the scale of the node's age."""

    from_age_us: int
    to_age_us: int


def uses_of(connection: sqlite3.Connection, output: str, age_us: int) -> tuple[OutputUse, ...]:
    """Those of the last day that the node ran, newest first."""
    found: list[OutputUse] = []
    off_age_us: int | None = None
    for record in _newest(connection):
        body = record.body
        if not isinstance(body, OutputRecord) or age_us - body.age_us >= _DAY_US:
            break
        if body.output != output or body.refused:
            continue
        if body.on_ms == 0:
            off_age_us = body.age_us
            continue
        to_age_us = body.age_us + body.on_ms * _US_PER_MS
        if off_age_us is not None:
            to_age_us = min(to_age_us, off_age_us)
        found.append(OutputUse(body.age_us, to_age_us))
        off_age_us = None
    return tuple(found)


def why_not_on(section: OutputSection, uses: Sequence[OutputUse], age_us: int) -> Reason | None:
    """Why an output is not let on again now; None: it is. Pure.

    Args:
        section: its limits.
        uses: of the last day, newest first.
        age_us: of the node, now.
    """
    if uses:
        off_us = age_us - uses[0].to_age_us
        if off_us < 0:
            return Reason.OUTPUT_IS_ON
        if off_us < section.shortest_pause_s * _US_PER_S:
            return Reason.OUTPUT_PAUSES
    return Reason.OUTPUT_USED_UP if len(uses) >= section.most_per_day else None


def let_on_since(
    connection: sqlite3.Connection, boot_id: str, from_leaf: int, limit: int
) -> list[Record]:
    """Records by which alerts let an output on in this boot, from a leaf on, oldest first.

    Without those that an order let off since.
    """
    rows = connection.execute(
        "SELECT json FROM record WHERE kind = 'output' AND leaf >= ? ORDER BY leaf", (from_leaf,)
    )
    found: list[Record] = []
    for (json,) in rows:
        record = msgspec.json.decode(json, type=Record)
        body = record.body
        if not isinstance(body, OutputRecord) or body.refused or record.boot_id != boot_id:
            continue
        if body.on_ms == 0:
            found = [before for before in found if _output(before) != body.output]
        elif body.cause == "alert" and len(found) < limit:
            found.append(record)
    return found


def off_at_mono_us(record: Record) -> int:
    """When what a record let on ends, in its boot."""
    body = record.body
    if not isinstance(body, OutputRecord):
        raise TypeError("not a record of an output")
    return record.t_mono_us + body.on_ms * _US_PER_MS


def _output(record: Record) -> str:
    return record.body.output if isinstance(record.body, OutputRecord) else ""


def _newest(connection: sqlite3.Connection) -> Iterator[Record]:
    rows = connection.execute("SELECT json FROM record WHERE kind = 'output' ORDER BY leaf DESC")
    for (json,) in rows:
        yield msgspec.json.decode(json, type=Record)
