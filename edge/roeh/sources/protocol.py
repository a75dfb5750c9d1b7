"""What every source of pictures is, whether camera, file or drawing.

A source gives frames; their pixels are made or moved only for those that somebody
wants to see. A compressed source decodes every picture all the same, because the next
one rests on it.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol

import msgspec
import numpy as np

from roeh.core.types import Frame
from roeh.media.decode import PictureFormat
from roeh.media.frames import PixelFrame, UInt8Image, pixel_shape

__all__ = [
    "PictureFormat",
    "Source",
    "SourceFrame",
    "SourceNotice",
    "SourceObserver",
    "SourceState",
    "WantedVideo",
    "ignore_notices",
]


class SourceFrame:
    """A frame whose pixels wait to be asked for.

    Args:
        info: what is known of it.
        write: writes the pixels into an array of the frame's shape.
    """

    __slots__ = ("_write", "info")

    def __init__(self, info: Frame, write: Callable[[UInt8Image], None]) -> None:
        self.info = info
        self._write = write

    def pixels_into(self, out: UInt8Image) -> None:
        """Write the pixels into `out`, a slot in shared memory for instance.

        Args:
            out: C-contiguous uint8 of shape `pixel_shape(...)` for this frame.

        Raises:
            ValueError: `out` has another shape or is not contiguous.
        """
        info = self.info
        expected = pixel_shape(info.width_px, info.height_px, info.pixel_format)
        if out.shape != expected or not out.flags.c_contiguous:
            raise ValueError(f"pixels go into a contiguous {expected}, not {out.shape}")
        self._write(out)

    def read(self) -> PixelFrame:
        """The frame with pixels of its own."""
        info = self.info
        pixels = np.empty(pixel_shape(info.width_px, info.height_px, info.pixel_format), np.uint8)
        self._write(pixels)
        return PixelFrame(info, pixels)


class SourceState(enum.Enum):
    """What a source may report beside its frames."""

    CONNECTED = "connected"
    STALLED = "stalled"
    RECONNECTED = "reconnected"
    ENDED = "ended"


class SourceNotice(msgspec.Struct, frozen=True):
    """A change in a source: `detail` is one line fit for a person, without credentials.

    From STALLED until RECONNECTED (or the first CONNECTED) the pole is blind on this
    camera. ENDED comes once, when there will be no more frames. `hangs`: stalled, and nobody is
    trying again, since a call into the driver does not come back.
    """

    camera_id: str
    state: SourceState
    detail: str
    t_mono_ns: int
    hangs: bool = False


SourceObserver = Callable[[SourceNotice], None]
"""Called in the thread that iterates over `frames`, between two frames."""


class WantedVideo(msgspec.Struct, frozen=True):
    """What a source that encodes by itself is asked for.

    Attributes:
        bps: bits a second.
        gop_s: seconds from one key picture to the next.
        is_masked: whether the sensor's privacy masks are to be burnt in.
    """

    bps: int = 4_000_000
    gop_s: float = 2.0
    is_masked: bool = True


def ignore_notices(notice: SourceNotice) -> None:
    """An observer for whoever needs only the frames."""
    del notice


class Source(Protocol):
    """A context manager: entered it holds what it needs, left it has given it back.

    Once entered, `format` does not change; all frames have it.
    """

    @property
    def camera_id(self) -> str:
        """The sensor whose pictures these are."""

    @property
    def format(self) -> PictureFormat:
        """Size and layout of all frames; known once entered."""

    @property
    def fps(self) -> float:
        """Frames a second, as far as it is known beforehand."""

    def __enter__(self) -> Source:
        """Open it.

        Raises:
            SourceUnreadable: it is not there or is not video.
        """

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give everything back."""

    def frames(self, stop: threading.Event) -> Iterator[SourceFrame]:
        """The frames in order of time, until the end or until `stop` is set.

        `seq` grows and skips a number for each frame that was missed; `t_mono_ns`
        grows from frame to frame. A frame may be kept: its pixels stay to be had until
        the source is left.
        """
