"""`roeh evidence actions`: operations that began and ended, outputs that were asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from roeh.core.clock import Clock
from roeh.core.errors import EXIT_OK, one_line
from roeh.core.moments import utc_argument, utc_text
from roeh.custody.holdings import read_records
from roeh.custody.link import EvidenceLink
from roeh.ledger.records import OperationRecord, OutputRecord, Record

TEXT = "Operations that began and ended, and outputs that were asked for, each with its cause."

_MS_PER_S = 1000


class Action(msgspec.Struct, frozen=True):
    """One record, for persons and for other programs.

    `what`: `begun`, `ended`, `on`, `off`, `refused`; `detail`: for how many seconds, or why not.
    """

    leaf: int
    t_utc_us: int
    synchronised: bool
    name: str
    what: str
    detail: str
    cause: str
    cause_id: str


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--since", type=utc_argument, metavar="UTC", help="2026-01-31T18:30:00Z")
    parser.add_argument("--until", type=utc_argument, metavar="UTC", help="likewise")
    parser.add_argument("--json", action="store_true", help="one JSON line each")


def run_actions(chosen: argparse.Namespace, link: EvidenceLink, _clock: Clock) -> int:
    """Show them, oldest first."""
    records = read_records(link, (OperationRecord, OutputRecord))
    found = [
        action
        for action in actions_of(records)
        if (chosen.since is None or action.t_utc_us >= chosen.since)
        and (chosen.until is None or action.t_utc_us < chosen.until)
    ]
    if chosen.json:
        for action in found:
            sys.stdout.write(msgspec.json.encode(action).decode() + "\n")
        return EXIT_OK
    # Not narrower than its columns: whoever pipes it gets every word.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    table = Table("record", "when (UTC)", "of", "what", "cause", box=None)
    for action in found:
        cells = (
            str(action.leaf),
            utc_text(action.t_utc_us, synchronised=action.synchronised),
            action.name,
            f"{action.what} {action.detail}".rstrip(),
            f"{action.cause} {action.cause_id}".rstrip(),
        )
        table.add_row(*(escape(one_line(cell)) for cell in cells))
    console.print(table if found else "no operation began, and no output was asked for")
    return EXIT_OK


def actions_of(records: Iterable[Record]) -> Iterator[Action]:
    """What records say of operations and outputs."""
    for record in records:
        match record.body:
            case OperationRecord() as body:
                name, what, detail = body.operation, str(body.step), ""
                cause, cause_id = str(body.cause), body.command_id
            case OutputRecord() as body:
                name = body.output
                what, detail = _asked(body)
                cause, cause_id = str(body.cause), body.cause_id
            case _:
                continue
        yield Action(
            leaf=record.leaf,
            t_utc_us=record.t_utc_us,
            synchronised=record.synchronised,
            name=name,
            what=what,
            detail=detail,
            cause=cause,
            cause_id=cause_id,
        )


def _asked(output: OutputRecord) -> tuple[str, str]:
    """What became of it, and for how long or why not."""
    if output.refused:
        return "refused", output.refused
    return ("on", f"{output.on_ms / _MS_PER_S:g} s") if output.on_ms else ("off", "")
