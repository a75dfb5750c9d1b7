"""Everything that happens to publish, in one queue: the loop has one place to wait."""

from __future__ import annotations

import queue
from typing import Protocol

import msgspec

from roeh.core.errors import RoehError
from roeh.core.peers import AnswerBatch, OutboxBatch
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

    def put(self, happening: Happening) -> None:
        """Add one; from any thread, never waits."""
        ...

    def get(self, timeout_s: float) -> Happening | None:
        """The oldest, or None when none came within the time."""
        ...


class QueueInbox:
    """The real inbox, between threads."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Happening] = queue.SimpleQueue()

    def put(self, happening: Happening) -> None:
        """Add one."""
        self._queue.put(happening)

    def get(self, timeout_s: float) -> Happening | None:
        """The oldest, or None when none came within the time."""
        try:
            return self._queue.get(block=timeout_s > 0, timeout=max(timeout_s, 0.0) or None)
        except queue.Empty:
            return None
