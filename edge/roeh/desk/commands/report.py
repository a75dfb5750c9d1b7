"""`roeh desk report`: alarms listed, counted and exported."""

from __future__ import annotations

import argparse
import hashlib
import itertools
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from roeh.core.errors import EXIT_OK, CommandRefused, OutputRefused
from roeh.core.moments import utc_text
from roeh.desk.alarms.choice import AlarmChoice
from roeh.desk.alarms.records import AlarmRecord
from roeh.desk.alarms.states import AlarmState, Verdict
from roeh.desk.alarms.view import console_for, safe
from roeh.desk.audit.log import AuditAction
from roeh.desk.commands import Adder
from roeh.desk.report.figures import daily_figures
from roeh.desk.report.formats import csv_lines, json_lines
from roeh.desk.report.reading import chosen_records, summary
from roeh.desk.report.view import MAX_SHOWN, print_figures, print_records, print_summary
from roeh.desk.seat import Seat, add_operator, moment_argument, pole_argument, taken_seat
from roeh.desk.wording import counted

_COPY_BYTES = 1024 * 1024
_FILE_MODE = 0o600
_Lines = Callable[[Iterable[AlarmRecord]], Iterator[bytes]]


def add_actions(add: Adder) -> None:
    """Reports."""
    parser = add("report", _report, "Alarms of a time: a list, counts, or an export.")
    parser.add_argument(
        "--from", dest="since", type=moment_argument, metavar="UTC|7d", help="opened since then"
    )
    parser.add_argument(
        "--to", dest="until", type=moment_argument, metavar="UTC|1d", help="and before then"
    )
    parser.add_argument("--pole", type=pole_argument, metavar="SITE/NODE", help="of this pole")
    parser.add_argument("--rule", default="", metavar="NAME", help="of this rule, or this kind")
    parser.add_argument(
        "--state", choices=[state.value for state in AlarmState], help="that stand so now"
    )
    parser.add_argument(
        "--priority", type=int, choices=range(1, 10), metavar="1-9", help="this or higher"
    )
    judged = parser.add_mutually_exclusive_group()
    judged.add_argument("--false-alarms", action="store_true", help="closed as false alarms alone")
    judged.add_argument("--real", action="store_true", help="closed as real alone")
    parser.add_argument(
        "--format", choices=("table", "csv", "json"), default="table", help="default: table"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write csv or json there")
    parser.add_argument(
        "--figures",
        action="store_true",
        help="by pole and day: alarms an operator hour, peaks, chattering, stale, standing",
    )
    parser.add_argument(
        "--operators", type=int, choices=range(1, 100), default=1, metavar="N",
        help="who share the alarms, for --figures; default: 1",
    )  # fmt: skip
    add_operator(parser)


def _report(chosen: argparse.Namespace) -> int:
    with taken_seat(chosen) as seat:
        now_us = seat.now_utc_us()
        choice = _choice(chosen, now_us)
        if chosen.figures:
            return _figures(seat, choice, now_us, chosen)
        if chosen.format == "table" and chosen.out is None:
            return _show(seat, choice, now_us)
        return _export(seat, choice, now_us, chosen)


def _choice(chosen: argparse.Namespace, now_us: int) -> AlarmChoice:
    site, node = chosen.pole or ("", "")
    verdict = Verdict.FALSE_ALARM if chosen.false_alarms else Verdict.REAL if chosen.real else None
    return AlarmChoice(
        states=() if chosen.state is None else (AlarmState(chosen.state),),
        site=site,
        node=node,
        rule=chosen.rule,
        priority=chosen.priority,
        from_utc_us=None if chosen.since is None else chosen.since.at(now_us),
        to_utc_us=None if chosen.until is None else chosen.until.at(now_us),
        verdict=verdict,
    )


def _show(seat: Seat, choice: AlarmChoice, now_us: int) -> int:
    with seat.store.reading() as transaction:
        found = summary(transaction, choice, now_us)
        records = list(itertools.islice(chosen_records(transaction, choice, now_us), MAX_SHOWN))
    seat.note_view(AuditAction.REPORT_VIEWED, choice.words(), count=found.total.alarms)
    console = console_for(sys.stdout)
    print_records(console, records)
    if found.total.alarms > len(records):
        left_out = found.total.alarms - len(records)
        console.print(safe(f"and {left_out} more: --format csv has them all"))
    print_summary(console, found)
    console.print(
        safe(f"{counted(found.total.alarms, 'alarm')} ({choice.words()}), {utc_text(now_us)}")
    )
    return EXIT_OK


def _figures(seat: Seat, choice: AlarmChoice, now_us: int, chosen: argparse.Namespace) -> int:
    if chosen.format == "csv" or chosen.out is not None:
        raise CommandRefused(
            what="figures are shown, as a table or with --format json, and not exported",
            which="roeh desk report --figures",
            remedy="leave --out and --format csv away",
        )
    with seat.store.reading() as transaction:
        found = daily_figures(transaction, choice, now_us, chosen.operators)
    count = sum(one.figures.alarms for one in found.together)
    seat.note_view(AuditAction.REPORT_VIEWED, f"figures; {choice.words()}", count=count)
    if chosen.format == "json":
        for one in (*found.together, *found.poles):
            sys.stdout.write(msgspec.json.encode(one).decode() + "\n")
    else:
        print_figures(console_for(sys.stdout), found)
    return EXIT_OK


def _export(seat: Seat, choice: AlarmChoice, now_us: int, chosen: argparse.Namespace) -> int:
    """Write it aside, put it into the audit, then hand it over: no export without its entry."""
    lines = csv_lines if chosen.format == "csv" else json_lines
    if chosen.out is None:
        with tempfile.TemporaryFile() as aside:
            written = _write(seat, choice, now_us, lines, aside)
            _note(seat, choice, "standard output", written)
            aside.seek(0)
            sys.stdout.flush()
            shutil.copyfileobj(aside, sys.stdout.buffer, _COPY_BYTES)
        return EXIT_OK
    unfinished = chosen.out.with_name(chosen.out.name + ".part")
    try:
        unfinished.unlink(missing_ok=True)  # of a command that was killed
        with unfinished.open("xb") as aside:
            unfinished.chmod(_FILE_MODE)
            written = _write(seat, choice, now_us, lines, aside)
        _note(seat, choice, str(chosen.out), written)
        unfinished.replace(chosen.out)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OutputRefused(
            what=f"cannot be written ({error.strerror})",
            which=str(chosen.out),
            remedy="give --out a file in a directory that this user can write, with room",
        ) from None
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    console = console_for(sys.stdout)
    console.print(
        safe(f"{counted(written.alarms, 'alarm')}, sha256 {written.sha256}: {chosen.out}"),
        soft_wrap=True,
    )
    return EXIT_OK


class _Written(msgspec.Struct, frozen=True):
    alarms: int
    sha256: str


class _Counted:
    """Records passed on, and how many."""

    def __init__(self) -> None:
        self.alarms = 0

    def over(self, records: Iterable[AlarmRecord]) -> Iterator[AlarmRecord]:
        """Each of them."""
        for record in records:
            self.alarms += 1
            yield record


def _write(
    seat: Seat, choice: AlarmChoice, now_us: int, lines: _Lines, aside: IO[bytes]
) -> _Written:
    digest, counted = hashlib.sha256(), _Counted()
    with seat.store.reading() as transaction:
        for line in lines(counted.over(chosen_records(transaction, choice, now_us))):
            digest.update(line)
            aside.write(line)
    aside.flush()
    return _Written(counted.alarms, digest.hexdigest())


def _note(seat: Seat, choice: AlarmChoice, where: str, written: _Written) -> None:
    seat.note_view(
        AuditAction.REPORT_EXPORTED,
        choice.words(),
        count=written.alarms,
        sha256=written.sha256,
        detail=where,
    )
