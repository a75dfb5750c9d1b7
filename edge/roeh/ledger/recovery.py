"""What evidence does before it records: bring files, index and ledger together, and say so.

Order (edge/design/evidence-format.md, Start-up): the mirror is compared, deletions that were
begun are finished, open segments are cut to what was acknowledged, checked and closed,
files that nobody acknowledged are dealt with, and the start itself is put on record. Every
step can be interrupted and done again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from roeh.bitstream.malformed import Malformed
from roeh.bitstream.mp4_read import read_fragments
from roeh.core.errors import StorageFailed
from roeh.core.log import log_for
from roeh.keys.signer import NodeSigners, Signer
from roeh.ledger import segment_rows
from roeh.ledger.continuity import EXPLAINING_ENDS, EndReason
from roeh.ledger.database import NodeDatabase, next_number
from roeh.ledger.log import Log
from roeh.ledger.mirror import Mirror, MirrorAhead, MirrorDiffers
from roeh.ledger.records import (
    BootRecord,
    ConfigRecord,
    FaultRecord,
    KeyRecord,
    Record,
    RecordBody,
    TamperRecord,
)
from roeh.ledger.segment_rows import StoredSegment
from roeh.ledger.segments import SegmentFile, SegmentFiles, hash_next, segment_path

#: Counters: starts of evidence, and the start that the last clean end belongs to.
_BEGUN, _ENDED_CLEAN = "evidence_start", "evidence_clean_end"

#: A database of this size is read in about a second from a slow medium.
_CHECKED_BYTES = 64 * 1024 * 1024
#: Tables that keep a row of everything for ever, and how their newest rows are read.
_GROWING = {
    "segment": "ORDER BY row DESC",
    "gap": "ORDER BY leaf DESC",
    "record": "ORDER BY leaf DESC",
    "tree_node": "WHERE level = 0 ORDER BY position DESC",
}
_NEWEST_ROWS = 10_000
#: Beyond these, reports of one kind are counted in the log; each has its record.
_SHOWN_REPORTS = 100

_log = log_for("evidence")


class RebuildNeeded(Exception):
    """node.db cannot be gone on with, and can be made anew; the text says why."""


class StartFacts(msgspec.Struct, frozen=True):
    """What a start puts on record."""

    version: str
    config_sha256: str
    signers: NodeSigners


class Recovery:
    """The steps of a start, over an open store.

    Args:
        replay_garbage: finishes deletions that were begun.
    """

    def __init__(
        self,
        database: NodeDatabase,
        log: Log,
        mirror: Mirror,
        files: SegmentFiles,
        *,
        replay_garbage: Callable[[], object],
    ) -> None:
        self._database = database
        self._log = log
        self._mirror = mirror
        self._files = files
        self._replay_garbage = replay_garbage
        self._told: set[tuple[str, str]] = set()

    def run(self, facts: StartFacts) -> None:
        """All steps, once; on the disk when it returns.

        Raises:
            StorageFull: no room; everything done so far stays done, run it again.
            StorageFailed: the store cannot be used, or is another node's.
            RebuildNeeded: the database is damaged, or older than the mirror.
        """
        with self._database.reading() as connection:
            _check_node(connection, self._log)
            was_clean = had_clean_end(connection)
            if not was_clean and not is_whole(connection):
                raise RebuildNeeded("node.db was damaged")
            self._told = _told_before(connection)
        self._settle_mirror()
        self._replay_garbage()
        with self._database.reading() as connection:
            left_open = segment_rows.segments_in(connection, "open")
        for segment in left_open:
            self._close_open(segment)
        self._compare_files()
        with self._database.writing() as connection:
            if not was_clean:
                _mark_interrupted(connection)
            next_number(connection, _BEGUN)
            self._log.append(connection, BootRecord(version=facts.version, was_clean=was_clean))
            for body in self._changed(connection, facts):
                self._log.append(connection, body)

    def _settle_mirror(self) -> None:
        """Step 2: the files of the ledger hold what the database holds."""
        found = self._mirror.reconcile()
        if isinstance(found, MirrorDiffers):
            self._report("mirror_differs", f"leaf {found.leaf}", found.what)
            kept = self._mirror.replace(found.leaf)
            _log.error("the mirror of the ledger differed from leaf %d: %s", found.leaf, kept)
            found = self._mirror.reconcile()
        if isinstance(found, MirrorAhead):
            raise RebuildNeeded("node.db was older than the mirror of the ledger")
        if isinstance(found, MirrorDiffers):
            raise StorageFailed(
                what="the mirror of the ledger cannot be made to hold what the database holds",
                which=str(self._mirror.directory),
                remedy="check the medium",
            )
        if found.lost_under_checkpoint:
            self._report(
                "mirror_cut",
                f"leaf {found.size - found.appended}",
                f"{found.lost_under_checkpoint} records were taken from the files of the ledger",
            )

    def _close_open(self, segment: StoredSegment) -> None:
        """Step 4: cut to what was acknowledged, compare, close."""
        path = segment_path(segment.camera_id, segment.number)
        try:
            self._files.truncate(segment.camera_id, segment.number, segment.size_bytes)
            sha256 = self._check_bytes(segment, path)
        except FileNotFoundError:
            self._report("file_missing", path, f"{segment.size_bytes} bytes were acknowledged")
            sha256 = hashlib.sha256().digest()
        ended = EndReason(segment.end_reason) if segment.end_reason else EndReason.RECOVERED
        with self._database.writing() as connection:
            segment_rows.close_segment(connection, self._log, segment.row, sha256, ended)

    def _check_bytes(self, segment: StoredSegment, path: str) -> bytes:
        """SHA-256 of the file as it is; each part that is not as acknowledged is reported."""
        whole = hashlib.sha256()
        with self._database.reading() as connection:
            fragments = list(segment_rows.fragments_of(connection, segment.row))
        parts = [(segment.init_bytes, segment.init_sha256, "the beginning")]
        parts += [(f.size_bytes, f.sha256, f"fragment {f.number}") for f in fragments]
        with self._files.reading(segment.camera_id, segment.number) as descriptor:
            for size_bytes, expected, name in parts:
                if hash_next(descriptor, size_bytes, whole) != expected:
                    self._report("bytes_changed", f"{path}, {name}", "not what was acknowledged")
        return whole.digest()

    def _compare_files(self) -> None:
        """Files that are missing or have another size, and files that nobody knows."""
        files, strays = self._files.list_files()
        there = {(file.camera_id, file.number): file for file in files}
        with self._database.reading() as connection:
            closed = segment_rows.segments_in(connection, "closed")
            newest = segment_rows.newest_numbers(connection)
        unlike: list[TamperRecord] = []
        for segment in closed:
            path = segment_path(segment.camera_id, segment.number)
            file = there.pop((segment.camera_id, segment.number), None)
            if file is None:
                detail = f"{segment.size_bytes} bytes were acknowledged"
                unlike.append(TamperRecord(what="file_missing", where=path, detail=detail))
            elif file.size_bytes != segment.size_bytes:
                detail = f"{file.size_bytes} bytes instead of {segment.size_bytes}"
                unlike.append(TamperRecord(what="size_changed", where=path, detail=detail))
        for (camera_id, number), file in there.items():
            path = segment_path(camera_id, number)
            if number > newest.get(camera_id, 0) and self._is_unacknowledged(file):
                self._remove_tail(file, path)
            else:
                detail = f"{file.size_bytes} bytes; left as it is"
                unlike.append(TamperRecord(what="file_unexpected", where=path, detail=detail))
        unlike += [
            TamperRecord(
                what="file_unexpected", where=stray.path, detail="no segment file; left as it is"
            )
            for stray in strays
        ]
        self._report_all(unlike)

    def _is_unacknowledged(self, file: SegmentFile) -> bool:
        """Whether evidence can have ended between making this file and its row.

        It then holds one fragment at the most.
        """
        count = 0
        with (
            self._files.reading(file.camera_id, file.number) as descriptor,
            open(descriptor, "rb", closefd=False) as opened,
        ):
            try:
                for _ in read_fragments(opened):
                    count += 1
            except Malformed:
                pass  # torn: the last write did not end
        return count <= 1

    def _remove_tail(self, file: SegmentFile, path: str) -> None:
        with self._files.reading(file.camera_id, file.number) as descriptor:
            sha256 = hash_next(descriptor, file.size_bytes, hashlib.sha256())
        detail = f"{path}, {file.size_bytes} bytes, sha256 {sha256.hex()}"
        with self._database.writing() as connection:
            body = FaultRecord(what="unacknowledged_removed", detail=detail)
            self._log.append(connection, body)
        self._files.delete(file.camera_id, file.number)

    def _report(self, what: str, where: str, detail: str) -> None:
        """A tamper record, once for each thing."""
        self._report_all([TamperRecord(what=what, where=where, detail=detail)])

    def _report_all(self, found: list[TamperRecord]) -> None:
        """All in one transaction: a ring that somebody emptied is no reason to start late."""
        fresh = [body for body in found if (body.what, body.where) not in self._told]
        if not fresh:
            return
        with self._database.writing() as connection:
            for body in fresh:
                self._log.append(connection, body)
        self._told.update((body.what, body.where) for body in fresh)
        for body in fresh[:_SHOWN_REPORTS]:
            _log.error("not as it was left: %s: %s: %s", body.what, body.where, body.detail)
        if len(fresh) > _SHOWN_REPORTS:
            _log.error("not as it was left: %d more, on record", len(fresh) - _SHOWN_REPORTS)

    def _changed(self, connection: sqlite3.Connection, facts: StartFacts) -> list[RecordBody]:
        """Records of configuration and keys that were not in force before."""
        found: list[RecordBody] = []
        config = self._log.newest(connection, ConfigRecord)
        before = config.body if config is not None else None
        if not isinstance(before, ConfigRecord) or before.config_sha256 != facts.config_sha256:
            model = before.model_sha256 if isinstance(before, ConfigRecord) else None
            found.append(ConfigRecord(config_sha256=facts.config_sha256, model_sha256=model))
        in_force: dict[str, KeyRecord] = {}
        rows = connection.execute("SELECT json FROM record WHERE kind = 'key' ORDER BY leaf")
        for (json,) in rows:
            body = msgspec.json.decode(json, type=Record).body
            if isinstance(body, KeyRecord):
                in_force[body.usage] = body
        for signer in (facts.signers.media, facts.signers.log, facts.signers.manifest):
            key = key_record(signer, is_provisioned=facts.signers.is_provisioned)
            if in_force.get(key.usage) != key:
                found.append(key)
        return found


def key_record(signer: Signer, *, is_provisioned: bool) -> KeyRecord:
    """What the ledger says of a key in force."""
    certificate = x509.load_pem_x509_certificate(signer.chain_pem)
    return KeyRecord(
        usage=signer.usage.value,
        spki_sha256=hashlib.sha256(signer.spki_der).hexdigest(),
        certificate_sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        home=signer.home,
        is_provisioned=is_provisioned,
    )


def had_clean_end(connection: sqlite3.Connection) -> bool:
    """Whether evidence, when it ran last, ended as it should; also before it ever ran."""
    return _counter(connection, _BEGUN) == _counter(connection, _ENDED_CLEAN)


def note_clean_end(connection: sqlite3.Connection) -> None:
    """Evidence ends as it should; nothing of it is stored after this."""
    connection.execute(
        "INSERT INTO counter (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (_ENDED_CLEAN, _counter(connection, _BEGUN)),
    )


def _counter(connection: sqlite3.Connection, name: str) -> int:
    found = connection.execute("SELECT value FROM counter WHERE name = ?", (name,)).fetchone()
    return int(found[0]) if found else 0


def _mark_interrupted(connection: sqlite3.Connection) -> None:
    """Cameras whose recording was cut off, whatever their last segment ended with."""
    for camera_id in segment_rows.cameras_known(connection):
        chain = segment_rows.read_chain(connection, camera_id)
        if chain is not None and chain.end.end_reason not in EXPLAINING_ENDS:
            end = msgspec.structs.replace(chain.end, end_reason=EndReason.RECOVERED)
            interrupted = msgspec.structs.replace(chain, end=end)
            segment_rows.write_chain(connection, camera_id, interrupted)


def is_whole(connection: sqlite3.Connection, at_most_bytes: int = _CHECKED_BYTES) -> bool:
    """Whether the pages of the database can be read and hang together.

    Tables that only grow make a database of years: of one that is larger than `at_most_bytes`
    their newest rows are read, which are what an unclean end can have hurt, and all of the
    others is checked. Older pages are looked at when something reads them.
    """
    (size_bytes,) = connection.execute(
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    ).fetchone()
    tables = [
        name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type='table'")
    ]
    is_large = size_bytes > at_most_bytes
    try:
        for table in tables:
            if is_large and table in _GROWING:
                newest = f"SELECT * FROM {table} {_GROWING[table]} LIMIT {_NEWEST_ROWS}"  # noqa: S608 - constants
                for _ in connection.execute(newest):
                    pass
                continue
            (found,) = connection.execute(f"PRAGMA quick_check({table})").fetchone()
            if found != "ok":
                return False
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        return False
    return True


def _told_before(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """What tamper records name already, and of which thing."""
    bodies = (
        msgspec.json.decode(json, type=Record).body
        for (json,) in connection.execute("SELECT json FROM record WHERE kind = 'tamper'")
    )
    return {(body.what, body.where) for body in bodies if isinstance(body, TamperRecord)}


def _check_node(connection: sqlite3.Connection, log: Log) -> None:
    first = log.records(connection, 0, 1)
    if not first:
        return
    record = msgspec.json.decode(first[0], type=Record)
    if log.origin != f"roeh/{record.site}/{record.node}":
        raise StorageFailed(
            what=f"the store is that of {record.site}/{record.node}",
            which=f"[node] site and name in node.toml ({log.origin.removeprefix('roeh/')})",
            remedy="give this node its own paths.data_dir, or the name that the store has",
        )
