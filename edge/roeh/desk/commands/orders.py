"""`roeh desk order` and `roeh desk orders`: what poles are told to do, and what became of it."""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from pathlib import Path

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.errors import EXIT_OK, CommandRefused
from roeh.core.ids import ClockIds
from roeh.core.moments import utc_text
from roeh.core.orders import (
    MAX_OUTPUT_ON_S,
    MAX_RESEND_RANGES,
    Answer,
    DeterOrder,
    HoldOrder,
    LogLevelOrder,
    OperationOrder,
    Order,
    OrderedView,
    ResendOrder,
    RestartOrder,
    ScheduleOrder,
    SeqRange,
    SnapshotOrder,
)
from roeh.core.views import LAYOUTS
from roeh.desk.alarms.view import console_for, print_table, safe
from roeh.desk.audit.log import AuditAction
from roeh.desk.commands import Adder
from roeh.desk.keeper import write_kept
from roeh.desk.orders import GivenOrder, give_order, given_order, given_orders, outcome_text
from roeh.desk.pole import Pole
from roeh.desk.seat import (
    Seat,
    add_operator,
    duration_argument,
    moment_argument,
    pole_argument,
    taken_seat,
)

_PROCESSES = ("capture", "detect", "evidence", "publish", "retrieve")
_FINAL = ("done", "refused", "failed", "expired")
_DEFAULT_LIFE = "10m"
_MAX_LIFE_US = 24 * 3600 * 1_000_000 - 120_000_000
_MAX_LISTED = 1000
_POLL_S = 0.2
_US_PER_S = 1_000_000
_WEBP = b"WEBP"


