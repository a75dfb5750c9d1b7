"""An approved export being built: what goes into it, its proofs, its seal.

Order of a seal: 1. the manifest is written from the files told, and signed; 2. in one
transaction: the record with its hash, the row; 3. a checkpoint over it, mirrored as all are;
4. the answer. Asked again after a kill, the same files are answered with the same seal.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import threading
from collections.abc import Iterator
from typing import Literal

import msgspec

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.errors import EvidenceRefused, ExportFailed, StorageFailed
from roeh.core.peers import Done
from roeh.core.retrieval import (
    AddSealedFiles,
    BeginExport,
    ExportBegun,
    ExportRequest,
    ExportRow,
    ExportSealed,
    ProofsRequest,
    ProvenRecord,
    ProvenRecords,
    SealExport,
)
from roeh.evidence.export_manifest import manifest_of
from roeh.evidence.trust import DeskTrust
from roeh.evidence.trust_lists import TrustLists
from roeh.keys.cms import sign_detached
from roeh.keys.signer import NodeSigners
from roeh.ledger import export_files
from roeh.ledger import export_rows as rows
from roeh.ledger.checkpoints import CERTIFICATES_FILE, Checkpoints
from roeh.ledger.database import NodeDatabase, storage_errors
from roeh.ledger.export_leaves import ExportLeaves
from roeh.ledger.export_segments import MAX_SEGMENTS, ExportSegments
from roeh.ledger.export_states import Step, next_state
from roeh.ledger.holds import Holds
from roeh.ledger.log import Log
from roeh.ledger.mirror import Mirror
from roeh.ledger.names import NameBook
from roeh.ledger.note import parse_checkpoint, parse_note, witness_verifier_key
from roeh.ledger.records import ExportRecord

#: Of one bundle: what is told of each takes room until the seal.
MAX_FILES = MAX_SEGMENTS + 50_000

_PAGE = 500
_PSEUDONYM = re.compile(rb'"([pc]-[0-9a-f]{16})"')


class BuildingParts(msgspec.Struct, frozen=True):
    """What building an export asks of the rest of evidence."""

    clock: Clock
    database: NodeDatabase
    log: Log
    mirror: Mirror
    checkpoints: Checkpoints
    signers: NodeSigners
    holds: Holds
    names: NameBook
    trust: TrustLists
    desk: DeskTrust


class ExportBuilding:
    """EXPORT_BEGIN, EXPORT_PROOFS, EXPORT_FILES, EXPORT_SEAL. Safe to call from several threads."""

    def __init__(self, parts: BuildingParts) -> None:
        self._parts = parts
        self._leaves = ExportLeaves(parts.database)
        self._segments = ExportSegments(parts.database)
        self._sealing = threading.Lock()

    def begin(self, asked: BeginExport) -> ExportBegun:
        """An approved export is built from here on, from nothing.

        Raises:
            ExportFailed: it is not approved, or over.
            EvidenceRefused: `segment_open`: asked later, it is begun.
            StorageFull, StorageFailed, KeyRefused: no checkpoint could be made.
        """
        parts = self._parts
        with parts.database.reading() as connection:
            known = rows.known_export(connection, asked.id)
        if next_state(known.shown.state, Step.BEGUN) is None:
            raise _impossible(asked.id, known.shown.state, "begun")
        request = msgspec.json.decode(known.shown.request, type=ExportRequest)
        numbers = self._segments.numbers(request)
        self._segments.check_closed(asked.id, numbers)  # refused before anything is on record
        held = parts.trust.held()
        # In parts: one that was nearly done before has very many.
        while export_files.drop_files(self._parts.database, known.shown.row):
            pass
        row = self._note_begun(asked.id, "" if held is None else held.sha256)
        parts.checkpoints.renew()
        note = parts.checkpoints.newest()
        if note is None:
            raise StorageFailed(
                what="no checkpoint could be signed",
                which=f"export {asked.id}",
                remedy="see the log of evidence",
            )
        size = _size_of(note)
        with parts.database.writing() as connection:
            rows.set_begun_size(connection, asked.id, size)
        witnessed = parts.checkpoints.newest_cosigned()
        witnessed_size = 0 if witnessed is None else _size_of(witnessed)
        leaves = self._leaves.of(request, numbers, size)
        stands = parts.trust.shown()
        return ExportBegun(
            export=row,
            checkpoint=note,
            ledger_size=size,
            witnessed=witnessed or "",
            witnessed_size=witnessed_size,
            consistency=self._consistency(witnessed_size, size),
            leaves=leaves.every,
            trust_list=stands.signed,
            chains_pem=self._chains(),
            homes={
                signer.usage.value: signer.home
                for signer in (parts.signers.media, parts.signers.log, parts.signers.manifest)
            },
            names=parts.names.read(self._pseudonyms(leaves.others)),
            witness_keys=tuple(map(witness_verifier_key, parts.desk.keys().witness)),
            trust_age_us=stands.age_us,
            trust_version=stands.version,
            trust_issued_utc_us=stands.issued_utc_us,
        )

    def proofs(self, asked: ProofsRequest) -> ProvenRecords:
        """Records with their inclusion in the tree of a size.

        Raises:
            EvidenceRefused: there is no such leaf in that tree.
        """
        database, log = self._parts.database, self._parts.log
        with database.reading() as connection:
            rows.known_export(connection, asked.id)
            size = log.size(connection)
        if asked.size > size or not 0 <= min(asked.leaves) <= max(asked.leaves) < asked.size:
            raise EvidenceRefused(
                what="the ledger has no such leaf in a tree of that size",
                which=f"leaf {max(asked.leaves)} of {asked.size}",
                remedy="ask for leaves below the size that EXPORT_BEGIN gave",
            )
        proven = []
        for leaf in asked.leaves:
            with database.reading() as connection:  # each by itself: recording goes in between
                (record,) = log.records(connection, leaf, 1)
                proof = log.inclusion_proof(connection, leaf, asked.size)
            proven.append(ProvenRecord(leaf, record, tuple(each.hex() for each in proof)))
        return ProvenRecords(tuple(proven))

    def add_files(self, asked: AddSealedFiles) -> Done:
        """Payload files that were written; told twice they count once.

        Raises:
            ExportFailed: it is not being built, files before these are missing, or there are
                too many.
        """
        with self._parts.database.writing() as connection:
            row = rows.known_export(connection, asked.id).shown
            if row.state != "building":
                raise _impossible(row.id, row.state, "files")
            if asked.first + len(asked.files) > MAX_FILES:
                raise ExportFailed(
                    what="more files than a bundle may have",
                    which=f"export {row.id}, {asked.first + len(asked.files)} of {MAX_FILES}",
                    remedy="ask for less at once",
                )
            told = export_files.count_files(connection, row.row)
            if asked.first > told:
                raise ExportFailed(
                    what=f"files from {told} on were not told",
                    which=f"export {row.id}, {asked.first}",
                    remedy="tell them in order, from 0",
                )
            export_files.add_files(connection, row.row, asked.first, asked.files)
        return Done()

    def seal(self, asked: SealExport) -> ExportSealed:
        """Sign the manifest of the files told, by record.

        Raises:
            ExportFailed: it is not being built, no file was told, or one that is not of this
                export (export_manifest.py).
            StorageFull, StorageFailed, KeyRefused: ask again.
        """
        with self._sealing:
            seal = self._sealed(asked.id)
            if not seal.checkpoint:
                seal = self._under_checkpoint(asked.id, seal)
        size = _size_of(seal.checkpoint)
        log = self._parts.log
        with self._parts.database.reading() as connection:
            (record,) = log.records(connection, seal.leaf, 1)
            proof = log.inclusion_proof(connection, seal.leaf, size)
            begun_size = rows.begun_size(connection, asked.id)
        return ExportSealed(
            manifest_sha256=seal.manifest_sha256,
            manifest_p7s=seal.manifest_p7s,
            leaf=seal.leaf,
            record=record,
            proof=tuple(each.hex() for each in proof),
            checkpoint=seal.checkpoint,
            consistency=self._consistency(begun_size, size),
        )

    def _note_begun(self, export_id: str, trust_sha256: str) -> ExportRow:
        with self._parts.database.writing() as connection:
            row = rows.known_export(connection, export_id).shown
            state = next_state(row.state, Step.BEGUN)
            if state is None:
                raise _impossible(export_id, row.state, "begun")
            if row.state == "building":
                self._append(connection, export_id, "interrupted", "it was begun again")
            self._append(connection, export_id, "begun", "")
            rows.set_begun(connection, export_id, trust_sha256)
            rows.set_state(connection, export_id, state)
            return rows.known_export(connection, export_id).shown

    def _append(
        self,
        connection: sqlite3.Connection,
        export_id: str,
        step: Literal["begun", "interrupted"],
        detail: str,
    ) -> None:
        record = ExportRecord(export_id=export_id, step=step, person="", detail=detail)
        self._parts.log.append(connection, record)

    def _consistency(self, old_size: int, size: int) -> tuple[str, ...]:
        if not 0 < old_size < size:
            return ()
        with self._parts.database.reading() as connection:
            proof = self._parts.log.consistency_proof(connection, old_size, size)
        return tuple(each.hex() for each in proof)

    def _chains(self) -> str:
        """Those of the keys in force, and of every log key that signed here."""
        signers = self._parts.signers
        path = self._parts.mirror.directory / CERTIFICATES_FILE
        with storage_errors(path):
            logs = path.read_text(encoding="ascii")
        others = (signers.media.chain_pem + signers.manifest.chain_pem).decode("ascii")
        return logs + others

    def _pseudonyms(self, leaves: tuple[int, ...]) -> Iterator[str]:
        """Those in records that name persons."""
        found: dict[str, None] = {}
        for first in range(0, len(leaves), _PAGE):
            page = leaves[first : first + _PAGE]
            marks = ", ".join("?" * len(page))
            with self._parts.database.reading() as connection:
                for (json,) in connection.execute(
                    f"SELECT json FROM record WHERE leaf IN ({marks}) AND kind IN"  # noqa: S608 - marks
                    " ('hold', 'release', 'access', 'access_refused', 'export_request',"
                    " 'approval', 'export', 'erasure')",
                    page,
                ):
                    found |= {name.decode(): None for name in _PSEUDONYM.findall(json)}
        return iter(found)

    def _sealed(self, export_id: str) -> rows.Seal:
        """The seal of the files that were told: the one before if they are the same."""
        with self._parts.database.reading() as connection:
            known = rows.known_export(connection, export_id)
            before = rows.find_seal(connection, known.shown.row)
        if known.shown.state in ("ready", "taken") and before is not None:
            return before
        if next_state(known.shown.state, Step.SEALED) is None:
            raise _impossible(export_id, known.shown.state, "sealed")
        manifest = manifest_of(self._parts.database, known)
        if not manifest.files:
            raise ExportFailed(
                what="no file was told",
                which=f"export {export_id}",
                remedy="tell the payload files before the seal",
            )
        manifest_sha256 = hashlib.sha256(manifest.content).hexdigest()
        if before is not None and before.manifest_sha256 == manifest_sha256:
            return before
        signer = self._parts.signers.manifest
        signed = sign_detached(
            manifest.content,
            chain_pem=signer.chain_pem,
            sign=signer.sign,
            t_utc_us=self._parts.clock.read().t_utc_ns // NS_PER_US,
        )
        record = ExportRecord(
            export_id=export_id,
            step="sealed",
            person="",
            detail="",
            sha256=manifest_sha256,
            size_bytes=len(manifest.content),
            files=manifest.files,
            damaged=manifest.damaged,
        )
        with self._parts.database.writing() as connection:
            row = rows.known_export(connection, export_id).shown
            if row.state != "building":
                raise _impossible(export_id, row.state, "sealed")
            leaf = self._parts.log.append(connection, record)
            seal = rows.Seal(manifest_sha256, signed, leaf, "")
            rows.put_seal(connection, row.row, seal)
        return seal

    def _under_checkpoint(self, export_id: str, seal: rows.Seal) -> rows.Seal:
        self._parts.checkpoints.renew()
        note = self._parts.checkpoints.newest()
        if note is None or _size_of(note) <= seal.leaf:
            raise StorageFailed(
                what="no checkpoint could be signed over the seal",
                which=f"export {export_id}",
                remedy="ask again; see the log of evidence",
            )
        seal = msgspec.structs.replace(seal, checkpoint=note)
        with self._parts.database.writing() as connection:
            row = rows.known_export(connection, export_id).shown
            rows.put_seal(connection, row.row, seal)
        return seal


def _size_of(note: str) -> int:
    return parse_checkpoint(parse_note(note).text).size


def _impossible(export_id: str, state: str, step: str) -> ExportFailed:
    return ExportFailed(
        what=f"it is {state}: that is no step from there",
        which=f"export {export_id}, {step}",
        remedy="see roeh evidence exports for how it stands",
    )
