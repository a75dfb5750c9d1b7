"""How fast alerts, pictures and answers may leave: a bound in bits a second (broker.max_bps).

What was sent in any stretch of T seconds is at most max_bps x (T + 1), and one message.
"""

from __future__ import annotations

from roeh.core.clock import NS_PER_S

#: Of TCP, IP and TLS round a packet that is sent alone.
WIRE_OVERHEAD_BYTES = 80
_BITS = 8


class Pace:
    """A bucket of bits that fills with time; a message may go while it is not in debt.

    Args:
        max_bps: bits a second; 0: no bound.
    """

    def __init__(self, max_bps: int) -> None:
        self._max_bps = max_bps
        #: When the bucket was, or will be, empty: bits are counted in the time they take.
        self._empty_ns: int | None = None

    def may_send(self, now_ns: int) -> bool:
        """Whether a message may go now."""
        return self._max_bps == 0 or self._empty_ns is None or self._empty_ns <= now_ns

    def sent(self, packet_bytes: int, now_ns: int) -> None:
        """A packet of this size went out."""
        if self._max_bps == 0:
            return
        bits = (packet_bytes + WIRE_OVERHEAD_BYTES) * _BITS
        full_ns = now_ns - NS_PER_S
        begin_ns = full_ns if self._empty_ns is None else max(self._empty_ns, full_ns)
        self._empty_ns = begin_ns + bits * NS_PER_S // self._max_bps

    def wakes_ns(self, now_ns: int) -> int | None:
        """When the next message may go; None: now."""
        return None if self.may_send(now_ns) else self._empty_ns
