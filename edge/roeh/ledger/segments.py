"""Segment files: made, appended to, cut back and removed, each step durable when it returns.

Invariants (edge/design/evidence-format.md):
    1. What `append` returned for is on the disk.
    2. A file is never written again after a write or sync that failed.
    3. Nothing outside the one directory is touched, and nothing in a directory that was
       put in its place.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from roeh.core.durable_files import write_all
from roeh.core.errors import StorageFailed
from roeh.ledger.database import storage_errors

#: Nobody but evidence writes; its group reads, which is how others get at the video.
_FILE_MODE = 0o640
_DIRECTORY_MODE = 0o750
_NAME = re.compile(r"[0-9]{8}\.mp4")
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_COPY_BYTES = 1 << 20


class SegmentFile(msgspec.Struct, frozen=True):
    """A file that is there."""

    camera_id: str
    number: int
    size_bytes: int


class StrayFile(msgspec.Struct, frozen=True):
    """Something in the directory that is no segment file; `path` is below it."""

    path: str


class AppendedBytes(msgspec.Struct, frozen=True):
    """Where in its file something stands, and its hash."""

    offset_bytes: int
    size_bytes: int
    sha256: bytes


class Hash(Protocol):
    """A hash that takes bytes as they come."""

    def update(self, data: bytes, /) -> None:
        """Go on over these."""
        ...


def segment_path(camera_id: str, number: int) -> str:
    """The path of a segment below the directory of segments."""
    return f"{camera_id}/{_file_name(number)}"


class OpenSegmentFile:
    """A segment file being written, by one thread at a time."""

    def __init__(self, files: SegmentFiles, camera_id: str, number: int, descriptor: int) -> None:
        self.camera_id = camera_id
        self.number = number
        self._files = files
        self._descriptor = descriptor
        self._hash = hashlib.sha256()
        self._hash_before = self._hash
        self._size_before_bytes = 0
        self._is_writable = True
        self._ends_acknowledged = True
        self.size_bytes = 0
        self.init = AppendedBytes(0, 0, b"")

    @property
    def sha256(self) -> bytes:
        """Of everything up to `size_bytes`."""
        return self._hash.digest()

    @property
    def ends_acknowledged(self) -> bool:
        """Whether the file ends at `size_bytes`; False when what lies beyond could not be cut."""
        return self._ends_acknowledged

    def append(self, content: bytes) -> AppendedBytes:
        """Write behind what is there; on the disk when it returns.

        Raises:
            StorageFull, StorageFailed: nothing was added, and nothing can be any more.
        """
        appended = AppendedBytes(self.size_bytes, len(content), hashlib.sha256(content).digest())
        if not self._is_writable:
            raise StorageFailed(
                what="a file is not written again after a write that failed",
                which=segment_path(self.camera_id, self.number),
                remedy="begin another segment",
            )
        try:
            with self._files.errors():
                self._files.check_place(self.camera_id, self.number, self._descriptor)
                write_all(self._descriptor, content)
                os.fdatasync(self._descriptor)
        except BaseException:
            self.give_up()
            raise
        self._hash_before, self._size_before_bytes = self._hash.copy(), self.size_bytes
        self._hash.update(content)
        self.size_bytes += len(content)
        return appended

    def take_back(self) -> None:
        """Undo the last `append`, whose row could not be stored.

        Raises:
            StorageFailed: it is still there, beyond what the index acknowledges.
        """
        self._hash, self.size_bytes = self._hash_before.copy(), self._size_before_bytes
        if not self._cut_back():
            raise StorageFailed(
                what="what was not acknowledged could not be cut off",
                which=segment_path(self.camera_id, self.number),
                remedy="it is cut off at the next start; check the medium",
            )

    def give_up(self) -> None:
        """Never write it again, and cut off what was not acknowledged if that can be done."""
        self._is_writable = False
        self._cut_back()

    def close(self) -> None:
        """Let the descriptor go; the bytes are on the disk already."""
        self._is_writable = False
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _cut_back(self) -> bool:
        try:
            os.ftruncate(self._descriptor, self.size_bytes)
            os.fsync(self._descriptor)
        except OSError:
            self._is_writable = self._ends_acknowledged = False
        return self._ends_acknowledged


class SegmentFiles:
    """The directory of segments: one directory a camera, one file a segment.

    Raises:
        StorageFull, StorageFailed: it cannot be made or opened.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = threading.Lock()
        self._cameras: dict[str, int] = {}
        with self.errors():
            if not directory.is_dir():
                directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
                _sync_directory(directory.parent)
            self._descriptor = os.open(directory, _DIRECTORY_FLAGS)

    def create(self, camera_id: str, number: int, init: bytes) -> OpenSegmentFile:
        """A new file that begins with `init`; it and its name are on the disk.

        Raises:
            FileExistsError: there is a file of that number, which is left as it is.
            StorageFull, StorageFailed: there is no such file now.
        """
        name = _file_name(number)
        with self.errors(passed=FileExistsError):
            directory = self._camera(camera_id, make=True)
            descriptor = os.open(
                name,
                os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
                _FILE_MODE,
                dir_fd=directory,
            )
            opened = OpenSegmentFile(self, camera_id, number, descriptor)
            try:
                opened.init = opened.append(init)
                os.fsync(descriptor)
                os.fsync(directory)
            except BaseException:
                opened.close()
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=directory)
                raise
        return opened

    def truncate(self, camera_id: str, number: int, size_bytes: int) -> None:
        """Cut off what lies beyond `size_bytes`; a shorter file stays as it is.

        Raises:
            FileNotFoundError: it is not there.
            StorageFailed: it cannot be cut.
        """
        with self.errors(passed=FileNotFoundError):
            descriptor = self._open(camera_id, number, os.O_WRONLY)
            try:
                if os.fstat(descriptor).st_size > size_bytes:
                    os.ftruncate(descriptor, size_bytes)
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def delete(self, camera_id: str, number: int) -> bool:
        """Unlink it, durably; whether it was there.

        Raises:
            StorageFailed: it cannot be removed.
        """
        with self.errors():
            try:
                directory = self._camera(camera_id, make=False)
            except FileNotFoundError:
                return False
            was_there = True
            try:
                os.unlink(_file_name(number), dir_fd=directory)
            except FileNotFoundError:
                was_there = False
            # Also when it was gone: whoever unlinked it may have ended before this.
            os.fsync(directory)
        return was_there

    @contextlib.contextmanager
    def reading(self, camera_id: str, number: int) -> Iterator[int]:
        """A descriptor of the file, to be read.

        Raises:
            FileNotFoundError: it is not there.
            StorageFailed: it cannot be read.
        """
        with self.errors(passed=FileNotFoundError):
            descriptor = self._open(camera_id, number, os.O_RDONLY)
            try:
                yield descriptor
            finally:
                os.close(descriptor)

    def list_files(self) -> tuple[list[SegmentFile], list[StrayFile]]:
        """Every segment file by camera and number, and what else lies there.

        Raises:
            StorageFailed: the directory cannot be read.
        """
        files: list[SegmentFile] = []
        strays: list[StrayFile] = []
        with self.errors():
            for camera in sorted(os.listdir(self._descriptor)):  # noqa: PTH208 - of a descriptor
                mode = os.stat(camera, dir_fd=self._descriptor, follow_symlinks=False).st_mode
                if not stat.S_ISDIR(mode) or not _is_plain(camera):
                    strays.append(StrayFile(camera))
                    continue
                directory = self._camera(camera, make=False)
                for name in sorted(os.listdir(directory)):  # noqa: PTH208 - of a descriptor
                    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
                    if _NAME.fullmatch(name) and stat.S_ISREG(found.st_mode):
                        files.append(SegmentFile(camera, int(name[:8]), found.st_size))
                    else:
                        strays.append(StrayFile(f"{camera}/{name}"))
        return files, strays

    def check_place(self, camera_id: str, number: int, descriptor: int) -> None:
        """Refuse when the path no longer leads to this open file.

        Raises:
            StorageFailed: the file or a directory above it was moved, removed or replaced.
            OSError: the path cannot be followed.
        """
        directory = self._camera(camera_id, make=False)
        try:
            found = os.stat(_file_name(number), dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            raise _moved(self.directory / segment_path(camera_id, number)) from None
        if not os.path.samestat(found, os.fstat(descriptor)):
            raise _moved(self.directory / segment_path(camera_id, number))

    def is_in_place(self) -> bool:
        """Whether the path still leads to the directory that was opened, if that can be told."""
        try:
            self._check_directory()
        except StorageFailed:
            return False
        except OSError:
            return True  # the medium does not answer: a new start would not help
        return True

    def close(self) -> None:
        """Let the directories go."""
        for descriptor in (*self._cameras.values(), self._descriptor):
            os.close(descriptor)
        self._cameras.clear()

    @contextlib.contextmanager
    def errors(self, passed: type[OSError] | tuple[type[OSError], ...] = ()) -> Iterator[None]:
        """Name what the file system refused; errors of the type `passed` go through."""
        with storage_errors(self.directory):
            try:
                yield
            except passed as error:
                kept: OSError | None = error
            else:
                kept = None
        if kept is not None:
            raise kept

    def _camera(self, camera_id: str, *, make: bool) -> int:
        """The open directory of a camera, known to be still in its place."""
        self._check_directory()
        if not _is_plain(camera_id):
            raise StorageFailed(
                what="a camera cannot have a directory of this name",
                which=repr(camera_id[:40]),
                remedy="rename the sensor in node.toml",
            )
        with self._lock:
            known = self._cameras.get(camera_id)
            if known is None:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(camera_id, _DIRECTORY_MODE, dir_fd=self._descriptor)
                        os.fsync(self._descriptor)
                known = os.open(camera_id, _DIRECTORY_FLAGS, dir_fd=self._descriptor)
                self._cameras[camera_id] = known
        _check_same(known, camera_id, self._descriptor, self.directory / camera_id)
        return known

    def _check_directory(self) -> None:
        _check_same(self._descriptor, str(self.directory), None, self.directory)

    def _open(self, camera_id: str, number: int, flags: int) -> int:
        directory = self._camera(camera_id, make=False)
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(_file_name(number), flags, dir_fd=directory)


def hash_next(descriptor: int, size_bytes: int, whole: Hash) -> bytes:
    """SHA-256 of the next `size_bytes` of an open file, or of what there is of them.

    `whole` goes on over the same bytes.
    """
    found = hashlib.sha256()
    while size_bytes > 0:
        part = os.read(descriptor, min(size_bytes, _COPY_BYTES))
        if not part:
            break
        found.update(part)
        whole.update(part)
        size_bytes -= len(part)
    return found.digest()


def _is_plain(name: str) -> bool:
    return bool(name) and "/" not in name and not name.startswith(".")


def _file_name(number: int) -> str:
    return f"{number:08d}.mp4"


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, _DIRECTORY_FLAGS)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_same(descriptor: int, name: str, parent: int | None, shown: Path) -> None:
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        raise _moved(shown) from None
    if not os.path.samestat(found, os.fstat(descriptor)):
        raise _moved(shown)


def _moved(path: Path) -> StorageFailed:
    return StorageFailed(
        what="it was moved, removed or replaced while evidence wrote to it",
        which=str(path),
        remedy="put it back as it was; what it held is in the ledger",
    )
