"""A little room that is kept free so that a full disk can still be made less full.

To delete a segment its record has to be stored first; on a disk without a single free
block that would fail. The reserve is a file that holds some blocks and is let go for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_ResultT = TypeVar("_ResultT")

#: The log's frames and the pages of a few prune records.
RESERVE_BYTES = 1 << 20


class Reserve:
    """The file; not being able to make it is no fault, there is just no reserve then.

    `lent_bytes` look free meanwhile and are not.
    """

    def __init__(self, path: Path, size_bytes: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self.lent_bytes = 0
        self.hold()

    def hold(self) -> bool:
        """Take the room, if it is there; whether it is held."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            os.posix_fallocate(descriptor, 0, self._size_bytes)
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        finally:
            os.close(descriptor)
        return True

    def lend(self, step: Callable[[], _ResultT]) -> _ResultT:
        """Do something with the reserve let go, and take it again."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            return step()  # a medium that cannot even unlink: the step says so
        self.lent_bytes = self._size_bytes
        try:
            return step()
        finally:
            self.lent_bytes = 0
            self.hold()
