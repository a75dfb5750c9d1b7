"""An operator's seat: the desk's database opened by a command, and who sits there."""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Iterator

import msgspec

from roeh.core.clock import NS_PER_US, Clock, SystemClock
from roeh.core.config import DeskConfig, load_desk_config
from roeh.core.moments import utc_argument
from roeh.desk.alarms.desk_work import DeskWork
from roeh.desk.audit.log import AuditAction, AuditLog
from roeh.desk.operators import Who, who_operates
from roeh.desk.store import DeskStore, Transaction, open_desk_store

_DURATION = re.compile(r"([1-9][0-9]{0,6})([smhd])")
_UNITS_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}


class Moment(msgspec.Struct, frozen=True):
    """A time as it was given: of UTC, or so long before now."""

    utc_us: int | None = None
    ago_us: int | None = None

    def at(self, now_utc_us: int) -> int:
        """In microseconds of UTC."""
        return self.utc_us if self.utc_us is not None else now_utc_us - (self.ago_us or 0)


class Seat:
    """What a command of an operator works with. `who` stands in every audit entry."""

    def __init__(self, config: DeskConfig, store: DeskStore, who: Who, clock: Clock) -> None:
        self.config = config
        self.store = store
        self.who = who
        self.clock = clock
        self.audit = AuditLog(clock, config.name)
        self.work = DeskWork(store, self.audit, clock)

    def now_utc_us(self) -> int:
        """By the desk's clock."""
        return self.clock.read().t_utc_ns // NS_PER_US

    def note_view(
        self,
        action: AuditAction,
        subject: str,
        *,
        count: int | None = None,
        sha256: str | None = None,
        detail: str = "",
    ) -> None:
        """Write down what is going to be shown; to be called before it is.

        Raises:
            DeskFailed: it cannot be written, so nothing may be shown.
        """
        with self.store.writing() as transaction:
            self.note(transaction, action, subject, count=count, sha256=sha256, detail=detail)

    def note(
        self,
        transaction: Transaction,
        action: AuditAction,
        subject: str,
        *,
        count: int | None = None,
        sha256: str | None = None,
        detail: str = "",
    ) -> None:
        """The same in a transaction that writes already."""
        self.audit.append(
            transaction, self.who, action, subject, count=count, sha256=sha256, detail=detail
        )


@contextlib.contextmanager
def taken_seat(chosen: argparse.Namespace, clock: Clock | None = None) -> Iterator[Seat]:
    """The seat that a command line names: `config` and `operator`.

    Raises:
        ConfigError, DeskFailed, AlarmRefused: configuration, database, operator.
    """
    config = load_desk_config(chosen.config)
    who = who_operates(chosen.operator)
    # A wrong path must not show an empty desk, with no alarms.
    store = open_desk_store(config, may_make=False)
    try:
        yield Seat(config, store, who, clock or SystemClock())
    finally:
        store.close()


def add_operator(parser: argparse.ArgumentParser) -> None:
    """`--operator`, which every command of an operator has."""
    parser.add_argument(
        "--operator",
        default="",
        metavar="NAME",
        help="who you are; default: who logged in. The system's user is written down as well",
    )


def duration_argument(text: str) -> int:
    """A duration such as 30m in microseconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 90s, 30m, 8h or 2d")
    return int(match[1]) * _UNITS_US[match[2]]


def moment_argument(text: str) -> Moment:
    """A time of UTC, or how long ago: 2026-01-31T18:30:00Z, 8h."""
    if _DURATION.fullmatch(text):
        return Moment(ago_us=duration_argument(text))
    return Moment(utc_us=utc_argument(text))


def pole_argument(text: str) -> tuple[str, str]:
    """A pole as SITE/NODE, or a whole site as SITE."""
    site, _, node = text.partition("/")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}(/[a-z0-9][a-z0-9-]{0,62})?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no pole; write SITE/NODE, or SITE")
    return site, node
