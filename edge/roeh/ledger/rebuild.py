"""`roeh evidence rebuild`: index and ledger out of the mirror and the segments.

Order: nothing that is there is touched until the new database is complete.
1. `node.db.new` is made: the mirror's records and their tree, the rows that they tell, the
   files that no record tells of, a rebuild record, and tamper records of what did not fit.
2. It is closed and synced. 3. An old node.db, when the caller says so, is renamed to
   `node.db.kept-<n>`. 4. `node.db.new` takes its name; the directory is synced.
The next start of evidence reconciles the mirror and closes what was open.

Not restored, because no record holds it: the messages of alerts, thumbnails and the outbox, the
requests and approvals of exports (the ledger holds their hashes). Counters only grow: see `replay`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.durable_files import is_taken, sync_directory
from roeh.core.errors import EvidenceRefused, StorageFailed
from roeh.ledger.age import NodeAge
from roeh.ledger.checkpoints import CHECKPOINT_FILE
from roeh.ledger.command_restore import restore_commands
from roeh.ledger.database import NodeDatabase, read_database_anew, storage_errors
from roeh.ledger.export_restore import restore_exports
from roeh.ledger.found_segments import CameraFiles, FoundSegments
from roeh.ledger.log import Log, insert
from roeh.ledger.mirror_parts import (
    list_parts,
    part_path,
    read_lines,
    record_of,
)
from roeh.ledger.note import Checkpoint, parse_checkpoint, parse_note
from roeh.ledger.records import RebuildRecord, Record, TamperRecord
from roeh.ledger.replay import Instant, Replay, Replayed
from roeh.ledger.segments import SegmentFile, SegmentFiles

_BATCH = 500
#: Where SQLite locks a database: PENDING_BYTE and those behind it.
_LOCK_FIRST_BYTE, _LOCK_BYTES = 0x40000000, 512
_SQLITE_HEADER = b"SQLite format 3\0"
#: What SQLite keeps beside a database.
_COMPANIONS = ("", "-wal", "-shm", "-journal")


class RebuildProgress(msgspec.Struct, frozen=True):
    """How far it is: records of the mirror taken in, or cameras whose files were looked at."""

    step: Literal["ledger", "files"]
    done: int


class RebuildReport(msgspec.Struct, frozen=True):
    """What was restored, and what was not.

    Attributes:
        records: of the mirror, all in the ledger again.
        damaged_from: the leaf at which the mirror's records end although more lines follow;
            None when it is whole.
        checkpoint: what `ledger/checkpoint` says of them: `continued` (its tree is the tree of
            these records), `cut` (it covers more than there are), `forked` (its tree is
            another), `none` (it is not there or not readable).
        segments: on record and not pruned.
        lost: paths of those of them that have no file.
        recovered: segments that no record told of, taken in.
        recovered_fragments: in these.
        unreadable: files without record in which nothing whole was found.
        kept: names that the old database has now.
    """

    records: int
    damaged_from: int | None
    checkpoint: Literal["continued", "cut", "forked", "none"]
    segments: int
    lost: tuple[str, ...]
    recovered: int
    recovered_fragments: int
    unreadable: tuple[str, ...]
    kept: tuple[str, ...]


def rebuild(
    database_path: Path,
    segments_directory: Path,
    ledger_directory: Path,
    clock: Clock,
    *,
    site: str,
    node: str,
    reason: str,
    move_aside: bool = False,
    on_progress: Callable[[RebuildProgress], None] = lambda _progress: None,
) -> RebuildReport:
    """Make node.db anew. Evidence must not be running.

    Args:
        database_path: node.db.
        segments_directory: the segment files; made if it is not there.
        ledger_directory: the mirror and its checkpoint.
        clock: of the node.
        site: of the configuration; the mirror must be this node's.
        node: likewise.
        reason: for the rebuild record.
        move_aside: rename a node.db that is there, instead of refusing.
        on_progress: told now and then how far it is.

    Raises:
        EvidenceRefused: there is a node.db and it is not to be moved, there is nothing to
            rebuild from, or the mirror is another node's.
        StorageFull, StorageFailed: something cannot be read or written, or another process
            has the database open; whatever was there is as it was.
    """
    _check_begin(database_path, segments_directory, ledger_directory, move_aside=move_aside)
    fresh = database_path.with_name(f"{database_path.name}.new")
    with storage_errors(fresh):
        _remove(fresh)
    database = NodeDatabase(fresh)
    try:
        log = Log(database, clock, site=site, node=node)
        files = SegmentFiles(segments_directory)
        try:
            steps = _Rebuild(database, log, files, clock, on_progress)
            report = steps.run(ledger_directory, reason)
        finally:
            files.close()
    except BaseException:
        database.close()
        with contextlib.suppress(OSError):
            _remove(fresh)
        raise
    database.close()
    with storage_errors(database_path):
        _give_to_owner(fresh)
        kept = _put_in_place(fresh, database_path)
    return msgspec.structs.replace(report, kept=kept)


def rebuild_reason(
    database_path: Path, segments_directory: Path, ledger_directory: Path
) -> str | None:
    """Why node.db has to be rebuilt before evidence can start; None when it need not be.

    It is missing, empty or no database while there is a mirror or video. A database that is
    only older than the mirror is told by the mirror's comparison.

    Raises:
        StorageFailed: the directories cannot be read.
    """
    with storage_errors(database_path):
        has_more = bool(list_parts(ledger_directory)) or any(segments_directory.glob("*/*.mp4"))
        if not has_more:
            return None
        if not database_path.exists():
            return "node.db was missing"
        read_database_anew(database_path)
        with database_path.open("rb") as file:
            begins = file.read(len(_SQLITE_HEADER))
    if not begins:
        # A database that was made and cut off before its first transaction, or emptied.
        return None if _has_log(database_path) else "node.db was empty"
    if begins != _SQLITE_HEADER:
        return "node.db was damaged"
    return _damage(database_path)


class _Rebuild:
    """The steps that fill the new database."""

    def __init__(
        self,
        database: NodeDatabase,
        log: Log,
        files: SegmentFiles,
        clock: Clock,
        on_progress: Callable[[RebuildProgress], None],
    ) -> None:
        self._database = database
        self._log = log
        self._files = files
        self._clock = clock
        self._on_progress = on_progress

    def run(self, ledger_directory: Path, reason: str) -> RebuildReport:
        records, damaged_from = self._take_in_mirror(ledger_directory)
        checkpoint = self._check_checkpoint(ledger_directory, records)
        present, _ = self._files.list_files()
        replayed = Replay(
            self._database, frozenset((file.camera_id, file.number) for file in present)
        ).run()
        found = self._take_in_files(present, replayed)
        with self._database.writing() as connection:
            NodeAge(self._database, self._clock, self._log).restore(connection, replayed.age_us)
            restore_commands(connection, self._log, self._clock)
            restore_exports(connection, self._log)
            if damaged_from is not None:
                self._tamper(connection, "mirror_damaged", f"leaf {damaged_from}")
            if checkpoint in ("cut", "forked"):
                self._tamper(connection, f"mirror_{checkpoint}", CHECKPOINT_FILE)
            body = RebuildRecord(
                records=records,
                segments=replayed.segments + sum(each.segments for each in found),
                reason=reason,
            )
            self._log.append(connection, body)
        return RebuildReport(
            records=records,
            damaged_from=damaged_from,
            checkpoint=checkpoint,
            segments=replayed.segments,
            lost=replayed.lost,
            recovered=sum(each.segments for each in found),
            recovered_fragments=sum(each.fragments for each in found),
            unreadable=tuple(path for each in found for path in each.unreadable),
            kept=(),
        )

    def _take_in_mirror(self, directory: Path) -> tuple[int, int | None]:
        """The mirror's records and their tree; (how many, where it is damaged)."""
        leaf = 0
        lines = _numbered_lines(directory)
        is_over = False
        while not is_over:
            with self._database.writing() as connection:
                for _ in range(_BATCH):
                    line = next(lines, None)
                    record = record_of(line) if line is not None and line.endswith(b"\n") else None
                    if line is None or record is None or record.leaf != leaf:
                        is_over = True
                        break
                    self._check_node(record)
                    insert(connection, record, line.removesuffix(b"\n"))
                    leaf += 1
            self._on_progress(RebuildProgress("ledger", leaf))
        # A last line without its end is what a cut leaves; anything more is damage.
        is_damaged = line is not None and (line.endswith(b"\n") or next(lines, None) is not None)
        return leaf, leaf if is_damaged else None

    def _check_node(self, record: Record) -> None:
        if f"roeh/{record.site}/{record.node}" != self._log.origin:
            raise EvidenceRefused(
                what=f"the mirror is that of {record.site}/{record.node}",
                which=f"record {record.leaf}",
                remedy="give the data_dir of this node, or its site and name in node.toml",
            )

    def _check_checkpoint(
        self, directory: Path, records: int
    ) -> Literal["continued", "cut", "forked", "none"]:
        """Compare with the newest checkpoint; it is stored when the records continue it."""
        read = _read_checkpoint(directory / CHECKPOINT_FILE)
        if read is None:
            return "none"
        note, checkpoint = read
        if checkpoint.size > records:
            return "cut"
        with self._database.writing() as connection:
            root = self._log.root(connection, checkpoint.size)
            if checkpoint.origin != self._log.origin or root != checkpoint.root:
                return "forked"
            connection.execute(
                "INSERT INTO checkpoint (size, note, t_utc_us, is_cosigned) VALUES (?, ?, ?, 0)",
                (checkpoint.size, note, self._clock.read().t_utc_ns // NS_PER_US),
            )
        return "continued"

    def _take_in_files(self, present: list[SegmentFile], replayed: Replayed) -> list[FoundSegments]:
        newest = {segment.camera_id: segment for segment in replayed.newest}
        cameras = sorted({*newest, *(file.camera_id for file in present)})
        found: list[FoundSegments] = []
        for camera_id in cameras:
            camera = CameraFiles(
                self._database,
                self._files,
                camera_id,
                newest.get(camera_id),
                last=replayed.last or _instant(self._clock),
                age_us=replayed.age_us,
            )
            found.append(camera.take_in([f for f in present if f.camera_id == camera_id]))
            self._on_progress(RebuildProgress("files", len(found)))
        return found

    def _tamper(self, connection: sqlite3.Connection, what: str, where: str) -> None:
        detail = "found by a rebuild; what the mirror held is all that was restored"
        self._log.append(connection, TamperRecord(what=what, where=where, detail=detail))


def _numbered_lines(directory: Path) -> Iterator[bytes]:
    """Lines of all parts in order; a part that is missing ends them."""
    for expected, part in enumerate(list_parts(directory)):
        if part != expected:
            yield b"\n"  # no record: what follows cannot be placed
            return
        yield from read_lines(part_path(directory, part))


def _instant(clock: Clock) -> Instant:
    now = clock.read()
    return Instant(now.boot_id, now.t_mono_ns // NS_PER_US, now.t_utc_ns // NS_PER_US)


def _read_checkpoint(path: Path) -> tuple[str, Checkpoint] | None:
    try:
        note = path.read_text(encoding="utf-8")
        return note, parse_checkpoint(parse_note(note).text)
    except (FileNotFoundError, UnicodeDecodeError, EvidenceRefused):
        return None


def _check_begin(database: Path, segments: Path, ledger: Path, *, move_aside: bool) -> None:
    if not list_parts(ledger) and not segments.is_dir():
        raise EvidenceRefused(
            what="there is nothing to rebuild from",
            which=str(database.parent),
            remedy="check paths.data_dir: neither segments nor a mirror of the ledger are there",
        )
    if not is_taken(database):
        return
    if not move_aside:
        raise EvidenceRefused(
            what="there is a database",
            which=str(database),
            remedy="keep it for examination: allow that it is renamed to .kept-N",
        )
    if _is_open_elsewhere(database):
        raise StorageFailed(
            what="another process has the store open",
            which=str(database),
            remedy="stop the node first",
        )


def _is_open_elsewhere(database: Path) -> bool:
    """Whether a process holds SQLite's locks on it; told without changing a byte of it."""
    try:
        descriptor = os.open(database, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False  # not even a file that can be opened: it is only renamed
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCK_BYTES, _LOCK_FIRST_BYTE)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _put_in_place(fresh: Path, database: Path) -> tuple[str, ...]:
    """The old database aside, with what SQLite keeps beside it; then the new one in its place."""
    number = 1
    while any(is_taken(_companion(database, f".kept-{number}{end}")) for end in _COMPANIONS):
        number += 1
    kept = []
    for end in _COMPANIONS:
        old = _companion(database, end)
        if is_taken(old):
            old.rename(_companion(database, f".kept-{number}{end}"))
            kept.append(f"{database.name}.kept-{number}{end}")
    fresh.rename(database)
    sync_directory(database.parent)
    return tuple(kept)


def _has_log(database: Path) -> bool:
    """Whether what is committed stands in the write-ahead log alone."""
    log = _companion(database, "-wal")
    return log.exists() and log.stat().st_size > 0


def _damage(database: Path) -> str | None:
    """What SQLite finds wrong with it on opening; None: nothing, or another process has it."""
    connection = sqlite3.connect(database, timeout=0, isolation_level=None)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()
        if version:
            connection.execute("SELECT MAX(leaf) FROM record").fetchone()
    except sqlite3.OperationalError:
        return None  # locked, or the medium: whoever opens it next says which
    except sqlite3.DatabaseError:
        return "node.db was damaged"
    finally:
        connection.close()
    return None if version else "node.db was empty"


def _give_to_owner(database: Path) -> None:
    """Whoever runs this, the file belongs to the user of evidence, as its directory does."""
    owner = database.parent.stat()
    if os.geteuid() == 0:
        os.chown(database, owner.st_uid, owner.st_gid)


def _remove(database: Path) -> None:
    for end in _COMPANIONS:
        _companion(database, end).unlink(missing_ok=True)


def _companion(database: Path, end: str) -> Path:
    return database.with_name(database.name + end)
