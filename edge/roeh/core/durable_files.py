"""Files and names that are on the disk when a call returns.

A file that is replaced is kept beside it under `<name>.kept-<n>`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_FILE_MODE = 0o600


def write_new(path: Path, chunks: Iterable[bytes]) -> int:
    """Write a file that is not there yet and make it durable; returns its bytes.

    Its name is durable once its directory is synced.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, _FILE_MODE)
    written = 0
    try:
        for chunk in chunks:
            write_all(descriptor, chunk)
            written += len(chunk)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return written


def sync_directory(directory: Path) -> None:
    """Make names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_aside(path: Path) -> Path:
    """Rename a file to a free name beside it, durably; returns that."""
    kept = free_name(path)
    path.rename(kept)
    sync_directory(path.parent)
    return kept


def free_name(path: Path) -> Path:
    """The first `<name>.kept-<n>` that is not taken."""
    number = 1
    while is_taken(kept := path.with_name(f"{path.name}.kept-{number}")):
        number += 1
    return kept


def is_taken(path: Path) -> bool:
    """Whether anything has this name, a symbolic link to nothing included."""
    return os.path.lexists(path)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of it.

    Raises:
        OSError: some of it may have been written.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
