"""The client of the sandboxed child that decodes: one child an order, always reaped.

Whatever a segment does to the decoder, the caller gets RenderFailed at worst. The child has
only the descriptors that it is given, no name of any file, no network and no keys.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Generator, Sequence

import msgspec

from roeh.bundle.render_child import RenderChild
from roeh.core.clock import Clock, SystemClock
from roeh.core.errors import RenderFailed
from roeh.core.rendering import (
    Envelope,
    Finished,
    Order,
    Piece,
    PreviewOrder,
    RedactOrder,
    ReportOrder,
    StillOrder,
)
from roeh.core.sandbox import SandboxLimits

_US_PER_S = 1_000_000
#: What a child may send at the most, by what was asked for.
_MAX_STILL_BYTES = 8 * 1024 * 1024
_MAX_PREVIEW_BYTES = 64 * 1024 * 1024
_MAX_REPORT_BYTES = 256 * 1024 * 1024


class RenderLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a child may take.

    Attributes:
        memory_bytes: of its own, beside the libraries' code.
        cpu_s, wall_s: of a picture, preview or report.
        copy_s_per_s: what a redacted copy has more, of both, for each second of its span.
        copy_bytes: the largest copy.
    """

    memory_bytes: int = 512 * 1024 * 1024
    cpu_s: int = 60
    wall_s: int = 120
    copy_s_per_s: float = 10.0
    copy_bytes: int = 8 * 1024**3


#: As edge/design/retrieval.md has them.
LIMITS = RenderLimits()


class Rendered(msgspec.Struct, frozen=True):
    """A picture or a page, and what is known of it."""

    content: bytes
    finished: Finished


class Renderer:
    """Starts a child for each order; may be used by several threads, blocks each of them.

    Args:
        limits: of each child.
        program: the interpreter that has `roeh`.
        clock: for the limit on time.
    """

    def __init__(
        self,
        limits: RenderLimits = LIMITS,
        program: str = sys.executable,
        clock: Clock | None = None,
    ) -> None:
        self._limits = limits
        self._program = program
        self._clock: Clock = clock or SystemClock()

    def still(self, order: StillOrder, descriptors: Sequence[int]) -> Rendered:
        """One picture, JPEG.

        Args:
            order: what to show.
            descriptors: of the segments, in the order's order, readable; they stay open.

        Raises:
            RenderFailed: there is no picture to be had.
        """
        return self._whole(order, descriptors, _MAX_STILL_BYTES)

    def preview(
        self, order: PreviewOrder, descriptors: Sequence[int]
    ) -> Generator[bytes, None, None]:
        """A fragmented MP4, piece by piece as it is made; close it to end the child early.

        Raises:
            RenderFailed: also after some pieces were given.
        """
        with contextlib.closing(self._started(order, descriptors, _MAX_PREVIEW_BYTES)) as child:
            for answer in child.answers():
                if isinstance(answer, Piece):
                    yield answer.content

    def redact(self, order: RedactOrder, descriptors: Sequence[int], output: int) -> Finished:
        """A copy without what lies in the regions, written to `output`.

        Raises:
            RenderFailed: what was written is to be thrown away.
        """
        with contextlib.closing(self._started(order, descriptors, 0, output)) as child:
            return _finished(child)

    def report(self, order: ReportOrder) -> bytes:
        """A report as PDF.

        Raises:
            RenderFailed: it cannot be drawn here.
        """
        return self._whole(order, (), _MAX_REPORT_BYTES).content

    def _whole(self, order: Order, descriptors: Sequence[int], most_bytes: int) -> Rendered:
        pieces: list[bytes] = []
        with contextlib.closing(self._started(order, descriptors, most_bytes)) as child:
            finished = _finished(child, pieces)
        return Rendered(b"".join(pieces), finished)

    def _started(
        self,
        order: Order,
        descriptors: Sequence[int],
        most_bytes: int,
        output: int | None = None,
    ) -> RenderChild:
        for descriptor in descriptors:
            if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
                raise RenderFailed(
                    what="a segment was not opened for reading alone",
                    which=f"descriptor {descriptor}",
                    remedy="open it with O_RDONLY: the child could write to it",
                )
        limits = self._child_limits(order)
        envelope = Envelope(
            order=order, limits=limits, descriptors=tuple(descriptors), output=output
        )
        return RenderChild(envelope, self._program, self._clock, most_bytes)

    def _child_limits(self, order: Order) -> SandboxLimits:
        limits, more_s, file_bytes = self._limits, 0, 0
        if isinstance(order, RedactOrder):
            span_s = max(0, order.to_utc_us - order.from_utc_us) / _US_PER_S
            more_s = round(limits.copy_s_per_s * span_s)
            file_bytes = limits.copy_bytes
        return SandboxLimits(
            memory_bytes=limits.memory_bytes,
            cpu_s=limits.cpu_s + more_s,
            wall_s=limits.wall_s + more_s,
            file_bytes=file_bytes,
        )


def _finished(child: RenderChild, pieces: list[bytes] | None = None) -> Finished:
    for answer in child.answers():
        if isinstance(answer, Finished):
            return answer
        if pieces is not None:
            pieces.append(answer.content)
    raise AssertionError("a child's answers end with how it finished, or raise")
