"""Encrypted bundles on the pole's disk: `ID.part` while one is written, `ID.age` once it is whole.

Order of a bundle: written to its part, synced; renamed; the directory synced. So what has the
name ID.age is whole. Its hash is computed on the way, and anew where a start finds it untold.
`ID.since` says how long the node had run when it became ready: bundles end by that, since the
clock may be wrong.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from roeh.core.durable_files import sync_directory
from roeh.core.errors import ExportFailed

_DIRECTORY_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
#: So much is on its way to the disk at the most: more would hold up who syncs beside it.
_UNSYNCED_BYTES: Final = 4 << 20
_READ_BYTES: Final = 1 << 20
_ID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAMES: Final = re.compile(rf"({_ID})\.(part|age|since)")
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


class Bundle(msgspec.Struct, frozen=True):
    """An encrypted bundle that is whole; `sha256` is of its bytes."""

    size_bytes: int
    sha256: str


class SpoolRoom(msgspec.Struct, frozen=True):
    """How much more fits: on the file system, and below the bound of all bundles."""

    free_bytes: int
    used_bytes: int


class PartFile:
    """A bundle being written. Takes bytes, hashes them, and syncs them as they come."""

    def __init__(self, descriptor: int) -> None:
        self.size_bytes = 0
        self._descriptor = descriptor
        self._hash = hashlib.sha256()
        self._unsynced_bytes = 0

    def write(self, content: bytes, /) -> int:
        """Take all of it.

        Raises:
            OSError: the disk does not.
        """
        view = memoryview(content)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._hash.update(content)
        self.size_bytes += len(content)
        self._unsynced_bytes += len(content)
        if self._unsynced_bytes >= _UNSYNCED_BYTES:
            self.sync()
        return len(content)

    def sync(self) -> None:
        """On the disk when this returns; it need not stay in memory, too.

        Raises:
            OSError: the disk does not take it.
        """
        os.fdatasync(self._descriptor)
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        self._unsynced_bytes = 0

    def bundle(self) -> Bundle:
        """What was written so far."""
        return Bundle(self.size_bytes, self._hash.hexdigest())


class Spool:
    """The directory of bundles; nobody but this process's user looks into it.

    Raises:
        ExportFailed: it cannot be made or is not a directory of this user's.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        with _refusals(directory):
            directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fchmod(descriptor, _DIRECTORY_MODE)
            finally:
                os.close(descriptor)

    @contextlib.contextmanager
    def writing(self, export_id: str) -> Iterator[PartFile]:
        """A new bundle; it has its name when this ends, and is gone if it ends by an error.

        Raises:
            ExportFailed: no room, or the disk does not take it.
        """
        part = self._path(export_id, "part")
        with _refusals(part):
            part.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(part, flags, _FILE_MODE)
            try:
                try:
                    written = PartFile(descriptor)
                    yield written
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                part.rename(self._path(export_id, "age"))
                sync_directory(self.directory)
            except BaseException:
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
                raise

    def find(self, export_id: str, on_read: Callable[[int], None] | None = None) -> Bundle | None:
        """A bundle that is whole, read and hashed; None when there is none.

        Args:
            export_id: whose.
            on_read: told the bytes of each piece that was read; may take its time.

        Raises:
            ExportFailed: it cannot be read.
        """
        path = self._path(export_id, "age")
        hashed, size_bytes = hashlib.sha256(), 0
        with _refusals(path):
            try:
                file = path.open("rb", buffering=0)
            except FileNotFoundError:
                return None
            with file:
                while piece := file.read(_READ_BYTES):
                    hashed.update(piece)
                    size_bytes += len(piece)
                    if on_read is not None:
                        on_read(len(piece))
        return Bundle(size_bytes, hashed.hexdigest())

    def has(self, export_id: str) -> bool:
        """Whether its bundle is there, whole."""
        return self._path(export_id, "age").is_file()

    def since_age_us(self, export_id: str) -> int | None:
        """How long the node had run when it was first seen ready; None: not noted yet."""
        try:
            text = self._path(export_id, "since").read_text(encoding="ascii")
            return int(text)
        except (OSError, ValueError):
            return None

    def note_since(self, export_id: str, age_us: int) -> None:
        """From now on its days are counted.

        Raises:
            ExportFailed: the disk does not take it.
        """
        path = self._path(export_id, "since")
        with _refusals(path):
            path.write_text(f"{age_us}\n", encoding="ascii")

    def remove(self, export_id: str) -> None:
        """All that there is of an export.

        Raises:
            ExportFailed: the disk does not let it go.
        """
        with _refusals(self.directory):
            for ending in ("part", "age", "since"):
                self._path(export_id, ending).unlink(missing_ok=True)
            sync_directory(self.directory)

    def ids(self) -> set[str]:
        """Exports of which anything is there.

        Raises:
            ExportFailed: it cannot be read.
        """
        with _refusals(self.directory):
            named = (_NAMES.fullmatch(path.name) for path in self.directory.iterdir())
            return {found[1] for found in named if found is not None}

    def room(self) -> SpoolRoom:
        """What is free and what bundles take.

        Raises:
            ExportFailed: it cannot be read.
        """
        with _refusals(self.directory):
            disk = os.statvfs(self.directory)
            used_bytes = 0
            for path in self.directory.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    used_bytes += path.stat().st_blocks * 512
        return SpoolRoom(disk.f_bavail * disk.f_frsize, used_bytes)

    def _path(self, export_id: str, ending: str) -> Path:
        return self.directory / f"{export_id}.{ending}"


@contextlib.contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        is_full = error.errno in _NO_ROOM
        raise ExportFailed(
            what="no room for the bundle"
            if is_full
            else f"the bundle's disk does not work ({error.strerror or error})",
            which=str(path),
            remedy="free space there, or ask for a shorter span"
            if is_full
            else "check access.exports_dir: its owner, its mode and its mount",
        ) from None
