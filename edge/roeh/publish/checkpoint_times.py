"""When a checkpoint goes to the witnesses; pure.

Every `interval_s` while connected, and at once after a connection when the last is older than
that. A witness that knows a smaller tree than the proof began at repeats its last
cosignature; evidence keeps that, and the proof that begins there goes at once.
"""

from __future__ import annotations

from roeh.core.clock import NS_PER_S
from roeh.core.delivery import CheckpointProof

#: The least time between two.
_AGAIN_S = 10.0


class CheckpointTimes:
    """Every time is monotonic nanoseconds handed in."""

    def __init__(self, interval_s: float) -> None:
        self._interval_ns = int(interval_s * NS_PER_S)
        self._sent_ns: int | None = None
        self._looked_ns = 0
        self._sent: CheckpointProof | None = None
        self._again = False

    def due_ns(self) -> int | None:
        """When the next is due; None: at once."""
        if self._sent_ns is None:
            return None
        on_time_ns = self._sent_ns + self._interval_ns
        again_ns = self._looked_ns + int(_AGAIN_S * NS_PER_S)
        return min(on_time_ns, again_ns) if self._again else on_time_ns

    def is_due(self, now_ns: int) -> bool:
        """Whether to ask for a proof now."""
        due_ns = self.due_ns()
        return due_ns is None or due_ns <= now_ns

    def cosigned(self, note: str) -> None:
        """A witness signed this note; a smaller tree than was sent: it waits for a proof."""
        sent_size = None if self._sent is None else tree_size(self._sent.note or "")
        size = tree_size(note)
        if sent_size is not None and size is not None and size < sent_size:
            self._again = True

    def wants(self, proof: CheckpointProof, now_ns: int) -> bool:
        """Whether this proof is to be sent now; it counts as sent.

        One asked for because of a cosignature is not, where evidence did not believe it: the
        proof would begin where the last one did.
        """
        asked_again, self._again, self._looked_ns = self._again, False, now_ns
        before_ns, self._sent_ns = self._sent_ns, now_ns
        if proof.note is None:
            return False
        on_time = before_ns is None or now_ns - before_ns >= self._interval_ns
        news = self._sent is None or proof.from_size != self._sent.from_size
        if asked_again and not on_time and not news:
            self._sent_ns = before_ns
            return False
        self._sent = proof
        return True


def tree_size(note: str) -> int | None:
    """The number of records of a checkpoint's tree: its second line."""
    lines = note.split("\n", 2)
    if len(lines) > 1 and lines[1].isascii() and lines[1].isdigit() and len(lines[1]) <= 16:  # 2^53
        return int(lines[1])
    return None
