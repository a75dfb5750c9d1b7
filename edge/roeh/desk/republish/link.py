"""The republisher's connection to the broker: each message is answered, or nothing is done."""

from __future__ import annotations

import queue

from roeh.core.clock import Clock
from roeh.core.errors import BrokerRefused
from roeh.core.log import log_for
from roeh.transport.mqtt import (
    FIRST_FAILURE,
    Acknowledged,
    BrokerEvent,
    BrokerOptions,
    Disconnected,
    MqttConnection,
)
from roeh.transport.view_messages import ViewMessage

#: How long the broker may take to answer a message.
ANSWER_TIMEOUT_S = 15.0
#: Messages under way, or fewer if the broker says so.
WINDOW = 20
QUOTA_EXCEEDED = 0x97
_COMPLAIN_EVERY_S = 60.0
_NS_PER_S = 1_000_000_000
_LOG = log_for("desk.republish")


class BrokerOutlet:
    """Connects when there is something to say; after a failure the next call dials again."""

    def __init__(self, options: BrokerOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._connection: MqttConnection | None = None
        self._events: queue.SimpleQueue[BrokerEvent] = queue.SimpleQueue()
        self._window = WINDOW
        self._taken = 0
        self._refused = 0
        self._complained_mono_ns: int | None = None

    @property
    def counts(self) -> dict[str, float]:
        """What to show to Prometheus (core/metrics)."""
        return {
            "messages": float(self._taken),
            "refused": float(self._refused),
            "connected": float(self._connection is not None),
        }

    def open(self) -> None:
        """Connect, if there is no connection.

        Raises:
            BrokerRefused: it cannot be reached or says no.
        """
        if self._connection is not None:
            return
        self._events = queue.SimpleQueue()
        connection = MqttConnection(self._options, self._events.put)
        session = connection.open()
        self._window = max(1, min(WINDOW, session.receive_maximum))
        self._connection = connection

    def send(self, messages: list[ViewMessage]) -> None:
        """Say them in this order; returns when the broker has answered all.

        What it refuses for good (an access list that is wrong) is counted and passed over, so
        that one audience does not keep the others waiting.

        Raises:
            BrokerRefused: the connection ended, or the broker is too busy; say them again.
        """
        self.open()
        assert self._connection is not None
        unanswered: dict[int, ViewMessage] = {}
        for message in messages:
            if len(unanswered) >= self._window:
                self._take_answer(unanswered)
            unanswered[self._connection.publish(message)] = message
        while unanswered:
            self._take_answer(unanswered)

    def close(self) -> None:
        """Say goodbye."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _take_answer(self, unanswered: dict[int, ViewMessage]) -> None:
        try:
            event = self._events.get(timeout=ANSWER_TIMEOUT_S)
        except queue.Empty:
            raise self._lost("the broker does not answer") from None
        if isinstance(event, Disconnected):
            raise self._lost(event.reason)
        if not isinstance(event, Acknowledged):
            return
        message = unanswered.pop(event.packet_id, None)
        if event.reason_code == QUOTA_EXCEEDED:
            raise self._lost("the broker is too busy")
        if message is None:
            return
        if event.reason_code >= FIRST_FAILURE:
            self._complain(message, event.reason_code)
        else:
            self._taken += 1

    def _lost(self, why: str) -> BrokerRefused:
        if self._connection is not None:
            self._connection.abandon()
            self._connection = None
        return BrokerRefused(
            what=why,
            which=f"broker {self._options.address}",
            remedy="see the broker's log; what was not taken is said again",
        )

    def _complain(self, message: ViewMessage, reason_code: int) -> None:
        self._refused += 1
        now_ns = self._clock.mono_ns()
        last_ns = self._complained_mono_ns
        if last_ns is None or now_ns - last_ns >= _COMPLAIN_EVERY_S * _NS_PER_S:
            self._complained_mono_ns = now_ns
            _LOG.warning(
                "the broker refuses %s (0x%02x), %d so far; check its access list",
                message.topic,
                reason_code,
                self._refused,
            )
