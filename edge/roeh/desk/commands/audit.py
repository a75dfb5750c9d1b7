"""`roeh desk audit`: who did and saw what; `--check` proves that nothing was taken from it."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

import msgspec

from roeh.core.errors import EXIT_OK, ChecksFailed, ConfigError, DeskFailed
from roeh.core.moments import utc_text
from roeh.desk.alarms.view import console_for, print_table, safe
from roeh.desk.audit.check import AuditCheck, Trust, check_audit
from roeh.desk.audit.log import AuditAction, AuditEntry
from roeh.desk.audit.reading import AuditChoice, read_entries
from roeh.desk.commands import Adder
from roeh.desk.keys import open_audit_key
from roeh.desk.known_witnesses import known_witnesses
from roeh.desk.seat import Seat, add_operator, moment_argument, taken_seat
from roeh.desk.wording import counted
from roeh.ledger.note import MAX_NOTE_BYTES

_MAX_LISTED = 1000


def add_actions(add: Adder) -> None:
    """The audit."""
    parser = add("audit", _audit, "Who looked at, changed or took what. Is itself recorded.")
    parser.add_argument("--since", type=moment_argument, metavar="UTC|8h", help="since then")
    parser.add_argument("--by", metavar="NAME", help="of this operator")
    parser.add_argument(
        "--action",
        dest="what",
        choices=[action.value for action in AuditAction],
        metavar="WHAT",
        help="such as alarm.closed",
    )
    parser.add_argument("--check", action="store_true", help="recompute all of it and compare")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="with --check: a signed checkpoint from outside, as the witness keeps it",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    add_operator(parser)


def _audit(chosen: argparse.Namespace) -> int:
    with taken_seat(chosen) as seat:
        return _check(seat, chosen) if chosen.check else _list(seat, chosen)


def _list(seat: Seat, chosen: argparse.Namespace) -> int:
    choice = AuditChoice(
        from_utc_us=None if chosen.since is None else chosen.since.at(seat.now_utc_us()),
        operator=chosen.by,
        action=None if chosen.what is None else AuditAction(chosen.what),
    )
    with seat.store.reading() as transaction:
        entries = read_entries(transaction, choice, _MAX_LISTED)
    seat.note_view(AuditAction.AUDIT_VIEWED, choice.words(), count=len(entries))
    if chosen.json:
        for entry in entries:
            sys.stdout.write(msgspec.json.encode(entry).decode() + "\n")
        return EXIT_OK
    console = console_for(sys.stdout)
    titles = ("entry", "at (UTC)", "operator", "system user", "action", "what", "count", "detail")
    print_table(console, titles, ([safe(cell) for cell in _cells(entry)] for entry in entries))
    only = f"; only the newest {_MAX_LISTED}" if len(entries) == _MAX_LISTED else ""
    console.print(safe(f"{counted(len(entries), 'entry', 'entries')} ({choice.words()}){only}"))
    return EXIT_OK


def _check(seat: Seat, chosen: argparse.Namespace) -> int:
    trust = Trust(
        origin=seat.audit.origin,
        spki_der=open_audit_key(seat.config).spki_der,
        witnesses=known_witnesses(seat.config).cosigners,
    )
    notes = [_note(path) for path in chosen.checkpoint]
    try:
        with seat.store.reading() as transaction:
            found = check_audit(transaction, trust, notes)
    except ChecksFailed as error:
        # An audit that does not hold may not take an entry either: that is what is told.
        with contextlib.suppress(DeskFailed):
            seat.note_view(AuditAction.AUDIT_CHECKED, "failed", detail=str(error))
        raise
    seat.note_view(AuditAction.AUDIT_CHECKED, f"root {found.root}", count=found.entries)
    if chosen.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        console = console_for(sys.stdout)
        for line in _found_lines(found):
            console.print(safe(line), soft_wrap=True)
    return EXIT_OK


def _note(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")[:MAX_NOTE_BYTES]
    except (OSError, ValueError) as error:
        raise ConfigError(
            what=f"cannot be read ({getattr(error, 'strerror', None) or error})",
            which=f"--checkpoint {path}",
            remedy="give the note as the witness keeps it",
        ) from None


def _found_lines(found: AuditCheck) -> list[str]:
    lines = [
        f"{counted(found.entries, 'entry', 'entries')}, each as it was written; root {found.root}",
        f"signed checkpoints that agree: {found.checkpoints}"
        + ("" if found.signed_size is None else f", the newest of {found.signed_size} entries"),
    ]
    if found.cosigned_size is None:
        lines.append(
            "no witness signed any: whoever has the database and the audit's key could have"
            " written all of it anew"
        )
    else:
        lines.append(f"a witness has seen the first {found.cosigned_size} of them")
    return lines


def _cells(entry: AuditEntry) -> tuple[str, ...]:
    return (
        str(entry.leaf),
        utc_text(entry.t_utc_us, synchronised=entry.clock_synchronised),
        entry.operator,
        entry.os_user,
        entry.action.value,
        entry.subject,
        "" if entry.count is None else str(entry.count),
        entry.detail,
    )
