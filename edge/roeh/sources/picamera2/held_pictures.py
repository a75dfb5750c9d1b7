"""Pictures whose pixels lie in a driver's buffers, of which there are only a few.

A frame may be kept, a buffer may not. So a frame's pixels stay in the driver's buffer as
long as the frame is one of the newest, which costs nothing; a frame that is kept longer
gets a copy of its own, and the buffer goes back. A frame that nobody has any more gives
its buffer back at once.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

import numpy as np

from roeh.core.errors import SourceUnreadable
from roeh.media.frames import UInt8Image
from roeh.sources.picamera2.camera import CameraFailed, CapturedRequest

#: Buffers held for frames: the one that is looked at, and the one that just came.
HELD = 2


class HeldPicture:
    """The pixels of one frame, wherever they are.

    Args:
        request: what has them now.
        copy: writes them out of the request into an array of the frame's shape.
        shape: of the frame.
    """

    __slots__ = (
        "__weakref__",
        "_copy",
        "_lock",
        "_lost_because",
        "_pixels",
        "_request",
        "_shape",
    )

    def __init__(
        self,
        request: CapturedRequest,
        copy: Callable[[CapturedRequest, UInt8Image], None],
        shape: tuple[int, ...],
    ) -> None:
        self._request: CapturedRequest | None = request
        self._copy = copy
        self._shape = shape
        self._pixels: UInt8Image | None = None
        self._lost_because = ""
        self._lock = threading.Lock()

    def write_into(self, out: UInt8Image) -> None:
        """Write the pixels.

        Raises:
            SourceUnreadable: the driver does not let them be read.
        """
        with self._lock:
            if self._request is not None:
                try:
                    self._copy(self._request, out)
                except CameraFailed as failed:
                    raise _unreadable(str(failed)) from None
            elif self._pixels is not None:
                np.copyto(out, self._pixels)
            else:
                raise _unreadable(self._lost_because)

    def keep(self) -> None:
        """From now on without the request, and without pixels where they cannot be read."""
        with self._lock:
            request, self._request = self._request, None
            if request is None:
                return
            pixels = np.empty(self._shape, np.uint8)
            try:
                self._copy(request, pixels)
            except CameraFailed as failed:
                self._lost_because = str(failed)
            else:
                self._pixels = pixels


class HeldRequests:
    """The requests that frames still need; for one thread, which alone gives them back.

    Args:
        dropped: told of a request whose frame nobody has any more, in whatever thread let
            go of it, maybe in the middle of anything: it may only put it into a queue.
    """

    def __init__(self, dropped: Callable[[CapturedRequest], None]) -> None:
        self._dropped = dropped
        self._held: list[tuple[CapturedRequest, weakref.ref[HeldPicture]]] = []

    def hold(
        self,
        request: CapturedRequest,
        copy: Callable[[CapturedRequest, UInt8Image], None],
        shape: tuple[int, ...],
    ) -> HeldPicture:
        """The pixels of a new frame; older ones make room."""
        self.settle(HELD - 1)
        picture = HeldPicture(request, copy, shape)
        dropped = self._dropped
        self._held.append((request, weakref.ref(picture, lambda _: dropped(request))))
        return picture

    def settle(self, left: int) -> None:
        """Give back all but the newest so many requests."""
        while len(self._held) > left:
            request, reference = self._held.pop(0)
            try:
                if (picture := reference()) is not None:
                    picture.keep()
            finally:
                request.release()

    def give_back(self, request: CapturedRequest) -> None:
        """Its frame is gone."""
        self._held = [one for one in self._held if one[0] is not request]
        request.release()


def _unreadable(reason: str) -> SourceUnreadable:
    return SourceUnreadable(
        what=f"the pixels of a frame are lost ({reason})",
        which="a frame of picamera2",
        remedy="none: the next one is read; if it stays so, restart capture",
    )
