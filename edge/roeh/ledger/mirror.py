"""The mirror of the ledger: its records in append-only files beside the database.

Invariants:
    1. It holds no record that the database does not hold durably: records are read after
       their transaction was committed, and written then.
    2. A part is complete and on the disk before the next one is begun.
    3. A file is appended to only while its end is what this process left there; after a
       failed sync it is written anew from the database, and the old one kept.
    4. Nothing is destroyed: what is not simply the beginning of the database's own next
       record is kept under another name.

Order of `catch_up`: append the records of one part; sync the file; sync the directory for a
new part; only then count them as mirrored. The database's lock is never held meanwhile.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from roeh.core.durable_files import (
    free_name,
    is_taken,
    set_aside,
    sync_directory,
    write_all,
    write_new,
)
from roeh.core.errors import StorageFailed
from roeh.ledger.database import NodeDatabase, storage_errors
from roeh.ledger.log import Log
from roeh.ledger.medium import read_anew
from roeh.ledger.mirror_parts import (
    MAX_LINE_BYTES,
    RECORDS_PER_PART,
    append_open,
    cut,
    last_line,
    list_parts,
    open_part,
    part_path,
    read_lines,
    record_of,
)

#: Records read in one transaction: within a few milliseconds on a board.
_BATCH = 256


class MirrorWhole(msgspec.Struct, frozen=True):
    """The mirror holds what the database holds.

    Attributes:
        size: records in both.
        appended: of these were not in the mirror when the process began.
        torn_bytes: of an unfinished end that was cut off.
        kept: where they are kept; None when they were the beginning of the next record.
        lost_under_checkpoint: records that a checkpoint already covered, and which were not
            in the mirror any more: somebody or the medium took them away.
    """

    size: int
    appended: int
    torn_bytes: int
    kept: str | None
    lost_under_checkpoint: int


class MirrorAhead(msgspec.Struct, frozen=True):
    """The mirror goes on where the database ends: the database lost what it once held."""

    database_size: int
    mirror_size: int


class MirrorDiffers(msgspec.Struct, frozen=True):
    """From `leaf` on, mirror and database are not the same ledger.

    `what`: `missing_part` (no file where there must be one), `short_part` (a part that was
    complete ends early), `other_record`, `unreadable` (no record in that line).
    """

    leaf: int
    what: Literal["missing_part", "short_part", "other_record", "unreadable"]


Reconciled = MirrorWhole | MirrorAhead | MirrorDiffers


class Mirror:
    """Appends committed records to the files. Safe to call from several threads.

    Call it without the database's lock in hand: it takes that for short reads in between.

    Args:
        directory: `ledger` in the data directory; made if it is not there.
    """

    def __init__(
        self,
        directory: Path,
        database: NodeDatabase,
        log: Log,
        *,
        records_per_part: int = RECORDS_PER_PART,
    ) -> None:
        self._directory = directory
        self._database = database
        self._log = log
        self._per_part = records_per_part
        self._appending = threading.Lock()
        self._is_reconciled = False
        self._size = 0
        self._part_bytes = 0
        self._is_suspect = False
        self._bytes_written = 0

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self._directory

    @property
    def size(self) -> int:
        """Records known to be in the mirror durably."""
        return self._size

    @property
    def bytes_written(self) -> int:
        """What this process wrote to the files."""
        return self._bytes_written

    def reconcile(self) -> Reconciled:
        """At start-up: compare with the database, cut a torn end, catch up.

        The last part is compared record by record, of those before it the last record.
        Unless the answer is `MirrorWhole`, nothing was changed and nothing is appended until
        the difference is dealt with: by a rebuild, or by `replace` after it is on record.

        Raises:
            StorageFull, StorageFailed: the files cannot be read or written.
        """
        with self._appending, storage_errors(self._directory):
            self._is_reconciled = False
            if not self._directory.is_dir():
                self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)
                sync_directory(self._directory.parent)
            for part in list_parts(self._directory)[-1:]:
                read_anew(part_path(self._directory, part))
            difference = self._earlier_parts() or self._compare_last_part()
            if not isinstance(difference, _Compared):
                return difference
            kept = self._cut_tail(difference)
            found = difference.leaf
            lost = max(0, min(self._checkpointed(), self._committed_size()) - found)
            self._size, self._part_bytes = found, difference.good_bytes
            self._is_reconciled = True
            size = self._catch_up()
            return MirrorWhole(
                size=size,
                appended=size - found,
                torn_bytes=difference.tail_bytes,
                kept=kept,
                lost_under_checkpoint=lost,
            )

    def catch_up(self) -> int:
        """Append what the database holds and the mirror does not; returns the mirrored size.

        Raises:
            StorageFull: not all of it found room; the rest follows later.
            StorageFailed: the file refused, or is not as it was left; it is kept under
                another name and written anew by the next call.
        """
        with self._appending, storage_errors(self._directory):
            if not self._is_reconciled:
                raise StorageFailed(
                    what="the mirror of the ledger was not compared with the database",
                    which=str(self._directory),
                    remedy="settle the difference that the start-up reported",
                )
            return self._catch_up()

    def replace(self, leaf: int) -> tuple[str, ...]:
        """Write the part of this leaf anew from the database; returns what was kept aside.

        Parts beyond the end of the database are set aside as well. Follow it by `reconcile`.

        Raises:
            StorageFull, StorageFailed: the files refused; nothing was destroyed.
        """
        with self._appending, storage_errors(self._directory):
            self._is_reconciled = False
            size = self._committed_size()
            kept = [self._write_anew(leaf // self._per_part, size)]
            beyond = [part for part in list_parts(self._directory) if part * self._per_part >= size]
            kept += [set_aside(part_path(self._directory, part)) for part in beyond]
            return tuple(path.name for path in kept if path is not None)

    def _catch_up(self) -> int:
        size = self._committed_size()
        if self._is_suspect:
            part = self._size // self._per_part
            self._write_anew(part, self._size)
            path = part_path(self._directory, part)
            self._part_bytes = path.stat().st_size if path.exists() else 0
            self._is_suspect = False
        while self._size < size:
            part = self._size // self._per_part
            self._append_to(part, min(size, (part + 1) * self._per_part))
        return self._size

    def _append_to(self, part: int, end: int) -> None:
        """Records [size, end) to the part they belong to, durably."""
        path = part_path(self._directory, part)
        is_new = self._size % self._per_part == 0
        expected_bytes = 0 if is_new else self._part_bytes
        with self._suspecting():
            descriptor = append_open(path)
        try:
            self._check_end(descriptor, path, expected_bytes)
            written = self._write(descriptor, path, expected_bytes, end)
            with self._suspecting():
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        with self._suspecting():
            if is_new:
                sync_directory(self._directory)
        self._size = end
        self._part_bytes = expected_bytes + written

    def _write(self, descriptor: int, path: Path, good_bytes: int, end: int) -> int:
        """Write records [size, end); on a failure cut the file back to `good_bytes`."""
        written = 0
        try:
            for chunk in _chunks(self._records(self._size, end)):
                write_all(descriptor, chunk)
                written += len(chunk)
                self._bytes_written += len(chunk)
        except BaseException:
            # Only bytes that were never synced are taken back.
            with self._suspecting():
                cut(path, good_bytes)
            raise
        return written

    def _check_end(self, descriptor: int, path: Path, expected_bytes: int) -> None:
        found_bytes = os.fstat(descriptor).st_size
        if found_bytes == expected_bytes:
            return
        self._is_suspect = True
        raise StorageFailed(
            what=f"the mirror of the ledger has {found_bytes} bytes instead of {expected_bytes}",
            which=str(path),
            remedy="something else changed it: the file is kept and written anew",
        )

    def _write_anew(self, part: int, size: int) -> Path | None:
        """Write a part from the database under its name; returns where the old file is."""
        path = part_path(self._directory, part)
        first, end = part * self._per_part, min(size, (part + 1) * self._per_part)
        if first >= end:
            return set_aside(path) if is_taken(path) else None
        fresh = path.with_name(f"{path.name}.new")
        # What a cut left of an earlier attempt: a copy of rows of the database.
        fresh.unlink(missing_ok=True)
        try:
            self._bytes_written += write_new(fresh, _chunks(self._records(first, end)))
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        kept = set_aside(path) if is_taken(path) else None
        fresh.rename(path)
        sync_directory(self._directory)
        return kept

    def _records(self, first: int, end: int) -> Iterator[bytes]:
        """Committed records [first, end), read some at a time."""
        while first < end:
            with self._database.reading() as connection:
                records = self._log.records(connection, first, min(_BATCH, end - first))
            if not records:
                raise StorageFailed(
                    what=f"record {first} is missing",
                    which=str(self._database.path),
                    remedy="stop the node and run roeh evidence rebuild",
                )
            yield from records
            first += len(records)

    def _committed_size(self) -> int:
        with self._database.reading() as connection:
            _refuse_inside_transaction(connection)
            return self._log.size(connection)

    def _checkpointed(self) -> int:
        """What was once mirrored for certain: checkpoints are signed after the sync."""
        with self._database.reading() as connection:
            (size,) = connection.execute("SELECT MAX(size) FROM checkpoint").fetchone()
        return int(size or 0)

    def _earlier_parts(self) -> MirrorDiffers | None:
        """Whether every part before the last one is there and ends as it should."""
        parts = list_parts(self._directory)
        size = self._committed_size()
        for part in range(parts[-1] if parts else 0):
            end = (part + 1) * self._per_part
            if part not in parts:
                return MirrorDiffers(leaf=part * self._per_part, what="missing_part")
            if end > size:
                return None  # the comparison of the last part tells where the database ends
            last = last_line(part_path(self._directory, part))
            if last != next(self._records(end - 1, end)) + b"\n":
                record = record_of(last)
                is_short = record is not None and record.leaf < end - 1
                return MirrorDiffers(
                    leaf=part * self._per_part, what="short_part" if is_short else "other_record"
                )
        return None

    def _compare_last_part(self) -> _Compared | MirrorAhead | MirrorDiffers:
        """How far the last part is the same, and what its end is."""
        parts = list_parts(self._directory)
        size, checkpointed = self._committed_size(), self._checkpointed()
        # With parts beyond the database, the one in which that ends tells.
        part = min(parts[-1], max(0, size - 1) // self._per_part) if parts else 0
        path = part_path(self._directory, part)
        leaf = part * self._per_part
        lines = read_lines(path)
        good_bytes = 0
        with contextlib.closing(lines):
            for stored in self._records(leaf, min(size, leaf + self._per_part)):
                line = next(lines, b"")
                if line != stored + b"\n":
                    difference = _difference(leaf, line, checkpointed)
                    if difference is not None:
                        return difference
                    break
                good_bytes += len(line)
                leaf += 1
            if leaf < size and parts and parts[-1] > part:
                return MirrorDiffers(leaf=leaf, what="short_part")
            if leaf == size:
                later = [part_path(self._directory, other) for other in parts if other > part]
                mirror_size = _count_from(leaf, [lines, *map(read_lines, later)])
                if mirror_size > leaf:
                    return MirrorAhead(database_size=size, mirror_size=mirror_size)
        size_bytes = path.stat().st_size if path.exists() else 0
        return _Compared(path, leaf, good_bytes, tail_bytes=size_bytes - good_bytes)

    def _cut_tail(self, compared: _Compared) -> str | None:
        """Cut what no whole record is; returns where it is kept, unless the database has it."""
        if not compared.tail_bytes:
            return None
        kept = None
        with open_part(compared.path) as file:
            file.seek(compared.good_bytes)
            beginning = file.read(MAX_LINE_BYTES)
            following = next(self._records(compared.leaf, self._committed_size()), b"")
            if compared.tail_bytes > len(beginning) or not following.startswith(beginning):
                kept = free_name(compared.path)
                file.seek(compared.good_bytes)
                write_new(kept, iter(lambda: file.read(MAX_LINE_BYTES), b""))
                sync_directory(self._directory)
        cut(compared.path, compared.good_bytes)
        return None if kept is None else kept.name

    @contextlib.contextmanager
    def _suspecting(self) -> Iterator[None]:
        """What fails in here leaves a file whose bytes nobody knows."""
        try:
            yield
        except OSError:
            self._is_suspect = True
            raise


class _Compared(msgspec.Struct, frozen=True):
    """The last part is the database's up to before `leaf`, in its first `good_bytes`."""

    path: Path
    leaf: int
    good_bytes: int
    tail_bytes: int


