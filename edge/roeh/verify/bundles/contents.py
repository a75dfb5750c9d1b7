"""Bytes to verify, wherever they stand: a file of its own, or a stretch of a larger one.

A member of a stored zip is read in place, so a bundle of any size needs no room to unpack.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast


class Content(Protocol):
    """Bytes that can be opened any number of times, by any process forked off this one."""

    def size_bytes(self) -> int:
        """How many there are.

        Raises:
            OSError: they are gone.
        """
        ...

    def open(self) -> BinaryIO:
        """To be read from the first byte on, and sought in.

        Raises:
            OSError: they are gone.
        """
        ...


def is_there(content: Content) -> bool:
    """Whether it can still be found."""
    try:
        content.size_bytes()
    except OSError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class FileContent:
    """A whole file. A link in its place is not followed when `is_plain`."""

    path: Path
    is_plain: bool = False

    def size_bytes(self) -> int:
        """Of the file now."""
        return self.path.stat(follow_symlinks=not self.is_plain).st_size

    def open(self) -> BinaryIO:
        """The file."""
        flags = os.O_RDONLY | os.O_CLOEXEC | (os.O_NOFOLLOW if self.is_plain else 0)
        return os.fdopen(os.open(self.path, flags), "rb")


@dataclass(frozen=True, slots=True)
class StretchContent:
    """A part of an open file; `descriptor` outlives it."""

    descriptor: int
    offset_bytes: int
    length_bytes: int

    def size_bytes(self) -> int:
        """Of the stretch."""
        return self.length_bytes

    def open(self) -> BinaryIO:
        """A view with a place of its own: processes that share the descriptor do not meet."""
        return cast(BinaryIO, io.BufferedReader(_Stretch(self), buffer_size=1 << 16))


class _Stretch(io.RawIOBase):
    """The stretch as a file."""

    def __init__(self, content: StretchContent) -> None:
        super().__init__()
        self._content = content
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._content.length_bytes}
        self._at = max(0, base[whence] + offset)
        return self._at

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # a writable buffer, says io
        wanted = max(0, min(len(view), self._content.length_bytes - self._at))
        start = self._content.offset_bytes + self._at
        found = os.preadv(self._content.descriptor, [view[:wanted]], start) if wanted else 0
        self._at += found
        return found
