"""`roeh watch`: a control room in a terminal, or as lines for a machine."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import IO

import msgspec

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import EXIT_OK, BrokerRefused, MessageRefused
from roeh.core.ids import ClockIds
from roeh.desk.keeper import AlertKeeper
from roeh.desk.pole import Pole
from roeh.desk.watch.broker_url import parse_broker_url
from roeh.desk.watch.notices import Notice
from roeh.desk.watch.picture import Picture
from roeh.desk.watch.view import JsonView, TerminalView, View
from roeh.transport.backoff import Backoff
from roeh.transport.messages import Incoming, parse_up
from roeh.transport.mqtt import BrokerEvent, BrokerOptions, Disconnected, MqttConnection
from roeh.transport.topics import parse_topic, topic_filter

#: The broker keeps what comes while the connection is broken for this long.
_SESSION_EXPIRY_S = 3600
_BACKOFF_CAP_S = 10.0
_TICK_S = 1.0


class _Woken(msgspec.Struct, frozen=True):
    """Look again whether to stop."""


_Events = queue.SimpleQueue[BrokerEvent | _Woken]


def run_watch(
    broker_url: str,
    save_dir: Path | None,
    *,
    as_json: bool,
    clock: Clock,
    stop: threading.Event,
    out: IO[str],
) -> int:
    """Show what every pole says until told to stop; the exit status.

    Args:
        broker_url: as `parse_broker_url` takes it.
        save_dir: alerts and pictures are kept here too.
        as_json: one JSON line a notice, in place of the terminal view.
        clock: times the delays.
        stop: ends it.
        out: where the view goes.

    Raises:
        ConfigError: the URL.
        BrokerRefused: the broker could not be reached at the start; later it is waited for.
        OutputRefused: `save_dir` cannot be written.
    """
    options = parse_broker_url(broker_url, f"roeh-watch-{ClockIds(clock).new()}")
    keeper = None if save_dir is None else AlertKeeper(save_dir)
    view: View = JsonView(out, clock) if as_json else TerminalView(out)
    watch = Watch(options, view, keeper, clock, stop)
    watch.run()
    return EXIT_OK


class Watch:
    """A session at the broker, kept through its absences, and the picture it gives."""

    def __init__(
        self,
        options: BrokerOptions,
        view: View,
        keeper: AlertKeeper | None,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._options = msgspec.structs.replace(
            options,
            session_expiry_s=_SESSION_EXPIRY_S,
            clean_start=False,
            # A whole city may speak at once; the broker need not wait for us.
            receive_maximum=1000,
        )
        self._view = view
        self._keeper = keeper
        self._clock = clock
        self._stop = stop
        self._picture = Picture()
        self._events: _Events = queue.SimpleQueue()

    def run(self) -> None:
        """Until told to stop."""
        threading.Thread(target=self._wake_on_stop, name="stop", daemon=True).start()
        connection: MqttConnection | None = self._connect()
        self._view.begin()
        try:
            self._view.say(f"watching {self._options.address}")
            while not self._stop.is_set():
                event = self._next_event()
                if isinstance(event, Incoming):
                    self._take(event)
                elif isinstance(event, Disconnected) and connection is not None:
                    connection.abandon()
                    connection = None
                    self._view.say(f"{event.reason}; waiting for {self._options.address}")
                    connection = self._connect_again()
                self._tell(self._picture.tick(self._clock.read()))
                self._view.refresh(self._picture, self._clock.read())
        finally:
            self._view.end()
            if connection is not None:
                connection.close()

    def _connect(self) -> MqttConnection:
        connection = MqttConnection(self._options, self._events.put)
        connection.open()
        connection.subscribe(topic_filter())
        return connection

    def _connect_again(self) -> MqttConnection | None:
        """Wait for the broker to come back; None when told to stop."""
        backoff = Backoff(_BACKOFF_CAP_S)
        while not self._clock.wait(backoff.next_wait_s(), self._stop):
            self._view.refresh(self._picture, self._clock.read())
            try:
                connection = self._connect()
            except BrokerRefused:
                continue
            self._view.say(f"watching {self._options.address} again")
            return connection
        return None

    def _next_event(self) -> BrokerEvent | _Woken | None:
        wait_s = _TICK_S
        due_ns = self._picture.next_tick_ns()
        if due_ns is not None:
            wait_s = min(wait_s, max(0.001, (due_ns - self._clock.mono_ns()) / NS_PER_S))
        try:
            return self._events.get(timeout=wait_s)
        except queue.Empty:
            return None

    def _take(self, incoming: Incoming) -> None:
        try:
            topic = parse_topic(incoming.topic)
            message = parse_up(topic, incoming)
        except MessageRefused as error:
            self._view.say(str(error))
            return
        pole = Pole(topic.site, topic.node)
        self._tell(self._picture.take(pole, message, self._clock.read()))

    def _tell(self, notices: list[Notice]) -> None:
        for notice in notices:
            if self._keeper is not None:
                self._keeper.take(notice)
            self._view.show(notice)

    def _wake_on_stop(self) -> None:
        self._stop.wait()
        self._events.put(_Woken())
