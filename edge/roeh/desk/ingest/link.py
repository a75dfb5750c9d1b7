"""Ingest's connection to the broker: kept, made again after a wait that grows, spoken of once."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence

import msgspec

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import RoehError
from roeh.core.log import log_error, log_for
from roeh.transport.backoff import Backoff
from roeh.transport.messages import Incoming, Outgoing
from roeh.transport.mqtt import BrokerEvent, Disconnected, MqttConnection, NotOpened, Opened
from roeh.transport.topics import Channel, shared_filter, topic_filter

_LOG = log_for("ingest")
_BACKOFF_CAP_S = 10.0
#: The broker keeps what comes for a member that is away for this long; one that does not
#: come back would keep it from the others of its group.
SESSION_EXPIRY_S = 300
#: What the group shares, a message to one member. States come to each: they are retained,
#: and a broker gives retained ones to no group.
_SHARED = (Channel.ALERT, Channel.THUMB, Channel.HEALTH, Channel.RSP)
#: Heartbeats that wait when the database is away, and how large each may be: together 64 MB,
#: whoever floods. More are not kept; the next comes soon.
_MOST_UNANSWERED = 2_000
_MOST_UNANSWERED_BYTES = 32 * 1024

Connect = Callable[[Callable[[BrokerEvent], None]], MqttConnection]


class Arrived(msgspec.Struct, frozen=True):
    """A message, and the connection over which it is to be answered."""

    incoming: Incoming
    connection: MqttConnection


class Woken(msgspec.Struct, frozen=True):
    """Look again whether to stop."""


class _Told(msgspec.Struct, frozen=True):
    event: BrokerEvent
    attempt: int


class BrokerLink:
    """One connection at a time, and what came over it.

    Args:
        connect: makes a connection that hands its events to what it is given.
        group: whose messages are shared.
        clock: times the waits.
        own_filters: what each member hears for itself.
    """

    def __init__(
        self, connect: Connect, group: str, clock: Clock, own_filters: Sequence[str] = ()
    ) -> None:
        self._own_filters = (topic_filter(Channel.STATE), *own_filters)
        self._connect = connect
        self._group = group
        self._clock = clock
        self._events: queue.SimpleQueue[_Told | Woken] = queue.SimpleQueue()
        self._backoff = Backoff(_BACKOFF_CAP_S)
        self._connection: MqttConnection | None = None
        self._attempt = 0
        self._dial_due_ns = clock.mono_ns()
        self._is_open = False
        self._said_away = False
        self.opened_mono_ns: int | None = None
        self.broker_certificate_ends_us: int | None = None
        self.not_kept = 0

    def next_message(self, timeout_s: float) -> Arrived | Woken | None:
        """The next message; None when the time is over, or when the connection changed."""
        try:
            told = self._events.get(block=timeout_s > 0, timeout=max(timeout_s, 0.0))
        except queue.Empty:
            return None
        if isinstance(told, Woken):
            return told
        if told.attempt != self._attempt or self._connection is None:
            return None  # of a connection that is over: it could not be answered
        if isinstance(told.event, Incoming):
            return Arrived(told.event, self._connection)
        self._take(told.event)
        return None

    def keep_open(self) -> None:
        """Dial when there is no connection and it is time."""
        if self._connection is None and self._clock.mono_ns() >= self._dial_due_ns:
            self._attempt += 1
            self._connection = self._connect(self._teller(self._attempt))
            self._connection.open_soon()

    def say(self, message: Outgoing) -> bool:
        """Publish a message; False when there is no connection."""
        if self._connection is None or not self._is_open:
            return False
        self._connection.publish(message)
        return True

    def wake(self) -> None:
        """Have whoever waits look again."""
        self._events.put(Woken())

    def close(self) -> None:
        """Say goodbye."""
        if self._connection is not None:
            self._connection.close()

    @property
    def is_open(self) -> bool:
        """Whether messages come."""
        return self._is_open

    def _teller(self, attempt: int) -> Callable[[BrokerEvent], None]:
        def tell(event: BrokerEvent) -> None:
            if isinstance(event, Incoming) and not event.packet_id:
                is_large = len(event.payload) > _MOST_UNANSWERED_BYTES
                if is_large or self._events.qsize() > _MOST_UNANSWERED:
                    self.not_kept += 1
                    return
            self._events.put(_Told(event, attempt))

        return tell

    def _take(self, event: BrokerEvent) -> None:
        if isinstance(event, Opened):
            self.broker_certificate_ends_us = event.session.broker_certificate_ends_us
            self._subscribe()
        elif isinstance(event, NotOpened):
            self._away(event.error)
        elif isinstance(event, Disconnected):
            self._away(None, event.reason)

    def _subscribe(self) -> None:
        assert self._connection is not None
        for channel in _SHARED:
            self._connection.subscribe(shared_filter(self._group, channel))
        for own in self._own_filters:
            self._connection.subscribe(own)
        self._is_open = True
        self.opened_mono_ns = self._clock.mono_ns()
        self._backoff.reset()
        _LOG.info("connected to the broker")
        self._said_away = False

    def _away(self, error: RoehError | None, reason: str = "") -> None:
        if self._connection is not None:
            self._connection.abandon()
        self._connection, self._is_open, self.opened_mono_ns = None, False, None
        wait_s = self._backoff.next_wait_s()
        self._dial_due_ns = self._clock.mono_ns() + round(wait_s * NS_PER_S)
        if self._said_away:
            return
        self._said_away = True
        if error is not None:
            log_error(_LOG, error)
        else:
            _LOG.warning("%s; dialling again", reason)
