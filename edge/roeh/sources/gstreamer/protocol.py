"""What GStreamer's child says, read as strictly as from a stranger: every number has its bounds.

The child runs plug-ins of others over whatever a camera gives, so it is trusted less than
the process that reads it: edge/design/cameras.md, "GStreamer's child".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.errors import one_line

#: kind, slot, payload bytes, number, when taken and when to be decoded (ns, CLOCK_MONOTONIC).
HEADER = struct.Struct("<BxHIQqq")
FRAME, SKIPPED, CODED, TROUBLE, UNFIT = range(1, 6)

MAX_TEXT_BYTES = 400
#: A picture that is older when it comes, or from the future, has a wrong time.
MAX_AGE_NS = 10 * NS_PER_S
_MAX_NUMBER = 2**53


class ChildGarbage(Exception):
    """The child said what it may not."""


class FrameWritten(msgspec.Struct, frozen=True):
    """A frame lies in a slot, which is the reader's until it is released.

    Attributes:
        slot: where it lies.
        number: how many frames came before it, those that were left out among them.
        taken_ns: when it was taken, CLOCK_MONOTONIC.
    """

    slot: int
    number: int
    taken_ns: int


class FrameSkipped(msgspec.Struct, frozen=True):
    """A frame came when no slot was free."""

    number: int


class CodedGiven(msgspec.Struct, frozen=True):
    """A coded picture: NAL units behind start codes, and its times, CLOCK_MONOTONIC."""

    content: bytes
    taken_ns: int
    decoded_ns: int


class ChildWords(msgspec.Struct, frozen=True):
    """Why there will be no more pictures.

    Attributes:
        text: one line.
        is_unfit: the camera does not give what was asked for, today or tomorrow.
    """

    text: str
    is_unfit: bool


ChildMessage = FrameWritten | FrameSkipped | CodedGiven | ChildWords


class ChildMessages:
    """From the bytes of one child to its messages, without IO.

    Args:
        slots: how many there are.
        max_coded_bytes: of a coded picture; 0 where none was asked for.
    """

    def __init__(self, slots: int, max_coded_bytes: int) -> None:
        self._slots = slots
        self._max_coded_bytes = max_coded_bytes
        self._received = bytearray()
        self._held: set[int] = set()
        self._next_number = 0
        self._last_frame_ns = self._last_coded_ns = 0

    def release(self, slot: int) -> None:
        """The slot is the child's again."""
        self._held.discard(slot)

    def feed(self, received: bytes, now_ns: int) -> Iterator[ChildMessage]:
        """The messages that are whole with these bytes.

        Args:
            received: what came.
            now_ns: CLOCK_MONOTONIC as they came.

        Raises:
            ChildGarbage: something else than a message; nothing after it can be believed.
        """
        self._received += received
        while len(self._received) >= HEADER.size:
            kind, slot, size, number, taken_ns, decoded_ns = HEADER.unpack_from(self._received)
            if size > self._max_payload(kind):
                raise ChildGarbage(f"a message of kind {kind} with {size} bytes")
            end = HEADER.size + size
            if len(self._received) < end:
                return
            payload = bytes(memoryview(self._received)[HEADER.size : end])
            del self._received[:end]
            if kind in {TROUBLE, UNFIT}:
                text = one_line(payload.decode("utf-8", "replace")) or "no reason told"
                yield ChildWords(text, is_unfit=kind == UNFIT)
            elif kind == CODED:
                yield self._coded(payload, taken_ns, decoded_ns, now_ns)
            else:
                yield self._frame(kind, slot, number, taken_ns, now_ns)

    def _max_payload(self, kind: int) -> int:
        limits = {FRAME: 0, SKIPPED: 0, TROUBLE: MAX_TEXT_BYTES, UNFIT: MAX_TEXT_BYTES}
        if self._max_coded_bytes:
            limits[CODED] = self._max_coded_bytes
        if kind not in limits:
            raise ChildGarbage(f"a message of kind {kind}")
        return limits[kind]

    def _frame(
        self, kind: int, slot: int, number: int, taken_ns: int, now_ns: int
    ) -> FrameWritten | FrameSkipped:
        if not self._next_number <= number < _MAX_NUMBER:
            raise ChildGarbage(f"frame {number} where {self._next_number} or a later one comes")
        self._next_number = number + 1
        if kind == SKIPPED:
            return FrameSkipped(number)
        if slot >= self._slots or slot in self._held:
            raise ChildGarbage(f"a frame in slot {slot}, which is not its own")
        _check_age(taken_ns, now_ns)
        if taken_ns <= self._last_frame_ns:
            raise ChildGarbage("a frame taken before the last one")
        self._held.add(slot)
        self._last_frame_ns = taken_ns
        return FrameWritten(slot, number, taken_ns)

    def _coded(self, payload: bytes, taken_ns: int, decoded_ns: int, now_ns: int) -> CodedGiven:
        _check_age(taken_ns, now_ns)
        if not taken_ns - MAX_AGE_NS <= decoded_ns <= taken_ns:
            raise ChildGarbage("a picture to be decoded after it is shown")
        if decoded_ns <= self._last_coded_ns:
            raise ChildGarbage("a coded picture before the last one")
        self._last_coded_ns = decoded_ns
        return CodedGiven(payload, taken_ns, decoded_ns)


def _check_age(taken_ns: int, now_ns: int) -> None:
    if not 0 <= now_ns - taken_ns <= MAX_AGE_NS:
        age_s = (now_ns - taken_ns) / NS_PER_S
        raise ChildGarbage(f"a picture that is {age_s:.1f} s old")
