"""A file that is fetched over several goes: FILE.part until all of it is there and is right.

    FILE.part      the bytes so far
    FILE.part.of   which whole they are of: its SHA-256, on the disk before the first of them
    FILE           the whole, appearing in one step

Whatever ends it, each of them is there or not; FILE is never a part.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from roeh.core.durable_files import sync_directory
from roeh.core.errors import ExportFailed, OutputRefused

_CHUNK_BYTES = 1024 * 1024
_MODE = 0o600


class PartFile:
    """The part, open and ours alone.

    Attributes:
        size_bytes: how much of it there is.
    """

    def __init__(self, descriptor: int, path: Path, part: Path) -> None:
        self._descriptor, self._path, self._part = descriptor, path, part
        self._of = part.with_name(f"{part.name}.of")
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    def begin(self, sha256: str, on_bytes: Callable[[int], None]) -> None:
        """Go on with what is there of this whole, or begin it anew.

        Args:
            sha256: of the whole.
            on_bytes: told how many of those that were there have been read again.

        Raises:
            OutputRefused: it cannot be read or written.
        """
        with self._told():
            if self._known() != sha256:
                os.ftruncate(self._descriptor, 0)
                self._note(sha256)
            self._hash, self.size_bytes = hashlib.sha256(), 0
            while chunk := os.pread(self._descriptor, _CHUNK_BYTES, self.size_bytes):
                self._hash.update(chunk)
                self.size_bytes += len(chunk)
                on_bytes(len(chunk))

    def write(self, content: bytes) -> None:
        """The next bytes.

        Raises:
            OutputRefused: no room for them, or the disk fails; what is there stays.
        """
        with self._told():
            view = memoryview(content)
            while view:
                written = os.pwrite(self._descriptor, view, self.size_bytes)
                self._hash.update(view[:written])
                self.size_bytes += written
                view = view[written:]

    def restart(self) -> None:
        """Forget what is there."""
        with self._told():
            os.ftruncate(self._descriptor, 0)
        self._hash, self.size_bytes = hashlib.sha256(), 0

    @property
    def sha256(self) -> str:
        """Of what is there."""
        return self._hash.hexdigest()

    def finish(self) -> None:
        """Make it the whole, durably, in one step.

        Raises:
            OutputRefused: it cannot be written, or something of that name is there by now.
        """
        with self._told():
            os.fsync(self._descriptor)
            # A link does not replace what is there, as a renaming would.
            with _without_links(self._path, self._part):
                os.link(self._part, self._path)
            self._part.unlink(missing_ok=True)
            self._of.unlink(missing_ok=True)
            sync_directory(self._path.parent)

    def _known(self) -> str:
        try:
            return self._of.read_text(encoding="ascii", errors="replace")[:200].strip()
        except FileNotFoundError:
            return ""

    def _note(self, sha256: str) -> None:
        with self._of.open("w", encoding="ascii") as file:
            file.write(f"{sha256}\n")
            file.flush()
            os.fsync(file.fileno())

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _unwritable(error, self._path, self._part) from error


@contextlib.contextmanager
def part_file(path: Path) -> Iterator[PartFile]:
    """The part of `path`, locked until this is left; what was written then lies on the disk.

    Raises:
        OutputRefused: it cannot be written there, or there is a file of that name.
        ExportFailed: somebody else is fetching it.
    """
    part = path.with_name(f"{path.name}.part")
    if os.path.lexists(path):
        raise OutputRefused(
            what="there is a file of that name",
            which=str(path),
            remedy="name another, or look what it is: roeh police verify",
        )
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    except OSError as error:
        raise _unwritable(error, path, part) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(part) from None
        if not _is_still(descriptor, part):
            # Whoever held it has just made it whole.
            raise _taken(part)
        yield PartFile(descriptor, path, part)
    finally:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
        os.close(descriptor)


def _is_still(descriptor: int, part: Path) -> bool:
    try:
        there = part.lstat()
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


@contextlib.contextmanager
def _without_links(path: Path, part: Path) -> Iterator[None]:
    """On FAT and exFAT nothing has two names: there it is renamed, when nothing is in the way."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        part.rename(path)


def _taken(part: Path) -> ExportFailed:
    return ExportFailed(
        what="somebody else is fetching it", which=str(part), remedy="wait for the other one"
    )


def _unwritable(error: OSError, path: Path, part: Path) -> OutputRefused:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = f"make room and fetch it again: it goes on where it ended ({part.name})"
    elif error.errno == errno.EFBIG:
        remedy = "this file system takes no file so large: use exFAT or ext4"
    else:
        remedy = "name a place that can be written to"
    return OutputRefused(
        what=f"cannot be written ({error.strerror})", which=str(path), remedy=remedy
    )
