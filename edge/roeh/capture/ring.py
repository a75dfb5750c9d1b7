"""What of one camera waits to be stored: whole groups in memory, bounded by bytes.

Invariants: order is kept; the bytes held never exceed the bound; what was dropped is told
by the group that follows it; the one that is being sent is not dropped meanwhile.
"""

from __future__ import annotations

import threading
from collections import deque

import msgspec

from roeh.core.gop import Discontinuity, Gop, StreamEnd

#: What a picture and a group take in memory beside their bytes, roughly.
_UNIT_OVERHEAD_BYTES = 300
_GOP_OVERHEAD_BYTES = 2000

RingItem = Gop | StreamEnd


class GopRing:
    """Groups and ends of streams, in order, for one thread that puts and one that takes.

    Args:
        max_bytes: of everything held; a group larger than that is dropped itself.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._items: deque[RingItem] = deque()
        self._bytes = 0
        self._dropped = 0
        #: Whether the first item is being sent.
        self._is_held = False
        #: For the next group, where there is none yet to say it.
        self._missing: Discontinuity | None = None
        self._changed = threading.Condition()

    @property
    def size_bytes(self) -> int:
        """Bytes held now."""
        with self._changed:
            return self._bytes

    @property
    def dropped(self) -> int:
        """Groups that were dropped because it was full, or because they were refused."""
        with self._changed:
            return self._dropped

    def put(self, item: RingItem) -> None:
        """Add at the end; the oldest groups go when there is no room."""
        with self._changed:
            if isinstance(item, StreamEnd):
                # Two ends with nothing between them say no more than the first.
                if not self._items or not isinstance(self._items[-1], StreamEnd):
                    self._items.append(item)
            else:
                self._make_room(held_bytes(item))
                self._add(item)
            self._changed.notify_all()

    def hold(self, wait_s: float) -> RingItem | None:
        """The oldest item, which stays until `release`; None if none comes within `wait_s`."""
        with self._changed:
            if not self._items:
                self._changed.wait(wait_s)
            if not self._items:
                return None
            self._is_held = True
            return self._items[0]

    def release(self) -> None:
        """It could not be stored yet: it stays where it is, and may be dropped again."""
        with self._changed:
            self._is_held = False

    def done(self) -> None:
        """The item held is stored."""
        with self._changed:
            self._is_held = False
            self._remove(0)

    def refuse(self) -> None:
        """The item held will never be stored: the group after it says that one is missing."""
        with self._changed:
            self._is_held = False
            if isinstance(self._items[0], Gop):
                self._drop(0, Discontinuity.DAMAGED)
            else:
                self._remove(0)

    def wake(self) -> None:
        """End a wait in `hold`."""
        with self._changed:
            self._changed.notify_all()

    def _make_room(self, wanted_bytes: int) -> None:
        """Drop the oldest until there is room; nothing for what would never fit."""
        if wanted_bytes > self._max_bytes:
            return
        while self._bytes + wanted_bytes > self._max_bytes:
            oldest = self._oldest_to_drop()
            if oldest is None:
                return
            self._drop(oldest, Discontinuity.RING_FULL)

    def _oldest_to_drop(self) -> int | None:
        for index, item in enumerate(self._items):
            if isinstance(item, Gop) and not (index == 0 and self._is_held):
                return index
        return None

    def _drop(self, index: int, why: Discontinuity) -> None:
        """Drop a group and let the next one say why it is missing."""
        self._remove(index)
        self._dropped += 1
        for later in range(index, len(self._items)):
            following = self._items[later]
            if isinstance(following, Gop):
                self._items[later] = msgspec.structs.replace(following, discontinuity=why)
                return
        self._missing = why

    def _remove(self, index: int) -> None:
        item = self._items[index]
        del self._items[index]
        if isinstance(item, Gop):
            self._bytes -= held_bytes(item)

    def _add(self, gop: Gop) -> None:
        if self._bytes + held_bytes(gop) > self._max_bytes:
            self._dropped += 1
            self._missing = Discontinuity.RING_FULL
            return
        if self._missing is not None:
            gop = msgspec.structs.replace(gop, discontinuity=self._missing)
            self._missing = None
        self._items.append(gop)
        self._bytes += held_bytes(gop)


def held_bytes(gop: Gop) -> int:
    """What a group counts for."""
    return gop.size_bytes + len(gop.units) * _UNIT_OVERHEAD_BYTES + _GOP_OVERHEAD_BYTES
