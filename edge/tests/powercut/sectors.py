"""What a disk with a volatile write cache still holds when its power goes. No IO."""

from __future__ import annotations

import mmap
import random

SECTOR_BYTES = 4096


class VolatileSectors:
    """The sectors of such a disk: a write is in the cache, a flush makes it durable.

    A cache writes sectors out when it likes and in any order, and one sector again and
    again. So each sector may hold, when the power goes, what it held at the last flush
    or any version that was written since.

    Args:
        durable: what is on the medium; changed in place by `flush` and `power_off`.
    """

    def __init__(self, durable: bytearray | mmap.mmap) -> None:
        self._durable = durable
        self._seen = bytearray(durable)
        self._unflushed: dict[int, list[bytes]] = {}

    @property
    def unflushed(self) -> int:
        """Sectors that a power cut may take back."""
        return len(self._unflushed)

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """As the machine sees it: the cache first."""
        return bytes(self._seen[offset_bytes : offset_bytes + size_bytes])

    def write(self, offset_bytes: int, content: bytes) -> None:
        """Into the cache."""
        end_bytes = offset_bytes + len(content)
        self._seen[offset_bytes:end_bytes] = content
        for sector in range(offset_bytes // SECTOR_BYTES, -(-end_bytes // SECTOR_BYTES)):
            at = sector * SECTOR_BYTES
            self._unflushed.setdefault(sector, []).append(bytes(self._seen[at : at + SECTOR_BYTES]))

    def flush(self) -> None:
        """Everything in the cache is on the medium."""
        for sector, versions in self._unflushed.items():
            self._put(sector, versions[-1])
        self._unflushed.clear()

    def power_off(self, chance: random.Random) -> int:
        """The medium keeps some of what was not flushed; how many sectors changed.

        The share that is kept is drawn too: from nothing over a half to everything.
        """
        keep_share = chance.random()
        kept = 0
        for sector in sorted(self._unflushed):
            if chance.random() < keep_share:
                self._put(sector, chance.choice(self._unflushed[sector]))
                kept += 1
        self._unflushed.clear()
        return kept

    def _put(self, sector: int, content: bytes) -> None:
        at = sector * SECTOR_BYTES
        self._durable[at : at + len(content)] = content
