"""Whether a file that others replace is another than before, told without reading it."""

from __future__ import annotations

from pathlib import Path

import msgspec


class SeenFile(msgspec.Struct, frozen=True):
    """What tells one state of a file from another."""

    inode: int
    size_bytes: int
    t_modified_ns: int


def look_at(path: Path) -> SeenFile | None:
    """The file as it is now; None: it cannot be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return SeenFile(found.st_ino, found.st_size, found.st_mtime_ns)
