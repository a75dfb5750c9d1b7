"""What the index costs the medium: bytes that this process wrote beside video and mirror.

Linux counts what each process sends towards the medium (proc(5), io: write_bytes). What is
not video and not the mirror is node.db with its write-ahead log, and the little beside it.
On a file system in memory nothing is counted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from roeh.ledger.segment_rows import count_bytes

_COUNTED_ELSEWHERE = "SELECT coalesce(sum(value), 0) FROM counter WHERE name IN (?, ?)"
_OTHERS = ("bytes_video", "bytes_mirror")
_IO = Path("/proc/self/io")


def process_written_bytes() -> int:
    """What this process sent towards media since it started; 0 where the kernel does not say."""
    try:
        lines = _IO.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    fields = dict(line.split(": ", 1) for line in lines)
    return int(fields.get("write_bytes", 0))


class IndexWear:
    """Grows the counter `bytes_index`, by a call now and then.

    Args:
        connection: of the database, when nothing was written by this process yet.
        written_bytes: what the process wrote so far.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        written_bytes: Callable[[], int] = process_written_bytes,
    ) -> None:
        self._written_bytes = written_bytes
        self._start_bytes = written_bytes() - _others_bytes(connection)
        self._counted_bytes = 0

    def count(self, connection: sqlite3.Connection) -> None:
        """Count what is new, in the caller's transaction."""
        index_bytes = self._written_bytes() - _others_bytes(connection) - self._start_bytes
        # What is counted as video a moment before it was written comes back the next time.
        if index_bytes > self._counted_bytes:
            count_bytes(connection, "index", index_bytes - self._counted_bytes)
            self._counted_bytes = index_bytes


def _others_bytes(connection: sqlite3.Connection) -> int:
    (total,) = connection.execute(_COUNTED_ELSEWHERE, _OTHERS).fetchone()
    return int(total)
