"""What comes down: bounded at the door, and handed to evidence, which alone can verify it.

A broker that floods costs bounded work and no memory: what is too large, too often or on no
topic of ours is dropped and counted before it is queued.
"""

from __future__ import annotations

import threading

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.delivery import MAX_STATEMENT_BYTES
from roeh.core.errors import (
    AccessRefused,
    CommandRefused,
    EvidenceRefused,
    KeyRefused,
    MessageRefused,
)
from roeh.publish.evidence_link import Evidence
from roeh.publish.standing import Standing
from roeh.transport.messages import Incoming, parse_down
from roeh.transport.topics import Channel, Direction, Topic, parse_topic

#: The most of each that may come at once, and the most a second after that.
_BURST: dict[Channel, int] = {
    Channel.ACK: 60,
    Channel.CMD: 16,
    Channel.COSIGN: 8,
    Channel.TRUST: 4,
    Channel.STATE: 8,
}
_RATE_HZ: dict[Channel, float] = {
    Channel.ACK: 5.0,
    Channel.CMD: 2.0,
    Channel.COSIGN: 1.0,
    Channel.TRUST: 0.1,
    Channel.STATE: 1.0,
}

#: What evidence says of a statement; it records what it did not believe.
_NOT_BELIEVED = (
    AccessRefused,
    CommandRefused,
    EvidenceRefused,
    KeyRefused,
    MessageRefused,
    UnicodeDecodeError,
)


class DownGate:
    """What is let in, by channel: a bucket each. Safe to call from several threads.

    A desk acknowledges a message that it was sent at most once, so each one sent allows one
    acknowledgement more.
    """

    def __init__(self, site: str, node: str, clock: Clock) -> None:
        self._topics = {str(Topic(site, node, channel)): channel for channel in _BURST}
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = {channel: float(burst) for channel, burst in _BURST.items()}
        self._filled_ns = clock.mono_ns()
        self._dropped = 0

    def lets_in(self, incoming: Incoming) -> bool:
        """Whether to look at this message at all."""
        channel = self._topics.get(incoming.topic)
        with self._lock:
            if channel is not None and len(incoming.payload) <= MAX_STATEMENT_BYTES:
                self._fill()
                if self._tokens[channel] >= 1.0:
                    self._tokens[channel] -= 1.0
                    return True
            self._dropped += 1
            return False

    def drop_one(self) -> None:
        """One that was let in found no room."""
        with self._lock:
            self._dropped += 1

    def sent_one(self) -> None:
        """A message that will be acknowledged went out."""
        with self._lock:
            tokens = self._tokens[Channel.ACK] + 1.0
            self._tokens[Channel.ACK] = min(tokens, float(_BURST[Channel.ACK]))

    def dropped(self) -> int:
        """How many were dropped since this was asked last."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        return dropped

    def _fill(self) -> None:
        now_ns = self._clock.mono_ns()
        elapsed_s = (now_ns - self._filled_ns) / NS_PER_S
        self._filled_ns = now_ns
        for channel, burst in _BURST.items():
            filled = self._tokens[channel] + elapsed_s * _RATE_HZ[channel]
            self._tokens[channel] = min(filled, float(burst))


class Down:
    """Hands statements to evidence, one after the other."""

    def __init__(self, evidence: Evidence, standing: Standing) -> None:
        self._evidence = evidence
        self._standing = standing

    def take(self, incoming: Incoming) -> tuple[int, ...]:
        """One statement.

        Returns:
            Rows that the desk acknowledged with it.

        Raises:
            RoehError: evidence does not answer; what it is about comes again.
        """
        try:
            topic = parse_topic(incoming.topic)
            statement = parse_down(topic, incoming)
            if topic.channel is Channel.ACK:
                rows = self._evidence.acknowledge(statement)
                self._standing.count("acknowledged", len(rows))
                return rows
            if topic.channel is Channel.CMD:
                self._evidence.take_command(statement)
            elif topic.channel is Channel.TRUST:
                self._evidence.offer_trust_list(statement)
            else:
                self._evidence.keep_cosignature(statement.decode("utf-8"))
        except _NOT_BELIEVED:
            self._standing.count("down_refused")
        return ()


def is_down(topic: str) -> bool:
    """Whether this is the topic of a statement to a node."""
    try:
        return parse_topic(topic).row.direction is Direction.DOWN
    except MessageRefused:
        return False
