"""The demo's end of the line: a subscriber that counts and times what arrives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

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
    """An alert that arrived for the first time.

    Attributes:
        delay_us: since the instant of its picture.
        rule_delay_us: since its rule came true, to the millisecond: that is when its id
            was made.
    """

    alert: Alert
    delay_us: int
    rule_delay_us: int


class ControlRoom:
    """Keeps what arrived: alerts by id, duplicates removed, and their thumbnails.

    Args:
        broker_port: on this machine.
        clock: the pole's as well, so that delays mean something.
        on_arrival: told of every alert once, in paho's thread: it must not wait.
    """

    def __init__(
        self, broker_port: int, clock: Clock, *, on_arrival: Callable[[Arrival], None]
    ) -> None:
        self.arrivals: dict[str, Arrival] = {}
        self.thumbnails: dict[str, bytes] = {}
        self._clock = clock
        self._on_arrival = on_arrival
        self._arrived = threading.Condition()
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

    def wait_for(self, ids: Collection[str], timeout_s: float) -> bool:
        """Wait until all these alert messages arrived; False when they did not in time."""
        with self._arrived:
            return self._arrived.wait_for(lambda: self.arrivals.keys() >= set(ids), timeout_s)

    def thumbnail_of(self, alert_id: str) -> bytes | None:
        """The alert's picture, if it arrived."""
        with self._arrived:
            return self.thumbnails.get(alert_id)

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
            with self._arrived:
                self.thumbnails[message.alert_id] = message.picture
        elif isinstance(message, Alert):
            arrival = Arrival(
                alert=message,
                delay_us=now_us - message.t_utc_us,
                rule_delay_us=now_us - _made_utc_us(message.id),
            )
            with self._arrived:
                if message.id in self.arrivals:
                    return
                self.arrivals[message.id] = arrival
                self._arrived.notify_all()
            self._on_arrival(arrival)


def _made_utc_us(uuid7: str) -> int:
    """When a UUIDv7 was made: its first 48 bits are Unix milliseconds (RFC 9562)."""
    return int(uuid7.replace("-", "")[:12], 16) * 1000
