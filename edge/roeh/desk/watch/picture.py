"""What the control room knows of its poles: messages in, notices out, no IO.

Invariants:
    1. An alert is told once, however often it arrives.
    2. What is missing is known by (node, seq), never by time.
    3. A pole's state is the last one of its highest connection number.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from roeh.core.clock import NS_PER_S, NS_PER_US, ClockReading
from roeh.core.orders import SeqRange
from roeh.core.types import Alert, Tombstone
from roeh.desk.pole import Pole
from roeh.desk.silence import stale_after_s
from roeh.desk.watch.notices import (
    AlertArrived,
    AlertEvicted,
    AlertsMissing,
    Notice,
    PoleCondition,
    PoleOffline,
    PoleOnline,
    PoleSilent,
    ThumbnailArrived,
)
from roeh.desk.watch.seq_ranges import SeqRanges
from roeh.transport.messages import (
    HealthMessage,
    StateMessage,
    Thumbnail,
    UpMessage,
)

#: How long an alert waits for its picture before it is told without.
THUMBNAIL_GRACE_S = 1.0
#: How long a gap may stand before it is told: urgent alerts overtake others.
MISSING_GRACE_S = 10.0
_MAX_REMEMBERED = 20_000


class PoleView(msgspec.Struct):
    """What is known of one pole now."""

    pole: Pole
    state: StateMessage | None = None
    health: HealthMessage | None = None
    heard_mono_ns: int | None = None
    silent: bool = False
    alerts: int = 0
    duplicates: int = 0
    evicted: int = 0
    missing: tuple[SeqRange, ...] = ()

    @property
    def online(self) -> bool:
        """Whether the broker counts it as connected."""
        return self.state is not None and self.state.online


class _Waiting(msgspec.Struct, frozen=True):
    """An alert that waits for its picture."""

    pole: Pole
    alert: Alert
    delay_us: int
    until_ns: int


class _Count(msgspec.Struct):
    """A node's count of alerts, as far as it arrived."""

    ranges: SeqRanges
    gaps_since_ns: dict[SeqRange, int]
    told: set[SeqRange]


