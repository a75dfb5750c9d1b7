"""The file in which a witness keeps what it saw of one ledger.

Invariants:
    1. What `append` returned from is on the medium; a cosignature leaves only after that.
    2. Lines are only ever added. What a power cut left of a last line, without its end, is
       cut off: nothing was done yet because of it.
    3. A line that is not what was written, anywhere before the end, stops this ledger: the
       witness would no longer know what it has signed.

Several processes may have it open (the witness, and a person who accepts a tree): who writes
holds the file's lock, and reads first what others added.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from roeh.core.durable_files import sync_directory, write_all
from roeh.core.errors import HistoryForked, StorageFailed
from roeh.desk.witness.entries import (
    AcceptedEntry,
    Entry,
    HeardEntry,
    Known,
    SeenEntry,
    line_of,
    parse_line,
    tree_in,
)
from roeh.desk.witness.judging import Tree
from roeh.ledger.medium import read_anew

SUFFIX = ".history"
_MODE = 0o640
_CHUNK_BYTES = 1024 * 1024


def history_path(directory: Path, site: str, node: str) -> Path:
    """Where the history of a ledger lies; site and node are names, so they are no paths."""
    return directory / f"{site}.{node}{SUFFIX}"


class History:
    """The history of one ledger, open.

    Args:
        path: its file; made when it is not there.

    Raises:
        HistoryForked: a line is not what was written.
        StorageFailed: it cannot be read or made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known = Known()
        #: Bytes of a line that a power cut left unfinished and that were cut off here.
        self.torn_bytes = 0
        self._size_bytes = 0
        self._counts_from_bytes = 0
        self._failed = False
        is_new = not path.exists()
        with self._told():
            read_anew(path)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(path, flags, _MODE)
            if is_new:
                sync_directory(path.parent)
        try:
            with self.locked():
                pass
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    @contextlib.contextmanager
    def locked(self) -> Iterator[Known]:
        """Alone with the file, and with all that stands in it known.

        Raises:
            HistoryForked, StorageFailed: as when it is opened.
        """
        if self._failed:
            raise _failed(self.path, "an earlier write failed")
        with self._told():
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            self._read_on()
            self._cut_torn_line()
            yield self.known
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def append(self, make: Callable[[str], Entry]) -> Entry:
        """Add a line and make it durable; only while locked.

        Args:
            make: gives the entry, from the hash of the line before.

        Raises:
            StorageFailed: it may or may not stand there; nothing more is written by this
                process.
        """
        entry = make(self.known.newest)
        line = line_of(entry)
        try:
            write_all(self._descriptor, line)
            os.fsync(self._descriptor)
        except OSError as error:
            # What is in the kernel's cache now need not be what the medium holds.
            self._failed = True
            raise _failed(self.path, error.strerror or "no reason given") from None
        self._take(entry, line)
        return entry

    def trees(self, size: int) -> tuple[Tree, ...]:
        """Every tree of this size that counts; only while locked.

        Of sizes below the last one the file is read.
        """
        found = dict.fromkeys(self.known.recent(size))
        if self.known.last is not None and size < self.known.last.tree.size:
            for line in self._lines(self._counts_from_bytes, self._size_bytes):
                tree = tree_in(line, size)
                if tree is not None:
                    found[tree] = None
        return tuple(found)

    def note_of(self, tree: Tree) -> str:
        """The checkpoint's note of a tree that was seen or heard of; empty when none was."""
        for line in self._lines(0, self._size_bytes):
            if tree_in(line, tree.size) == tree:
                entry = parse_line(line)
                if isinstance(entry, SeenEntry | HeardEntry | AcceptedEntry):
                    return entry.note
        return ""

    def entries(self) -> Iterator[Entry]:
        """Every line, from the first; only while locked."""
        for line in self._lines(0, self._size_bytes):
            yield parse_line(line)

    def _read_on(self) -> None:
        """Know what others wrote behind what is known here."""
        with self._told():
            size_bytes = os.fstat(self._descriptor).st_size
        before_bytes = self._size_bytes
        if size_bytes < before_bytes:
            raise self._damaged("the file became shorter")
        try:
            for line in self._lines(before_bytes, size_bytes):
                if line.endswith(b"\n"):
                    self._take(parse_line(line), line)
            if self._size_bytes > before_bytes:
                self.known.check_last()
        except ValueError as error:
            number = self.known.lines + 1
            raise self._damaged(f"line {number}: {error}") from None

    def _take(self, entry: Entry, line: bytes) -> None:
        self.known.take(entry, line)
        if isinstance(entry, AcceptedEntry):
            self._counts_from_bytes = self._size_bytes
        self._size_bytes += len(line)

    def _cut_torn_line(self) -> None:
        with self._told():
            torn_bytes = os.fstat(self._descriptor).st_size - self._size_bytes
            if torn_bytes:
                os.ftruncate(self._descriptor, self._size_bytes)
                os.fsync(self._descriptor)
        self.torn_bytes += torn_bytes

    def _lines(self, start: int, end: int) -> Iterator[bytes]:
        """Each line in a stretch; the last one may have no end."""
        kept = b""
        with self._told():
            while start < end:
                read = os.pread(self._descriptor, min(_CHUNK_BYTES, end - start), start)
                if not read:
                    raise self._damaged("the file became shorter")
                start += len(read)
                *whole, kept = (kept + read).split(b"\n")
                for line in whole:
                    yield line + b"\n"
        if kept:
            yield kept

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _failed(self.path, error.strerror or "no reason given") from None

    def _damaged(self, what: str) -> HistoryForked:
        return HistoryForked(
            what=f"the witness's own history is not what was written ({what})",
            which=str(self.path),
            remedy="keep the file for examination, put back a copy that is as new, or move it"
            " away: the witness then begins anew and says so",
        )


def _failed(path: Path, why: str) -> StorageFailed:
    return StorageFailed(
        what=f"the witness's history cannot be read or written ({why})",
        which=str(path),
        remedy="check the disk and witness.state_dir, then start the witness again",
    )
