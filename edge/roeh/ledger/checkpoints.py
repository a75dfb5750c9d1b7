"""Signed checkpoints of the ledger: what may leave the pole, and when.

Invariants:
    1. A checkpoint is signed of what is in the mirror durably, and so in the database.
    2. No checkpoint is signed that does not continue the one before: the tree is checked
       against the last signed root first.
    3. `newest` gives a checkpoint only after it is stored and written to its file.

`ledger/log.pem` holds the certificates of every log key that signed here: with them a copy of
the ledger can be verified without the key directory.

Order of `renew`: mirror the records and sync; sign; store, dropping the one before unless a
witness signed it; write `ledger/checkpoint` anew, sync, rename, sync the directory.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from typing import Protocol

import msgspec

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.durable_files import sync_directory, write_new
from roeh.core.errors import EvidenceRefused, StorageFailed
from roeh.core.types import MAX_CHECKPOINT_CHARS
from roeh.ledger.database import NodeDatabase, storage_errors
from roeh.ledger.log import Log
from roeh.ledger.mirror import Mirror
from roeh.ledger.note import (
    Checkpoint,
    Note,
    SignatureState,
    WitnessKey,
    add_signature_line,
    checkpoint_text,
    cosignatures,
    ecdsa_key_id,
    log_signature_state,
    parse_checkpoint,
    parse_note,
    sign_note,
    signature_line,
    witness_key_id,
)

#: Names in the ledger's directory.
CHECKPOINT_FILE = "checkpoint"
COSIGNED_FILE = "cosigned"
CERTIFICATES_FILE = "log.pem"


class LogSigner(Protocol):
    """The log key, wherever it is at home."""

    @property
    def spki_der(self) -> bytes:
        """Its public key, SubjectPublicKeyInfo in DER."""
        ...

    @property
    def chain_pem(self) -> bytes:
        """Its certificates, leaf first, without the root."""
        ...

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256 over the message, in DER."""
        ...


class WitnessedAt(msgspec.Struct, frozen=True):
    """A witness signed a checkpoint, and says when."""

    witness: WitnessKey
    t_utc_s: int


