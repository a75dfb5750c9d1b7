"""Files of the ledger's mirror: one record a line, a fixed number of records a part.

What stands here knows no database: it names, reads, writes and sets aside files. A file
that is replaced is kept beside it under `<name>.kept-<n>`; nothing is ever overwritten.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import BinaryIO

import msgspec

from roeh.ledger.records import Record

RECORDS_PER_PART = 65_536
#: Longer than any record; what has no line end by then is not one.
MAX_LINE_BYTES = 4 * 1024 * 1024

_PART = re.compile(r"([0-9]{6})\.jsonl")
_FILE_MODE = 0o600


def part_path(directory: Path, part: int) -> Path:
    """The file of part `part`."""
    return directory / f"{part:06}.jsonl"


def list_parts(directory: Path) -> list[int]:
    """The parts that are there, in order. What is not a plain file is none."""
    if not directory.is_dir():
        return []
    plain = (
        entry.name for entry in directory.iterdir() if entry.is_file() and not entry.is_symlink()
    )
    return sorted(int(match[1]) for match in map(_PART.fullmatch, plain) if match)


def is_taken(path: Path) -> bool:
    """Whether anything has this name, a symbolic link to nothing included."""
    return os.path.lexists(path)


def read_lines(path: Path) -> Generator[bytes, None, None]:
    """Lines with their ends; the last one may have none, and is then torn.

    A file that is not there has none.
    """
    if not path.exists():
        return
    with open_part(path) as file:
        while line := file.readline(MAX_LINE_BYTES):
            yield line


def last_line(path: Path) -> bytes:
    """The last line, with its end if it has one; empty for an empty file."""
    size_bytes = path.stat().st_size
    with open_part(path) as file:
        file.seek(max(0, size_bytes - MAX_LINE_BYTES))
        content = file.read(MAX_LINE_BYTES)
    begin = content.rfind(b"\n", 0, len(content) - 1) + 1
    return content[begin:]


def record_of(line: bytes) -> Record | None:
    """The record in a line; None when there is none."""
    try:
        return msgspec.json.decode(line, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def open_part(path: Path) -> BinaryIO:
    """For reading; a symbolic link is not followed."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb")


def append_open(path: Path) -> int:
    """A descriptor that appends to the part, made if it is not there."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(path, flags, _FILE_MODE)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of it.

    Raises:
        OSError: some of it may have been written.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def cut(path: Path, size_bytes: int) -> None:
    """Make a file shorter, durably."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.ftruncate(descriptor, size_bytes)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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


def free_name(path: Path) -> Path:
    """The first `<name>.kept-<n>` that is not taken."""
    number = 1
    while is_taken(kept := path.with_name(f"{path.name}.kept-{number}")):
        number += 1
    return kept


def set_aside(path: Path) -> Path:
    """Rename a file to a free name beside it, durably; returns that."""
    kept = free_name(path)
    path.rename(kept)
    sync_directory(path.parent)
    return kept


def sync_directory(directory: Path) -> None:
    """Make names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
