"""`roeh desk poles`: every pole as the database knows it."""

from __future__ import annotations

import argparse
import sys

import msgspec
from rich.text import Text

from roeh.core.errors import EXIT_OK
from roeh.core.moments import length_text, utc_text
from roeh.desk.alarms.facts import PoleRow, Ranges, read_missing, read_poles
from roeh.desk.alarms.own import ranges_text
from roeh.desk.alarms.view import console_for, print_table, safe
from roeh.desk.audit.log import AuditAction
from roeh.desk.commands import Adder
from roeh.desk.pole_columns import HEALTH_TITLES, certificate_days, complaints, health_cells
from roeh.desk.seat import add_operator, pole_argument, taken_seat
from roeh.desk.silence import stale_after_s
from roeh.desk.wording import counted

_US_PER_S = 1_000_000


def add_actions(add: Adder) -> None:
    """Poles."""
    parser = add("poles", _poles, "Every pole: heard when, in which condition, what is missing.")
    parser.add_argument("--pole", type=pole_argument, metavar="SITE/NODE", help="this one alone")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    add_operator(parser)


class PoleRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A pole for other programs; None: not told."""

    site: str
    node: str
    link: str
    t_heard_utc_us: int
    condition: str | None
    complaints: str
    waiting: int | None
    temperature_c: float | None
    throttled: tuple[str, ...]
    retention_us: int | None
    certificate_days: int | None
    clock_synchronised: bool | None
    clock_error_us: int | None
    missing: str


def _poles(chosen: argparse.Namespace) -> int:
    with taken_seat(chosen) as seat:
        now_us = seat.now_utc_us()
        with seat.store.reading() as transaction:
            poles = read_poles(transaction)
            missing = read_missing(transaction, now_us)
        if chosen.pole is not None:
            poles = [pole for pole in poles if _is_named(pole, chosen.pole)]
        named = "all" if chosen.pole is None else "/".join(chosen.pole)
        seat.note_view(AuditAction.POLES_VIEWED, named, count=len(poles))
        stale_s = seat.config.ingest.stale_after_s
        records = [_record(pole, missing, now_us, stale_s) for pole in poles]
        if chosen.json:
            for record in records:
                sys.stdout.write(msgspec.json.encode(record).decode() + "\n")
            return EXIT_OK
        console = console_for(sys.stdout)
        titles = ("pole", "link", "heard", *HEALTH_TITLES, "missing")
        rows = [_cells(pole, record, now_us) for pole, record in zip(poles, records, strict=True)]
        print_table(console, titles, rows)
        for record in records:
            if record.complaints:
                text = f"{record.site}/{record.node}: {record.complaints}"
                console.print(safe(text, "yellow"), soft_wrap=True)
        console.print(safe(f"{counted(len(records), 'pole')}, {utc_text(now_us)}"))
    return EXIT_OK


def link_of(pole: PoleRow, now_utc_us: int, stale_s: float) -> str:
    """online, offline, silent; unknown before its first state."""
    health = pole.health
    limit_s = stale_after_s(None if health is None else health.heartbeat_s, stale_s)
    if pole.online == 0:
        return "offline"
    if now_utc_us - pole.t_heard_utc_us > limit_s * _US_PER_S:
        return "silent"
    return "online" if pole.online else "unknown"


def _is_named(pole: PoleRow, named: tuple[str, str]) -> bool:
    site, node = named
    return pole.site == site and node in ("", pole.node)


def _record(pole: PoleRow, missing: Ranges, now_us: int, stale_s: float) -> PoleRecord:
    health = pole.health
    return PoleRecord(
        site=pole.site,
        node=pole.node,
        link=link_of(pole, now_us, stale_s),
        t_heard_utc_us=pole.t_heard_utc_us,
        condition=None if health is None else health.condition,
        complaints="" if health is None else complaints(health),
        waiting=None if health is None else health.outbox.rows,
        temperature_c=None if health is None else health.temperature_c,
        throttled=() if health is None else health.throttled,
        retention_us=None if health is None else health.retention_us,
        certificate_days=None if health is None else certificate_days(health),
        clock_synchronised=None if health is None else health.clock.synchronised,
        clock_error_us=None if health is None else health.clock.error_us,
        missing=ranges_text(missing.get((pole.site, pole.node), ())),
    )


def _cells(pole: PoleRow, record: PoleRecord, now_us: int) -> tuple[Text, ...]:
    is_well = record.link == "online" and record.condition == "ok" and not record.missing
    texts = (
        f"{pole.site}/{pole.node}",
        record.link,
        f"{length_text(max(0, now_us - pole.t_heard_utc_us))} ago",
        *health_cells(pole.health),
        record.missing or "-",
    )
    return tuple(safe(text, "" if is_well else "yellow") for text in texts)