class Picture:
    """The state of the control room; times come in with each call."""

    def __init__(self) -> None:
        self._views: dict[Pole, PoleView] = {}
        self._counts: dict[Pole, _Count] = {}
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._early: OrderedDict[str, bytes] = OrderedDict()
        self._pictured: OrderedDict[str, None] = OrderedDict()

    def poles(self) -> tuple[PoleView, ...]:
        """Every pole ever heard of, by name."""
        return tuple(self._views[pole] for pole in sorted(self._views))

    def take(self, pole: Pole, message: UpMessage, now: ClockReading) -> list[Notice]:
        """One message of a pole, parsed; what is to be told of it."""
        view = self._views.setdefault(pole, PoleView(pole))
        if not isinstance(message, StateMessage):  # which the broker may say in its place
            view.heard_mono_ns, view.silent = now.t_mono_ns, False
        if isinstance(message, Alert):
            notices = self._take_alert(view, message, now)
        elif isinstance(message, Thumbnail):
            notices = self._take_thumbnail(pole, message)
        elif isinstance(message, Tombstone):
            notices = self._take_tombstone(view, message, now)
        elif isinstance(message, StateMessage):
            notices = _take_state(view, message, now)
        elif isinstance(message, HealthMessage):
            notices = _take_health(view, message)
        else:
            notices = []  # for the desk's ingester and the witnesses
        return notices + self.tick(now)

    def tick(self, now: ClockReading) -> list[Notice]:
        """What is to be told because time passed."""
        return [
            *self._tell_unpictured(now),
            *self._tell_missing(now),
            *self._tell_silent(now),
        ]

    def next_tick_ns(self) -> int | None:
        """When an alert stops waiting for its picture; None: none waits."""
        return min((waiting.until_ns for waiting in self._waiting.values()), default=None)

    def _take_alert(self, view: PoleView, alert: Alert, now: ClockReading) -> list[Notice]:
        self._count_seq(view, alert.seq, now)
        if alert.id in self._seen:
            view.duplicates += 1
            return []
        _remember(self._seen, alert.id)
        view.alerts += 1
        waiting = _Waiting(
            pole=view.pole,
            alert=alert,
            delay_us=now.t_utc_ns // NS_PER_US - alert.t_utc_us,
            until_ns=now.t_mono_ns + int(THUMBNAIL_GRACE_S * NS_PER_S),
        )
        jpeg = self._early.pop(alert.id, None)
        if jpeg is None and alert.thumbnail_sha256 is not None:
            self._waiting[alert.id] = waiting
            return []
        return [_arrived(waiting, jpeg)]

    def _take_thumbnail(self, pole: Pole, thumbnail: Thumbnail) -> list[Notice]:
        if thumbnail.alert_id in self._pictured:
            return []
        _remember(self._pictured, thumbnail.alert_id)
        waiting = self._waiting.pop(thumbnail.alert_id, None)
        if waiting is not None:
            return [_arrived(waiting, thumbnail.picture)]
        if thumbnail.alert_id in self._seen:
            return [ThumbnailArrived(pole, thumbnail.alert_id, thumbnail.picture)]
        self._early[thumbnail.alert_id] = thumbnail.picture
        if len(self._early) > _MAX_REMEMBERED // 100:
            self._early.popitem(last=False)
        return []

    def _take_tombstone(
        self, view: PoleView, tombstone: Tombstone, now: ClockReading
    ) -> list[Notice]:
        self._count_seq(view, tombstone.evicted_seq, now)
        if tombstone.id in self._seen:
            return []  # sent before it was evicted, or told already
        _remember(self._seen, tombstone.id)
        view.evicted += 1
        return [AlertEvicted(view.pole, tombstone)]

    def _count_seq(self, view: PoleView, seq: int, now: ClockReading) -> None:
        count = self._counts.setdefault(view.pole, _Count(SeqRanges(), {}, set()))
        if not count.ranges.add(seq):
            return
        view.missing = count.ranges.missing()
        # A gap that was filled in part is a smaller one that stands as long.
        count.gaps_since_ns = {
            gap: min(
                (
                    since_ns
                    for older, since_ns in count.gaps_since_ns.items()
                    if older.first <= gap.first and gap.last <= older.last
                ),
                default=now.t_mono_ns,
            )
            for gap in view.missing
        }
        count.told = {
            gap
            for gap in view.missing
            if any(older.first <= gap.first and gap.last <= older.last for older in count.told)
        }

    def _tell_unpictured(self, now: ClockReading) -> list[Notice]:
        overdue = [key for key, due in self._waiting.items() if due.until_ns <= now.t_mono_ns]
        return [_arrived(self._waiting.pop(key), None) for key in overdue]

    def _tell_missing(self, now: ClockReading) -> list[Notice]:
        limit_ns = now.t_mono_ns - int(MISSING_GRACE_S * NS_PER_S)
        notices: list[Notice] = []
        for pole, count in self._counts.items():
            news = tuple(
                gap
                for gap, since_ns in count.gaps_since_ns.items()
                if since_ns <= limit_ns and gap not in count.told
            )
            if news:
                count.told.update(news)
                notices.append(AlertsMissing(pole, news))
        return notices

    def _tell_silent(self, now: ClockReading) -> list[Notice]:
        notices: list[Notice] = []
        for view in self._views.values():
            if view.silent or not view.online or view.heard_mono_ns is None:
                continue
            age_ns = now.t_mono_ns - view.heard_mono_ns
            heartbeat_s = None if view.health is None else view.health.heartbeat_s
            if age_ns > stale_after_s(heartbeat_s) * NS_PER_S:
                view.silent = True
                notices.append(PoleSilent(view.pole, age_ns // NS_PER_US))
        return notices


def _take_state(view: PoleView, state: StateMessage, now: ClockReading) -> list[Notice]:
    known = view.state
    if known is not None:
        if state.connection_number < known.connection_number:
            return []
        same = state.connection_number == known.connection_number
        if same and state.online == known.online:
            return []
    view.state = state
    if state.online:
        view.heard_mono_ns, view.silent = now.t_mono_ns, False
        return [PoleOnline(view.pole, state)]
    return [PoleOffline(view.pole, state)]


def _take_health(view: PoleView, health: HealthMessage) -> list[Notice]:
    before = view.health
    view.health = health
    if before is None and health.condition == "ok":
        return []
    if before is not None and before.condition == health.condition:
        return []
    return [PoleCondition(view.pole, health)]


def _arrived(waiting: _Waiting, jpeg: bytes | None) -> AlertArrived:
    return AlertArrived(waiting.pole, waiting.alert, jpeg, waiting.delay_us)


def _remember(known: OrderedDict[str, None], key: str) -> None:
    known[key] = None
    if len(known) > _MAX_REMEMBERED:
        known.popitem(last=False)
