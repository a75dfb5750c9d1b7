"""`roeh evidence exports` and `names`: what is asked for and taken, and who the pseudonyms are."""

from __future__ import annotations

import argparse
import sys
from typing import IO

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from roeh.core.clock import Clock
from roeh.core.custody import RecordsPage, RecordsRequest
from roeh.core.errors import EXIT_OK, EvidenceRefused
from roeh.core.moments import size_text, utc_text
from roeh.core.peers import Done, Verb
from roeh.core.retrieval import (
    EraseName,
    ExportRequest,
    ExportRow,
    ExportsPage,
    ExportsRequest,
    Names,
    NamesRequest,
)
from roeh.custody.link import EvidenceLink
from roeh.ledger.records import (
    ApprovalRecord,
    ExportRecord,
    ExportRequestRecord,
    Record,
)

EXPORTS_TEXT = "Exports: who asked for what, who agreed, and how far each is."
NAMES_TEXT = "Who the pseudonyms of the ledger are; forget one with --erase."

_KINDS = ("export_request", "approval", "export")


class _Step(msgspec.Struct, frozen=True):
    """One record of an export; `person` by name where it is known."""

    leaf: int
    t_utc_us: int
    step: str
    person: str
    detail: str
    sha256: str


def add_exports_options(parser: argparse.ArgumentParser) -> None:
    """The options of `roeh evidence exports`, without the configuration."""
    parser.add_argument("id", nargs="?", default="", metavar="ID", help="this one, step by step")
    parser.add_argument("--json", action="store_true", help="one JSON line each")


def add_names_options(parser: argparse.ArgumentParser) -> None:
    """The options of `roeh evidence names`, without the configuration."""
    parser.add_argument("--erase", metavar="ID", help="forget who this pseudonym is, by record")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the record")
    parser.add_argument("--json", action="store_true", help="one JSON line each")


def run_exports(chosen: argparse.Namespace, link: EvidenceLink, _clock: Clock) -> int:
    """Show all exports, or the steps of one.

    Raises:
        EvidenceRefused: there is no such export.
    """
    if not chosen.id:
        _print_exports(_exports(link), as_json=chosen.json, out=sys.stdout)
        return EXIT_OK
    found = link.call(Verb.EXPORTS_PAGE, ExportsRequest(id=chosen.id), ExportsPage).exports
    if not found:
        raise EvidenceRefused(
            what="there is no such export",
            which=chosen.id,
            remedy="see roeh evidence exports for those that there are",
        )
    steps = _steps(link, chosen.id)
    if chosen.json:
        _print_exports(found, as_json=True, out=sys.stdout)
        for step in steps:
            _print_json(step, sys.stdout)
        return EXIT_OK
    _print_exports(found, as_json=False, out=sys.stdout)
    table = Table("leaf", "UTC", "step", "person", "detail", title=escape(chosen.id))
    for step in steps:
        table.add_row(
            str(step.leaf),
            utc_text(step.t_utc_us),
            step.step,
            escape(step.person),
            escape(step.detail),
        )
    _console(sys.stdout).print(table)
    return EXIT_OK


def run_names(chosen: argparse.Namespace, link: EvidenceLink, _clock: Clock) -> int:
    """Show who the pseudonyms are, or forget one.

    Raises:
        EvidenceRefused: nobody is known under it, an export of theirs goes on, or no reason.
    """
    if chosen.erase is not None:
        if not chosen.reason:
            raise EvidenceRefused(
                what="a name is forgotten for a reason, which is put on record",
                which=chosen.erase,
                remedy="give --reason",
            )
        link.call(Verb.NAME_ERASE, EraseName(chosen.erase, chosen.reason), Done)
        sys.stdout.write(f"{chosen.erase}: forgotten; the ledger keeps the pseudonym\n")
        return EXIT_OK
    names = link.call(Verb.NAMES_READ, NamesRequest(), Names).names
    if chosen.json:
        for pseudonym, shown in names.items():
            _print_json({"pseudonym": pseudonym, "name": shown}, sys.stdout)
        return EXIT_OK
    table = Table("pseudonym", "who or which case")
    for pseudonym, shown in names.items():
        table.add_row(pseudonym, escape(shown))
    console = _console(sys.stdout)
    console.print(table if names else "nobody is known here")
    return EXIT_OK


def _exports(link: EvidenceLink) -> tuple[ExportRow, ...]:
    found: list[ExportRow] = []
    while True:
        after = found[-1].row if found else -1
        page = link.call(Verb.EXPORTS_PAGE, ExportsRequest(after=after), ExportsPage).exports
        if not page:
            return tuple(found)
        found += page


def _steps(link: EvidenceLink, export_id: str) -> list[_Step]:
    """What the ledger says of one export, in order."""
    found: list[_Step] = []
    after = -1
    while True:
        request = RecordsRequest(after=after, kinds=_KINDS)
        page = link.call(Verb.RECORDS_PAGE, request, RecordsPage).records
        if not page:
            break
        for json in page:
            record = msgspec.json.decode(json, type=Record)
            after = record.leaf
            step = _step(record, export_id)
            if step is not None:
                found.append(step)
    persons = tuple({step.person for step in found if step.person})
    names = link.call(Verb.NAMES_READ, NamesRequest(persons), Names).names if persons else {}
    return [
        msgspec.structs.replace(step, person=names.get(step.person, step.person)) for step in found
    ]


def _step(record: Record, export_id: str) -> _Step | None:
    body = record.body
    if not isinstance(body, ExportRequestRecord | ApprovalRecord | ExportRecord):
        return None
    if body.export_id != export_id:
        return None
    match body:
        case ExportRequestRecord():
            said = "requested", "signed" if body.is_signed else "over TLS", body.request_sha256
        case ApprovalRecord():
            said = body.verdict, "", body.approval_sha256
        case ExportRecord():
            said = body.step, body.detail, body.sha256
    return _Step(record.leaf, record.t_utc_us, said[0], body.person, said[1], said[2])


def _print_exports(exports: tuple[ExportRow, ...], *, as_json: bool, out: IO[str]) -> None:
    if as_json:
        for row in exports:
            _print_json(row, out)
        return
    console = _console(out)
    if not exports:
        console.print("no export was asked for")
        return
    table = Table("id", "state", "asked for by", "approver", "cameras", "from (UTC)", "to", "size")
    for row in exports:
        table.add_row(
            row.id,
            row.state + (f": {escape(row.detail)}" if row.detail else ""),
            escape(row.requester.name),
            "" if row.approver is None else escape(row.approver.name),
            *_asked_for(row),
            size_text(row.size_bytes) if row.size_bytes else "",
        )
    console.print(table)


def _asked_for(row: ExportRow) -> tuple[str, str, str]:
    """Cameras and span; nothing of what was forgotten."""
    if not row.request:
        return "", "", ""
    request = msgspec.json.decode(row.request, type=ExportRequest)
    return ", ".join(request.cameras), utc_text(request.from_utc_us), utc_text(request.to_utc_us)


def _print_json(line: msgspec.Struct | dict[str, str], out: IO[str]) -> None:
    out.write(msgspec.json.encode(line).decode() + "\n")


def _console(out: IO[str]) -> Console:
    # Not narrower than its columns: whoever pipes it gets every figure.
    return Console(file=out, highlight=False, width=None if out.isatty() else 160)