class Checkpoints:
    """Signs and keeps checkpoints. Safe to call from several threads.

    Args:
        mirror: reconciled; a checkpoint says nothing that is not in it.
    """

    def __init__(
        self,
        database: NodeDatabase,
        log: Log,
        mirror: Mirror,
        signer: LogSigner,
        clock: Clock,
    ) -> None:
        self._database = database
        self._log = log
        self._mirror = mirror
        self._signer = signer
        self._clock = clock
        self._renewing = threading.Lock()
        with database.reading() as connection:
            self._newest = _newest_note(connection)
        self._is_in_file = False
        self._cosigned_in_file: str | None = None

    def newest(self) -> str | None:
        """The newest signed note that may leave the pole; None while there is none."""
        return self._newest

    def newest_cosigned(self) -> str | None:
        """The newest note that a witness signed too; None while there is none.

        Raises:
            StorageFailed: the database cannot be read.
        """
        with self._database.reading() as connection:
            return _newest_note(connection, is_cosigned=True)

    def kept(self, size: int) -> str | None:
        """The note of this many records that may leave the pole, if it is still kept.

        Raises:
            StorageFailed: the database cannot be read.
        """
        with self._database.reading() as connection:
            note = _kept_note(connection, size)
        return note if note is not None and len(note) <= MAX_CHECKPOINT_CHARS else None

    def renew(self) -> None:
        """Mirror what was committed and sign the ledger as it is then.

        Nothing is signed when no record was added since.

        Raises:
            StorageFull, StorageFailed: mirror, store or file refused, or the ledger does not
                continue the one that was signed; `newest` stays as it was.
            KeyRefused: the key's home does not sign.
        """
        with self._renewing:
            size = self._mirror.catch_up()
            if not self._is_in_file:
                self._keep_certificates()
            before = None if self._newest is None else _checkpoint_of(self._newest)
            if size and (before is None or before.size != size):
                note = self._sign(before, size)
                self._store(size, note, is_cosigned=False)
                self._is_in_file = False
                self._write(CHECKPOINT_FILE, note)
                self._newest = note
            elif self._newest is not None and not self._is_in_file:
                self._write(CHECKPOINT_FILE, self._newest)
            self._is_in_file = True

    def keep_cosigned(
        self, written: str, witnesses: Sequence[WitnessKey]
    ) -> tuple[WitnessedAt, ...]:
        """Keep a checkpoint that a witness signed, for as long as the ledger.

        The newest of them is also in the file `ledger/cosigned`. What is kept has one line of
        each of these witnesses, the first that came, and no line of anybody else.

        Returns:
            Who of the witnesses signed it.

        Raises:
            EvidenceRefused: it is not a checkpoint of this ledger and this key, or none of
                the witnesses signed it, or a signature is wrong.
            StorageFull, StorageFailed: it could not be stored.
        """
        note = parse_note(written)
        checkpoint = parse_checkpoint(note.text)
        ours = log_signature_state(note, name=self._log.origin, spki_der=self._signer.spki_der)
        said = tuple(zip(witnesses, cosignatures(note, witnesses), strict=True))
        states = {found.state for _, found in said}
        if ours is SignatureState.WRONG or SignatureState.WRONG in states:
            raise _refused("a signature on it is wrong", checkpoint)
        if SignatureState.VALID not in states:
            raise _refused("no witness that this node knows signed it", checkpoint)
        with self._renewing:
            self._check_ours(checkpoint)
            with self._database.reading() as connection:
                kept = _kept_note(connection, checkpoint.size)
            if ours is not SignatureState.VALID and not self._signed_before(note, kept):
                raise _refused("the log key's signature is missing", checkpoint)
            stored = _with_lines(kept or self._bare(note), note, witnesses)
            if kept != stored:
                self._store(checkpoint.size, stored, is_cosigned=True)
            self._publish_cosigned(checkpoint, stored)
        return tuple(
            WitnessedAt(witness, found.t_utc_s)
            for witness, found in said
            if found.t_utc_s is not None
        )

    def _publish_cosigned(self, checkpoint: Checkpoint, stored: str) -> None:
        """Give a cosigned note to whoever asks for the newest, if it is."""
        is_newest = self._newest is not None and _checkpoint_of(self._newest) == checkpoint
        if is_newest and len(stored) <= MAX_CHECKPOINT_CHARS:
            self._newest = stored
        with self._database.reading() as connection:
            newest = _newest_note(connection, is_cosigned=True) or stored
        if newest != self._cosigned_in_file:
            self._write(COSIGNED_FILE, newest)
            self._cosigned_in_file = newest

    def _signed_before(self, note: Note, kept: str | None) -> bool:
        """Whether the log key's line on a note is that on the note that is kept.

        It is of a key that this node had before: a witness may go back to such a checkpoint.
        """
        before = () if kept is None else parse_note(kept).signatures
        return any(line.name == self._log.origin and line in before for line in note.signatures)

    def _bare(self, note: Note) -> str:
        """A note with the log key's own line only."""
        key_id = ecdsa_key_id(self._signer.spki_der)
        own = next(line for line in note.signatures if line.key_id == key_id)
        return f"{note.text}\n{signature_line(own)}"

    def _sign(self, before: Checkpoint | None, size: int) -> str:
        with self._database.reading() as connection:
            if before is not None and (
                before.size > size or self._log.root(connection, before.size) != before.root
            ):
                raise StorageFailed(
                    what="the ledger does not continue the one that was signed",
                    which=f"checkpoint of {before.size} records; node.db holds {size}",
                    remedy="keep node.db for examination and run roeh evidence check",
                )
            root = self._log.root(connection, size)
        return sign_note(
            checkpoint_text(Checkpoint(self._log.origin, size, root)),
            name=self._log.origin,
            spki_der=self._signer.spki_der,
            sign=self._signer.sign,
        )

    def _check_ours(self, checkpoint: Checkpoint) -> None:
        if checkpoint.origin != self._log.origin or checkpoint.size > self._mirror.size:
            raise _refused("it is not of this ledger", checkpoint)
        with self._database.reading() as connection:
            if self._log.root(connection, checkpoint.size) != checkpoint.root:
                raise _refused("it is of another ledger of the same name", checkpoint)

    def _store(self, size: int, note: str, *, is_cosigned: bool) -> None:
        """Store a note; of those that no witness signed, only the newest stays."""
        t_utc_us = self._clock.read().t_utc_ns // NS_PER_US
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO checkpoint (size, note, t_utc_us, is_cosigned) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (size) DO UPDATE SET note = excluded.note,"
                " is_cosigned = MAX(is_cosigned, excluded.is_cosigned)",
                (size, note, t_utc_us, is_cosigned),
            )
            connection.execute(
                "DELETE FROM checkpoint"
                " WHERE NOT is_cosigned AND size < (SELECT MAX(size) FROM checkpoint)"
            )

    def _keep_certificates(self) -> None:
        """Add this key's certificates to those of the keys before it."""
        path = self._mirror.directory / CERTIFICATES_FILE
        chain = self._signer.chain_pem.decode("ascii")
        with storage_errors(path):
            kept = path.read_text("ascii") if path.exists() else ""
        if chain not in kept:
            self._write(CERTIFICATES_FILE, kept + chain)

    def _write(self, name: str, text: str) -> None:
        path = self._mirror.directory / name
        fresh = path.with_name(f"{name}.new")
        with storage_errors(path):
            fresh.unlink(missing_ok=True)
            write_new(fresh, [text.encode("utf-8")])
            fresh.replace(path)
            sync_directory(path.parent)


def _newest_note(connection: sqlite3.Connection, *, is_cosigned: bool = False) -> str | None:
    found = connection.execute(
        "SELECT note FROM checkpoint WHERE is_cosigned >= ? ORDER BY size DESC LIMIT 1",
        (is_cosigned,),
    ).fetchone()
    return None if found is None else str(found[0])


def _kept_note(connection: sqlite3.Connection, size: int) -> str | None:
    found = connection.execute("SELECT note FROM checkpoint WHERE size = ?", (size,)).fetchone()
    return None if found is None else str(found[0])


def _with_lines(stored: str, note: Note, witnesses: Sequence[WitnessKey]) -> str:
    """What is stored with the lines of those witnesses that have none on it yet.

    A ledger at rest is cosigned again and again: the earliest time anchors it, and a note
    that grew with each would not fit into an alert.
    """
    missing = {(one.name, witness_key_id(one)) for one in witnesses}
    missing -= {(line.name, line.key_id) for line in parse_note(stored).signatures}
    for line in note.signatures:
        if (line.name, line.key_id) in missing:
            stored = add_signature_line(stored, signature_line(line))
            missing.remove((line.name, line.key_id))
    return stored


def _checkpoint_of(written: str) -> Checkpoint:
    return parse_checkpoint(parse_note(written).text)


def _refused(why: str, checkpoint: Checkpoint) -> EvidenceRefused:
    return EvidenceRefused(
        what=f"the cosigned checkpoint is not kept ({why})",
        which=f"{checkpoint.origin}, {checkpoint.size} records",
        remedy="check which witness answered, and the keys of witnesses",
    )
