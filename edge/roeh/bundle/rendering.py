"""The client of the sandboxed child that decodes: one child an order, always reaped.

Whatever a segment does to the decoder, the caller gets RenderFailed at worst. The child has
only the descriptors that it is given, no name of any file, no network and no keys.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import msgspec

from roeh.core.rendering import Finished, PreviewOrder, RedactOrder, ReportOrder, StillOrder


class RenderLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a child may take; a copy has `copy_s_per_s` more for each second of its span."""

    memory_bytes: int = 512 * 1024 * 1024
    cpu_s: int = 60
    wall_s: int = 120
    copy_s_per_s: float = 2.0
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
    """

    def __init__(self, limits: RenderLimits = LIMITS, program: str = sys.executable) -> None:
        self._limits = limits
        self._program = program

    def still(self, order: StillOrder, descriptors: Sequence[int]) -> Rendered:
        """One picture, JPEG.

        Args:
            order: what to show.
            descriptors: of the segments, in the order's order, readable; they stay open.

        Raises:
            RenderFailed: there is no picture to be had.
        """
        raise NotImplementedError

    def preview(self, order: PreviewOrder, descriptors: Sequence[int]) -> Iterator[bytes]:
        """A fragmented MP4, piece by piece as it is made; close it to end the child early.

        Raises:
            RenderFailed: also after some pieces were given.
        """
        raise NotImplementedError

    def redact(self, order: RedactOrder, descriptors: Sequence[int], output: int) -> Finished:
        """A copy without what lies in the regions, written to `output`.

        Raises:
            RenderFailed: what was written is to be thrown away.
        """
        raise NotImplementedError

    def report(self, order: ReportOrder) -> bytes:
        """A report as PDF.

        Raises:
            RenderFailed: it cannot be drawn here.
        """
        raise NotImplementedError
