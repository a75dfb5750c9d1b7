"""Everything that happens to publish, in one queue: the loop has one place to wait.

While the loop is busy the queue holds an answer of each of evidence's threads, the few words of a
connection's beginning and end, and an acknowledgement of each message that publish sent. Only what
a broker sends of its own accord would have no end: of that it holds `STATEMENTS.bound`.
"""

from __future__ import annotations

import queue
import threading
from typing import Protocol

import msgspec

from roeh.core.delivery import AnswerBatch, OutboxBatch
from roeh.core.errors import RoehError
from roeh.core.flows import STATEMENTS
from roeh.transport.messages import Incoming
from roeh.transport.mqtt import BrokerEvent


class Leased(msgspec.Struct, frozen=True):
    """Evidence answered a lease; the batch may be empty."""

    batch: OutboxBatch


class LeaseFailed(msgspec.Struct, frozen=True):
    """Evidence did not answer a lease."""

    error: RoehError


class AnswersLeased(msgspec.Struct, frozen=True):
    """Evidence answered a lease of answers; the batch may be empty."""

    batch: AnswerBatch


class AnswerLeaseFailed(msgspec.Struct, frozen=True):
    """Evidence did not answer a lease of answers."""

    error: RoehError


class FromBroker(msgspec.Struct, frozen=True):
    """The broker said something on the connection of this number."""

    connection_number: int
    event: BrokerEvent


class Woken(msgspec.Struct, frozen=True):
    """Look again whether to stop."""


Happening = Leased | LeaseFailed | AnswersLeased | AnswerLeaseFailed | FromBroker | Woken


class Inbox(Protocol):
    """Where happenings wait."""

    def put(self, happening: Happening) -> bool:
        """Add one; from any thread, never waits. False: there is no room for it."""
        ...

    def get(self, timeout_s: float) -> Happening | None:
        """The oldest, or None when none came within the time."""
        ...


class QueueInbox:
    """The real inbox, between threads."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Happening] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._incoming = 0

    def put(self, happening: Happening) -> bool:
        """Add one; False: as many messages of the broker wait already as may."""
        if _is_incoming(happening):
            with self._lock:
                if self._incoming >= STATEMENTS.bound:
                    return False
                self._incoming += 1
        self._queue.put(happening)
        return True

    def get(self, timeout_s: float) -> Happening | None:
        """The oldest, or None when none came within the time."""
        try:
            happening = self._queue.get(block=timeout_s > 0, timeout=max(timeout_s, 0.0) or None)
        except queue.Empty:
            return None
        if _is_incoming(happening):
            with self._lock:
                self._incoming -= 1
        return happening


def _is_incoming(happening: Happening) -> bool:
    return isinstance(happening, FromBroker) and isinstance(happening.event, Incoming)
