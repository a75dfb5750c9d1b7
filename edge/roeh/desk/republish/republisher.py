"""One round of passing on: read what is committed, say it, then move the cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from roeh.core.clock import Clock
from roeh.core.config import DeskConfig
from roeh.core.errors import DeskFailed, RoehError
from roeh.core.log import log_error, log_for
from roeh.core.types import Alert
from roeh.desk.adapters.cap_files import CapFiles
from roeh.desk.adapters.onvif import onvif_messages
from roeh.desk.republish import alarm_feed, feed, texts
from roeh.desk.republish.audiences import has_ranges
from roeh.desk.republish.views import alert_views, picture_views
from roeh.desk.republish.waiting import stamp
from roeh.desk.store import DeskStore, Transaction
from roeh.transport.view_messages import ViewMessage

ALERTS = "republish/alert"
PICTURES = "republish/thumb"
ALARMS = "republish/alarm"
ONVIF = "republish/onvif"
CAP = "republish/cap"
#: Rows that are read at a time.
BATCH_ROWS = 100
#: A republisher that starts on an old database begins so long ago.
LOOK_BACK_US = 3600 * 1_000_000
#: How often the texts that wait are looked through.
TEXTS_EVERY_NS = 1_000_000_000
#: How soon files are tried again that could not be written.
CAP_AGAIN_NS = 5_000_000_000
_US_PER_DAY = 24 * 3600 * 1_000_000
_LOG = log_for("desk.republish")
#: Where each feed begins when it has no cursor yet.
_STARTS: dict[str, Callable[[Transaction, int], int]] = {
    ALERTS: feed.alerts_before,
    PICTURES: feed.pictures_before,
    ALARMS: alarm_feed.steps_before,
    ONVIF: feed.alerts_before,
    CAP: feed.alerts_before,
}


class Outlet(Protocol):
    """Where messages go."""

    def send(self, messages: list[ViewMessage]) -> None:
        """Say them; returns when the broker has answered all.

        Raises:
            BrokerRefused: it did not; some may have been taken.
        """
        ...


class Republisher:
    """Passes on what the desk has committed; what it has passed on is in the database alone."""

    def __init__(self, config: DeskConfig, store: DeskStore, outlet: Outlet, clock: Clock) -> None:
        self._config = config
        self._store = store
        self._outlet = outlet
        self._clock = clock
        cap = config.adapters.cap
        self._cap = CapFiles(config) if cap.enabled else None
        self._texts_due_ns = clock.mono_ns()
        #: When files are tried again that could not be written; 0: they can be.
        self._cap_due_ns = 0
        self._begin()

    def round(self) -> bool:
        """Pass on what there is; whether there may be more at once.

        Raises:
            BrokerRefused: the broker is away; nothing is lost.
            DeskFailed: the database is.
        """
        more = self._pass_alerts()
        more |= self._pass_pictures()
        more |= self._pass_alarms()
        if self._config.adapters.onvif.enabled:
            more |= self._pass_onvif()
        if self._cap is not None and self._clock.mono_ns() >= self._cap_due_ns:
            more |= self._write_cap(self._cap)
        if self._clock.mono_ns() >= self._texts_due_ns:
            self._tell_parents()
            self._texts_due_ns = self._clock.mono_ns() + TEXTS_EVERY_NS
        return more

    def forget(self) -> None:
        """Delete what is kept of parents' texts with the alerts that they were about."""
        days = self._config.retention.alert_days
        before_us = self._clock.read().t_utc_ns // 1000 - round(days * _US_PER_DAY)
        with self._store.writing() as transaction:
            texts.forget(transaction, before_us)

    def _begin(self) -> None:
        since_us = self._clock.read().t_utc_ns // 1000 - LOOK_BACK_US
        with self._store.writing() as transaction:
            for name, before in _STARTS.items():
                if feed.cursor(transaction, name) is None:
                    feed.move_cursor(transaction, name, before(transaction, since_us))

    def _pass_alerts(self) -> bool:
        said: list[ViewMessage] = []
        waiting: list[texts.WaitingText] = []
        with self._store.reading() as transaction:
            pictures_done = feed.cursor(transaction, PICTURES) or 0
            rows = self._next_alerts(transaction, ALERTS)
            for row, alert in _readable(rows):
                bearings: tuple[float, ...] = ()
                if has_ranges(self._config, row.site, row.node):
                    bearings = feed.earlier_bearings_deg(transaction, row)
                said += alert_views(self._config, alert, bearings)
                picture = feed.picture_of(transaction, row)
                # A picture that came before its alert was left for now.
                if picture is not None and picture.row <= pictures_done:
                    said += picture_views(self._config, alert, picture)
                now = stamp(self._clock.read())
                waiting += texts.texts_of(self._config, alert, row.t_received_utc_us, now)
        if not rows:
            return False
        self._outlet.send(said)
        with self._store.writing() as transaction:
            texts.keep(transaction, tuple(waiting))
            feed.move_cursor(transaction, ALERTS, rows[-1].row)
        return len(rows) == BATCH_ROWS

    def _pass_pictures(self) -> bool:
        said: list[ViewMessage] = []
        with self._store.reading() as transaction:
            alerts_done = feed.cursor(transaction, ALERTS) or 0
            done = feed.cursor(transaction, PICTURES) or 0
            pictures = feed.pictures_after(transaction, done, BATCH_ROWS)
            for picture in pictures:
                row = feed.alert_of(transaction, picture)
                # What comes after this cursor finds its picture when its turn comes.
                if row is not None and row.row <= alerts_done:
                    for _, alert in _readable([row]):
                        said += picture_views(self._config, alert, picture)
        if not pictures:
            return False
        self._outlet.send(said)
        self._move(PICTURES, pictures[-1].row)
        return len(pictures) == BATCH_ROWS

    def _pass_alarms(self) -> bool:
        with self._store.reading() as transaction:
            done = feed.cursor(transaction, ALARMS) or 0
            steps = alarm_feed.steps_after(transaction, done, BATCH_ROWS)
        if not steps:
            return False
        self._outlet.send([alarm_feed.step_view(step, self._config.name) for step in steps])
        self._move(ALARMS, steps[-1].row)
        return len(steps) == BATCH_ROWS

    def _pass_onvif(self) -> bool:
        said: list[ViewMessage] = []
        with self._store.reading() as transaction:
            rows = self._next_alerts(transaction, ONVIF)
            for row, alert in _readable(rows):
                if not feed.is_overtaken(transaction, row):
                    others = feed.others_open(transaction, row, alert.rule)
                    prefix = self._config.adapters.onvif.prefix
                    said += onvif_messages(row.timed(alert), prefix=prefix, others_open=others)
        if not rows:
            return False
        self._outlet.send(said)
        self._move(ONVIF, rows[-1].row)
        return len(rows) == BATCH_ROWS

    def _write_cap(self, files: CapFiles) -> bool:
        """CAP files have a cursor of their own: a full disk does not keep patrols waiting."""
        with self._store.reading() as transaction:
            rows = self._next_alerts(transaction, CAP)
            work = [
                (row.timed(alert), _timed(feed.earlier_messages(transaction, row)))
                for row, alert in _readable(rows)
            ]
        if not rows:
            return False
        try:
            for alert, earlier in work:
                files.write(alert, earlier)
        except RoehError as error:
            if not self._cap_due_ns:
                log_error(_LOG, error)
            self._cap_due_ns = self._clock.mono_ns() + CAP_AGAIN_NS
            return False
        self._cap_due_ns = 0
        self._move(CAP, rows[-1].row)
        return len(rows) == BATCH_ROWS

    def _tell_parents(self) -> None:
        with self._store.reading() as transaction:
            decided = texts.decisions(transaction, self._config, stamp(self._clock.read()))
        if not decided:
            return
        self._outlet.send([one.message for one in decided if one.message is not None])
        with self._store.writing() as transaction:
            texts.settle(transaction, decided)

    def _next_alerts(self, transaction: Transaction, name: str) -> list[feed.AlertRow]:
        return feed.alerts_after(transaction, feed.cursor(transaction, name) or 0, BATCH_ROWS)

    def _move(self, name: str, row: int) -> None:
        with self._store.writing() as transaction:
            feed.move_cursor(transaction, name, row)


def _timed(rows: Sequence[feed.AlertRow]) -> list[Alert]:
    return [row.timed(alert) for row, alert in _readable(rows)]


def _readable(rows: Sequence[feed.AlertRow]) -> Iterator[tuple[feed.AlertRow, Alert]]:
    """Each row with what it says; what a damaged one says is not known, and keeps nobody back."""
    for row in rows:
        try:
            alert = row.alert
        except DeskFailed as error:
            log_error(_LOG, error)
        else:
            yield row, alert
