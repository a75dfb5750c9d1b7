"""Files of the ledger's mirror: one record a line, a fixed number of records a part.

What stands here knows no database: it names, reads and cuts files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
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


def cut(path: Path, size_bytes: int) -> None:
    """Make a file shorter, durably."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.ftruncate(descriptor, size_bytes)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
