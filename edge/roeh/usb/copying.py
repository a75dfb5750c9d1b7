"""Copying a bundle to a mounted disk: goes on where an earlier copy ended, appears in one step.

    roeh-export-ID.zip.age.part    while it is written
    roeh-export-ID.zip.age         whole, synced

What lies on the disk is compared with the source before it is believed: it may have been
pulled out while it was written, or be somebody else's.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from roeh.core.durable_files import sync_directory
from roeh.core.errors import ExportFailed

_CHUNK_BYTES = 1024 * 1024
#: So much is on the disk before more is written: a slow disk is not filled from memory.
_SYNC_BYTES = 32 * 1024 * 1024

#: Told how far it is; raises what is to end it.
OnPlace = Callable[[int], None]


class Source(msgspec.Struct, frozen=True):
    """The bundle as evidence knows it."""

    path: Path
    size_bytes: int
    sha256: str
    name: str


class Copied(msgspec.Struct, frozen=True):
    """How it went.

    Attributes:
        was_there: so much of it was on the disk before, and right.
    """

    was_there_bytes: int


def copy_bundle(source: Source, directory: Path, on_place: OnPlace) -> Copied:
    """Copy it into the root of a disk.

    Raises:
        ExportFailed: no room, a disk that fails or takes no file so large, a bundle that is
            not what evidence knows.
    """
    whole, part = directory / source.name, directory / f"{source.name}.part"
    try:
        if whole.is_file() and not whole.is_symlink():
            # It is not believed: until it was compared it is a part like any other.
            whole.rename(part)
        with source.path.open("rb") as bundle:
            copied = _copy(bundle.fileno(), source, part, on_place)
        part.rename(whole)
        sync_directory(directory)
    except OSError as error:
        raise _failed(error, source) from error
    return copied


def _copy(bundle: int, source: Source, target: Path, on_place: OnPlace) -> Copied:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(target, flags, 0o644)
    try:
        there_bytes = _same_bytes(bundle, descriptor)
        _check_room(descriptor, source, there_bytes)
        os.ftruncate(descriptor, there_bytes)
        sha256, place, unsynced_bytes = hashlib.sha256(), 0, 0
        while chunk := os.pread(bundle, _CHUNK_BYTES, place):
            sha256.update(chunk)
            # What was read is not read again soon: the page cache belongs to the recording.
            os.posix_fadvise(bundle, place, len(chunk), os.POSIX_FADV_DONTNEED)
            done = max(0, min(len(chunk), there_bytes - place))
            while done < len(chunk):
                written = os.pwrite(descriptor, chunk[done:], place + done)
                done, unsynced_bytes = done + written, unsynced_bytes + written
            place += len(chunk)
            if unsynced_bytes >= _SYNC_BYTES:
                os.fdatasync(descriptor)
                unsynced_bytes = 0
            on_place(place)
        os.fsync(descriptor)
        if place != source.size_bytes or sha256.hexdigest() != source.sha256:
            raise ExportFailed(
                what="the bundle is not what was made",
                which=str(source.path),
                remedy="tell the technician; ask for another export",
            )
        return Copied(there_bytes)
    finally:
        os.close(descriptor)


def _same_bytes(bundle: int, descriptor: int) -> int:
    """How much of the target is as in the bundle, in whole chunks."""
    place = 0
    while chunk := os.pread(descriptor, _CHUNK_BYTES, place):
        if chunk != os.pread(bundle, len(chunk), place):
            break
        place += len(chunk)
    return place


def _check_room(descriptor: int, source: Source, there_bytes: int) -> None:
    disk = os.fstatvfs(descriptor)
    free_bytes = disk.f_bavail * disk.f_frsize + os.fstat(descriptor).st_blocks * 512
    if free_bytes < source.size_bytes:
        raise ExportFailed(
            what=f"no room: it needs {source.size_bytes} bytes and {free_bytes} are free,"
            f" {there_bytes} of it lie there",
            which=source.name,
            remedy="make room on the disk, or prepare a larger one",
        )


def _failed(error: OSError, source: Source) -> ExportFailed:
    if error.errno == errno.ENOSPC:
        remedy = "make room on the disk, and put it in again: it goes on where it ended"
    elif error.errno == errno.EFBIG:
        remedy = "FAT takes no file of 4 GiB: format the disk with exFAT or ext4"
    elif error.errno == errno.ENOENT and error.filename == str(source.path):
        remedy = "the bundle is gone from the pole: tell the technician"
    else:
        remedy = "put the disk in again: it goes on where it ended; or take another"
    return ExportFailed(what=f"the copy ended ({error.strerror})", which=source.name, remedy=remedy)