def _difference(leaf: int, line: bytes, checkpointed: int) -> MirrorDiffers | None:
    """What a line says that is not the database's record; None for the end of the mirror."""
    if not line.endswith(b"\n"):
        return None
    if record_of(line) is not None:
        return MirrorDiffers(leaf=leaf, what="other_record")
    # Under a checkpoint it was on the disk once; beyond, a power cut may leave anything.
    return MirrorDiffers(leaf=leaf, what="unreadable") if leaf < checkpointed else None


def _chunks(records: Iterator[bytes]) -> Iterator[bytes]:
    """Records as lines, some together in one write."""
    while batch := list(itertools.islice(records, _BATCH)):
        yield b"".join(record + b"\n" for record in batch)


def _count_from(leaf: int, files: list[Iterator[bytes]]) -> int:
    """The size of a mirror that goes on at `leaf` with these lines, as far as they are whole."""
    for line in itertools.chain.from_iterable(files):
        record = record_of(line) if line.endswith(b"\n") else None
        if record is None or record.leaf != leaf:
            break
        leaf += 1
    return leaf


def _refuse_inside_transaction(connection: sqlite3.Connection) -> None:
    """What a transaction wrote and did not commit must never be mirrored."""
    if connection.in_transaction:
        raise StorageFailed(
            what="the mirror was to be written inside a transaction",
            which="the ledger",
            remedy="report it: this is a fault in roeh",
        )