def add_actions(add: Adder) -> None:
    """Orders to poles."""
    parser = add("order", _order, "Tell a pole to do something, signed in the desk's name.")
    parser.add_argument("pole", type=pole_argument, metavar="SITE/NODE")
    parser.add_argument(
        "--valid",
        type=duration_argument,
        default=_DEFAULT_LIFE,
        metavar="10m",
        help=f"not carried out later than that; default: {_DEFAULT_LIFE}",
    )
    parser.add_argument(
        "--wait",
        type=duration_argument,
        default=None,
        metavar="30s",
        help="wait so long for what becomes of it",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_operator(parser)
    _add_orders(parser.add_subparsers(title="orders", metavar="ORDER", required=True))

    listed = add("orders", _orders, "The orders that were given, and what became of each.")
    listed.add_argument("--pole", type=pole_argument, metavar="SITE/NODE", help="to this pole")
    listed.add_argument("--by", metavar="NAME", help="given by this operator")
    listed.add_argument(
        "--since", type=moment_argument, default="24h", metavar="UTC|24h", help="default: 24h"
    )
    listed.add_argument("--save", type=Path, metavar="DIR", help="write their pictures there")
    listed.add_argument("--json", action="store_true", help="one JSON object a line")
    add_operator(listed)


class OrderRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An order for other programs."""

    id: str
    site: str
    node: str
    operator: str
    order: Order
    state: str
    t_created_utc_us: int
    t_answered_utc_us: int | None
    answer: Answer | None


def _add_orders(orders: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    hold = orders.add_parser("hold", help="keep video until two persons at the pole let it go")
    hold.add_argument("--from", dest="since", type=moment_argument, required=True, metavar="UTC|2h")
    hold.add_argument("--to", dest="until", type=moment_argument, required=True, metavar="UTC|1h")
    hold.add_argument("--camera", action="append", default=[], metavar="NAME", help="default: all")
    hold.add_argument("--reason", required=True, metavar="TEXT")
    hold.set_defaults(make=_hold)

    snapshot = orders.add_parser("snapshot", help="one small picture now, privacy masks in it")
    snapshot.add_argument("camera", metavar="CAMERA")
    layouts = [layout.replace("_", "-") for layout in LAYOUTS]
    snapshot.add_argument(
        "--view", choices=layouts, help="default: panorama of a fisheye, else its picture"
    )
    for option, text in (
        ("--bearing", "of its middle, degrees from north"),
        ("--elevation", "of a ptz, 0 horizon, -90 straight down"),
        ("--fov", "across a ptz, degrees"),
    ):
        snapshot.add_argument(option, type=int, metavar="DEG", help=text)
    snapshot.set_defaults(make=_snapshot)

    schedule = orders.add_parser("schedule", help="let a rule hold always or never for a time")
    schedule.add_argument("rule", metavar="RULE")
    schedule.add_argument("mode", choices=("always", "never", "as-configured"))
    _add_end(schedule)
    schedule.set_defaults(make=_schedule)

    operation = orders.add_parser("operation", help="let an operation begin or end for a time")
    operation.add_argument("operation", metavar="OPERATION")
    operation.add_argument("mode", choices=("begin", "end", "as-configured"))
    _add_end(operation)
    operation.set_defaults(make=_operation)

    deter = orders.add_parser("deter", help="let a light, a siren or a message on, or off again")
    deter.add_argument("output", metavar="OUTPUT")
    how_long = deter.add_mutually_exclusive_group(required=True)
    how_long.add_argument("--for", dest="for_us", type=duration_argument, metavar="20s")
    how_long.add_argument("--off", action="store_true", help="off at once")
    deter.set_defaults(make=_deter)

    restart = orders.add_parser("restart", help="end a process as it should, and start it again")
    restart.add_argument("process", choices=_PROCESSES)
    restart.set_defaults(make=_restart)

    level = orders.add_parser("log-level", help="how much a process says until it is restarted")
    level.add_argument("process", choices=_PROCESSES)
    level.add_argument("level", choices=("debug", "info", "warning"))
    level.set_defaults(make=_log_level)

    resend = orders.add_parser("resend", help="send alerts again, by their numbers")
    resend.add_argument("ranges", nargs="+", type=_range, metavar="FIRST-LAST")
    resend.set_defaults(make=_resend)


def _add_end(parser: argparse.ArgumentParser) -> None:
    until = parser.add_mutually_exclusive_group(required=True)
    until.add_argument("--for", dest="for_us", type=duration_argument, metavar="8h")
    until.add_argument("--until", type=moment_argument, metavar="UTC")


def _hold(chosen: argparse.Namespace, now_us: int) -> Order:
    since_us, until_us = chosen.since.at(now_us), chosen.until.at(now_us)
    if since_us >= until_us:
        raise CommandRefused(
            what="this span ends before it begins",
            which=f"{utc_text(since_us)} to {utc_text(until_us)}",
            remedy="give --from before --to",
        )
    return HoldOrder(
        camera_ids=tuple(chosen.camera),
        from_utc_us=since_us,
        to_utc_us=until_us,
        reason=chosen.reason,
    )


def _snapshot(chosen: argparse.Namespace, _now_us: int) -> Order:
    view = None
    angles = {"bearing": chosen.bearing, "elevation": chosen.elevation, "fov": chosen.fov}
    given = {f"{name}_deg": angle for name, angle in angles.items() if angle is not None}
    if chosen.view is not None or given:
        layout = (chosen.view or "ptz").replace("-", "_")
        try:
            view = msgspec.convert({"layout": layout, **given}, OrderedView)
        except msgspec.ValidationError as error:
            raise CommandRefused(
                what="no such view", which=f"{error}", remedy="give angles within these limits"
            ) from None
    return SnapshotOrder(camera_id=chosen.camera, view=view)


def _schedule(chosen: argparse.Namespace, now_us: int) -> Order:
    mode = chosen.mode.replace("-", "_")
    return ScheduleOrder(rule=chosen.rule, mode=mode, until_utc_us=_end_of(chosen, now_us))


def _operation(chosen: argparse.Namespace, now_us: int) -> Order:
    mode = chosen.mode.replace("-", "_")
    return OperationOrder(
        operation=chosen.operation, mode=mode, until_utc_us=_end_of(chosen, now_us)
    )


def _deter(chosen: argparse.Namespace, _now_us: int) -> Order:
    on_s = 0 if chosen.off else round(chosen.for_us / _US_PER_S)
    if not chosen.off and not 1 <= on_s <= MAX_OUTPUT_ON_S:
        raise CommandRefused(
            what=f"no output is let on for {on_s} s",
            which="roeh desk order deter --for",
            remedy=f"give 1 to {MAX_OUTPUT_ON_S} s, or --off",
        )
    return DeterOrder(output=chosen.output, on_s=on_s)


def _end_of(chosen: argparse.Namespace, now_us: int) -> int:
    """Until when an order lasts."""
    until_us: int = now_us + chosen.for_us if chosen.until is None else chosen.until.at(now_us)
    return until_us


def _restart(chosen: argparse.Namespace, _now_us: int) -> Order:
    return RestartOrder(process=chosen.process)


def _log_level(chosen: argparse.Namespace, _now_us: int) -> Order:
    return LogLevelOrder(process=chosen.process, level=chosen.level)


def _resend(chosen: argparse.Namespace, _now_us: int) -> Order:
    if len(chosen.ranges) > MAX_RESEND_RANGES:
        raise CommandRefused(
            what=f"{len(chosen.ranges)} ranges are too many for one order",
            which="roeh desk order resend",
            remedy=f"give at most {MAX_RESEND_RANGES}",
        )
    return ResendOrder(ranges=tuple(chosen.ranges))


def _range(text: str) -> SeqRange:
    match = re.fullmatch(r"([0-9]{1,15})(?:-([0-9]{1,15}))?", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2] or match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no range of numbers; write 17 or 17-20")
    return SeqRange(int(match[1]), int(match[2] or match[1]))


def _order(chosen: argparse.Namespace) -> int:
    with taken_seat(chosen) as seat:
        now_us = seat.now_utc_us()
        if chosen.valid > _MAX_LIFE_US:
            raise CommandRefused(
                what="no pole takes an order that is valid for a day",
                which="--valid",
                remedy="give less",
            )
        pole = Pole(*chosen.pole)
        order = chosen.make(chosen, now_us)
        with seat.store.writing() as transaction:
            command = give_order(
                transaction,
                pole,
                order,
                seat.who.operator,
                ClockIds(seat.clock),
                now_utc_us=now_us,
                life_us=chosen.valid,
            )
            seat.note(
                transaction,
                AuditAction.ORDER_GIVEN,
                command.id,
                detail=f"{pole}: {msgspec.json.encode(order).decode()}",
            )
        given = _waited_for(seat, command.id, chosen.wait or 0)
        if chosen.json:
            _write_json(given)
        else:
            later = "" if given.state in _FINAL else "; roeh desk orders tells it later"
            console_for(sys.stdout).print(
                safe(f"{given.name} to {pole}, order {given.id}: {outcome_text(given)}{later}"),
                soft_wrap=True,
            )
    return EXIT_OK if given.state not in ("refused", "failed") else CommandRefused.exit_status


def _waited_for(seat: Seat, command_id: str, wait_us: int) -> GivenOrder:
    """The order once it is done or not, or as it is when the time is over."""
    deadline_ns = seat.clock.mono_ns() + wait_us * (NS_PER_S // _US_PER_S)
    while True:
        with seat.store.reading() as transaction:
            given = given_order(transaction, command_id)
        if given.state in _FINAL or seat.clock.mono_ns() >= deadline_ns:
            return given
        seat.clock.wait(_POLL_S)


def _orders(chosen: argparse.Namespace) -> int:
    with taken_seat(chosen) as seat:
        with seat.store.reading() as transaction:
            found = given_orders(
                transaction,
                since_utc_us=chosen.since.at(seat.now_utc_us()),
                pole=chosen.pole,
                operator=chosen.by,
                limit=_MAX_LISTED,
            )
        named = "all" if chosen.pole is None else "/".join(chosen.pole)
        seat.note_view(AuditAction.ORDERS_VIEWED, named, count=len(found))
        if chosen.save is not None:
            saved = [path for given in found if (path := _save(seat, given, chosen.save))]
            sys.stderr.write(f"pictures written: {len(saved)}, below {chosen.save}\n")
        if chosen.json:
            for given in found:
                _write_json(given)
            return EXIT_OK
        console = console_for(sys.stdout)
        rows = [
            tuple(
                safe(text)
                for text in (
                    utc_text(given.t_created_utc_us),
                    f"{given.site}/{given.node}",
                    given.operator,
                    given.name,
                    outcome_text(given),
                    given.id,
                )
            )
            for given in found
        ]
        print_table(console, ("given", "pole", "by", "order", "became of it", "id"), rows)
    return EXIT_OK


def _save(seat: Seat, given: GivenOrder, directory: Path) -> Path | None:
    """A picture is on record as taken before it is written; where, if there was one."""
    if given.picture is None:
        return None
    sha256 = hashlib.sha256(given.picture).hexdigest()
    seat.note_view(AuditAction.THUMBNAIL_TAKEN, given.id, count=1, sha256=sha256)
    suffix = "webp" if given.picture[8:12] == _WEBP else "jpg"
    path = directory / given.site / given.node / f"{given.id}.{suffix}"
    write_kept(path, given.picture)
    return path


def _write_json(given: GivenOrder) -> None:
    record = OrderRecord(
        id=given.id,
        site=given.site,
        node=given.node,
        operator=given.operator,
        order=given.command.order,
        state=given.state,
        t_created_utc_us=given.t_created_utc_us,
        t_answered_utc_us=given.t_answered_utc_us,
        answer=given.answer,
    )
    sys.stdout.write(msgspec.json.encode(record).decode() + "\n")
