"""The demo's end of the line: a subscriber that counts and times what arrives."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.errors import MessageRefused
from roeh.core.log import log_error, log_for
from roeh.core.types import Alert
from roeh.transport.messages import Incoming, Thumbnail, parse_up
from roeh.transport.mqtt import BrokerEvent, BrokerOptions, MqttConnection
from roeh.transport.topics import Channel, parse_topic, topic_filter

_log = log_for("control-room")


class Arrival(msgspec.Struct, frozen=True):
    """An alert that arrived for the first time, and how long after its picture."""

    alert: Alert
    delay_us: int


class ControlRoom:
    """Keeps what arrived: alerts by id, duplicates removed, and their thumbnails."""

    def __init__(
        self, broker_port: int, clock: Clock, *, on_arrival: Callable[[Arrival], None]
    ) -> None:
        self.arrivals: dict[str, Arrival] = {}
        self.thumbnails: dict[str, bytes] = {}
        self._clock = clock
        self._on_arrival = on_arrival
        self._lock = threading.Lock()
        self._connection = MqttConnection(
            BrokerOptions(host="127.0.0.1", port=broker_port, client_id="control-room"),
            self._take,
        )

    def open(self) -> None:
        """Connect and subscribe.

        Raises:
            BrokerRefused: the broker does not take us.
        """
        self._connection.open()
        for channel in (Channel.ALERT, Channel.THUMB):
            self._connection.subscribe(topic_filter(channel))

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def delivered_ids(self) -> frozenset[str]:
        """Ids of all alert messages that arrived."""
        with self._lock:
            return frozenset(self.arrivals)

    def _take(self, event: BrokerEvent) -> None:
        if not isinstance(event, Incoming):
            return
        now_us = self._clock.read().t_utc_ns // NS_PER_US
        try:
            message = parse_up(parse_topic(event.topic), event)
        except MessageRefused as error:
            log_error(_log, error)
            return
        if isinstance(message, Thumbnail):
            with self._lock:
                self.thumbnails[message.alert_id] = message.jpeg
        elif isinstance(message, Alert):
            arrival = Arrival(alert=message, delay_us=now_us - message.t_utc_us)
            with self._lock:
                is_new = message.id not in self.arrivals
                self.arrivals.setdefault(message.id, arrival)
            if is_new:
                self._on_arrival(arrival)
