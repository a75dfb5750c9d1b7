"""Signed checkpoints of the audit: what the witness sees of it.

Invariants:
    1. None is signed that does not continue the one signed before.
    2. None leaves before it is stored; none is ever changed: one with more cosignatures is a
       row of its own.
    3. Each goes with the proof that it continues the newest which a witness signed.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.errors import DeskFailed, EvidenceRefused, HistoryForked
from roeh.desk.audit.log import audit_consistency, audit_origin, audit_root, audit_size
from roeh.desk.keys import AUDIT_SITE
from roeh.desk.known_witnesses import WITNESSES_FILE
from roeh.desk.store import DeskStore, Transaction
from roeh.ledger.checkpoints import LogSigner
from roeh.ledger.note import (
    Checkpoint,
    Note,
    SignatureState,
    WitnessKey,
    add_signature_line,
    checkpoint_text,
    cosignatures,
    log_signature_state,
    parse_checkpoint,
    parse_note,
    sign_note,
    signature_line,
)
from roeh.transport.messages import CheckpointMessage


class AuditCheckpoints:
    """Signs, keeps and hands out checkpoints of one desk's audit. For one thread.

    Its methods open transactions of their own: never call them inside one.

    Args:
        signer: the audit's key.
        interval_s: how often a checkpoint is signed, and one that nobody cosigned sent again.
    """

    def __init__(
        self,
        store: DeskStore,
        signer: LogSigner,
        clock: Clock,
        desk: str,
        *,
        interval_s: float = 60.0,
    ) -> None:
        self._store = store
        self._signer = signer
        self._clock = clock
        self._desk = desk
        self._interval_ns = round(interval_s * NS_PER_S)
        self._due_mono_ns = clock.mono_ns()

    def due(self) -> CheckpointMessage | None:
        """What is to be published now on `roeh/v1/desk/<name>/up/checkpoint`; None: nothing.

        Raises:
            DeskFailed: the database, or an audit that does not continue what was signed.
            KeyRefused: the key does not sign.
        """
        now_ns = self._clock.mono_ns()
        if now_ns < self._due_mono_ns:
            return None
        self._due_mono_ns = now_ns + self._interval_ns
        with self._store.reading() as transaction:
            size = audit_size(transaction)
            newest = _newest(transaction)
        if size and (newest is None or newest.size != size):
            newest = self._sign(newest)
        if newest is None or newest.cosignatures:
            return None
        return self._message(newest)

    def keep_cosigned(self, written: str, witnesses: Sequence[WitnessKey]) -> bool:
        """Keep what came on `down/cosign`; whether it said anything new.

        Raises:
            EvidenceRefused: it is no checkpoint of this audit that one of these witnesses
                signed.
            HistoryForked: all signatures are right, and this audit is not the one they are of.
            DeskFailed: the database.
        """
        note = parse_note(written)
        checkpoint = parse_checkpoint(note.text)
        self._check_signatures(note, checkpoint, witnesses)
        with self._store.writing() as transaction:
            if (
                checkpoint.size > audit_size(transaction)
                or audit_root(transaction, checkpoint.size) != checkpoint.root
            ):
                raise HistoryForked(
                    what="a witness has seen another audit of this desk, signed by its key",
                    which=f"{checkpoint.origin}, {checkpoint.size} entries",
                    remedy="keep database and witness's files: the audit was written anew,"
                    " or the database is an old copy",
                )
            before = _newest(transaction, size=checkpoint.size)
            stored = written if before is None else before.note
            for signature in note.signatures:
                stored = add_signature_line(stored, signature_line(signature))
            if before is not None and stored == before.note:
                return False
            self._store_note(transaction, checkpoint.size, stored)
        return True

    def _sign(self, before: _StoredNote | None) -> _StoredNote:
        origin = audit_origin(self._desk)
        with self._store.writing() as transaction:
            size = audit_size(transaction)
            if before is not None:
                signed = parse_checkpoint(parse_note(before.note).text)
                if signed.size > size or audit_root(transaction, signed.size) != signed.root:
                    raise DeskFailed(
                        what="the audit does not continue the one that was signed",
                        which=f"checkpoint of {signed.size} entries; there are {size}",
                        remedy="keep the database for examination; roeh desk audit --check",
                    )
            note = sign_note(
                checkpoint_text(Checkpoint(origin, size, audit_root(transaction, size))),
                name=origin,
                spki_der=self._signer.spki_der,
                sign=self._signer.sign,
            )
            self._store_note(transaction, size, note)
            return _StoredNote(size, 0, note)

    def _store_note(self, transaction: Transaction, size: int, note: str) -> None:
        # All lines but the audit's own are cosignatures.
        count = len(parse_note(note).signatures) - 1
        transaction.insert_new(
            "INSERT INTO audit_checkpoint (size, cosignatures, note, t_utc_us)"
            " VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [(size, count, note, self._clock.read().t_utc_ns // NS_PER_US)],
        )

    def _message(self, newest: _StoredNote) -> CheckpointMessage:
        with self._store.reading() as transaction:
            ((cosigned,),) = transaction.values(
                "SELECT MAX(size) FROM audit_checkpoint WHERE cosignatures > 0"
            )
            from_size = cosigned if isinstance(cosigned, int) else 0
            hashes = audit_consistency(transaction, from_size, newest.size)
        return CheckpointMessage(
            site=AUDIT_SITE,
            node=self._desk,
            note=newest.note,
            from_size=from_size,
            hashes=tuple(base64.b64encode(step).decode("ascii") for step in hashes),
            log_chain_pem=self._signer.chain_pem.decode("ascii"),
        )

    def _check_signatures(
        self, note: Note, checkpoint: Checkpoint, witnesses: Sequence[WitnessKey]
    ) -> None:
        origin = audit_origin(self._desk)
        if checkpoint.origin != origin:
            raise _refused("it is of another ledger", checkpoint)
        ours = log_signature_state(note, name=origin, spki_der=self._signer.spki_der)
        states = {found.state for found in cosignatures(note, witnesses)}
        if ours is not SignatureState.VALID or SignatureState.WRONG in states:
            raise _refused("a signature on it is missing or wrong", checkpoint)
        if SignatureState.VALID not in states:
            raise _refused("no witness that this desk knows signed it", checkpoint)


def newest_cosigned(transaction: Transaction) -> str | None:
    """The newest checkpoint that a witness signed; None: none did."""
    found = transaction.values(
        "SELECT note FROM audit_checkpoint WHERE cosignatures > 0"
        " ORDER BY size DESC, cosignatures DESC LIMIT 1"
    )
    return str(found[0][0]) if found else None


class _StoredNote(msgspec.Struct, frozen=True):
    size: int
    cosignatures: int
    note: str


def _newest(transaction: Transaction, size: int | None = None) -> _StoredNote | None:
    """The newest note; of one size, if that is given."""
    first, last = (0, 2**62) if size is None else (size, size)
    found = transaction.select(
        _StoredNote,
        "SELECT size, cosignatures, note FROM audit_checkpoint"
        " WHERE size >= ? AND size <= ? ORDER BY size DESC, cosignatures DESC LIMIT 1",
        (first, last),
    )
    return found[0] if found else None


def _refused(why: str, checkpoint: Checkpoint) -> EvidenceRefused:
    return EvidenceRefused(
        what=f"the cosigned checkpoint is not kept ({why})",
        which=f"{checkpoint.origin}, {checkpoint.size} entries",
        remedy=f"check which witness answered, and {WITNESSES_FILE} in the desk's keys",
    )
