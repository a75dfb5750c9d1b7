"""Checking the audit: everything recomputed from the entries, and compared with what was signed.

Memory does not grow with the audit: entries are read in pages, of the tree only the edge is
held. What was taken away from the end shows against a checkpoint that is older than the theft:
the database's own, or one given from outside (the witness keeps each it cosigned).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import msgspec

from roeh.core.errors import ChecksFailed, EvidenceRefused
from roeh.desk.audit.log import AuditEntry, audit_size
from roeh.desk.store import Transaction
from roeh.ledger import merkle
from roeh.ledger.canonical import canonical_struct
from roeh.ledger.note import (
    Checkpoint,
    SignatureState,
    WitnessKey,
    cosignatures,
    log_signature_state,
    parse_checkpoint,
    parse_note,
)

_PAGE_LEAVES = 4096


class Trust(msgspec.Struct, frozen=True):
    """Whose signatures count: the audit's key (SubjectPublicKeyInfo, DER) and witnesses'."""

    origin: str
    spki_der: bytes
    witnesses: tuple[WitnessKey, ...] = ()


class AuditCheck(msgspec.Struct, frozen=True):
    """What was found sound.

    Attributes:
        entries: how many, all of them recomputed.
        root: of the tree of them, hexadecimal.
        checkpoints: how many signed ones they agree with.
        signed_size: entries under the newest of those.
        cosigned_size: under the newest that a trusted witness signed; None: none did.
    """

    entries: int
    root: str
    checkpoints: int
    signed_size: int | None
    cosigned_size: int | None


def check_audit(transaction: Transaction, trust: Trust, notes: Sequence[str]) -> AuditCheck:
    """Recompute the audit and compare it with every checkpoint.

    Args:
        transaction: sees one state of the database.
        trust: whose signatures count.
        notes: signed checkpoints besides those in the database.

    Raises:
        ChecksFailed: naming the first place at which it is not what it was.
    """
    stored = [str(note) for (note,) in transaction.values("SELECT note FROM audit_checkpoint")]
    signed = sorted(
        (_verified(note, trust) for note in (*stored, *notes)), key=lambda one: one.checkpoint.size
    )
    size = audit_size(transaction)
    if signed and signed[-1].checkpoint.size > size:
        raise _failed(
            f"cut short: a checkpoint of {signed[-1].checkpoint.size} entries was signed", size
        )
    edge = _Edge()
    waiting = deque(signed)
    for reached in _sizes(transaction, size, edge):
        while waiting and waiting[0].checkpoint.size == reached:
            _compare(waiting.popleft().checkpoint, edge.root(reached))
    _check_node_count(transaction, size)
    cosigned = [one.checkpoint.size for one in signed if one.is_cosigned]
    return AuditCheck(
        entries=size,
        root=edge.root(size).hex(),
        checkpoints=len(signed),
        signed_size=signed[-1].checkpoint.size if signed else None,
        cosigned_size=max(cosigned, default=None),
    )


class _Signed(msgspec.Struct, frozen=True):
    checkpoint: Checkpoint
    is_cosigned: bool


class _Edge:
    """The newest complete node of each level: all that the next leaf and the root need."""

    def __init__(self) -> None:
        self._newest: dict[int, merkle.TreeNode] = {}

    def add(self, leaf: int, json: bytes) -> list[merkle.TreeNode]:
        completed = merkle.nodes_completed_by(leaf, merkle.leaf_hash(json), self._read)
        for node in completed:
            self._newest[node.level] = node
        return completed

    def root(self, size: int) -> bytes:
        return merkle.root(size, self._read)

    def _read(self, level: int, position: int) -> bytes:
        node = self._newest[level]
        if node.position != position:
            raise KeyError((level, position))
        return node.hash


def _sizes(transaction: Transaction, size: int, edge: _Edge) -> Iterator[int]:
    """Grow the edge entry by entry, each compared with its columns and its stored nodes."""
    yield 0
    for first in range(0, size, _PAGE_LEAVES):
        end = min(first + _PAGE_LEAVES, size)
        rows = transaction.values(
            "SELECT leaf, t_utc_us, operator, action, subject, json FROM audit"
            " WHERE leaf >= ? AND leaf < ? ORDER BY leaf",
            (first, end),
        )
        nodes = _stored_nodes(transaction, first, end)
        for leaf in range(first, end):
            row = rows[leaf - first] if leaf - first < len(rows) else None
            if row is None or row[0] != leaf:
                raise _failed("an entry is missing", leaf)
            json = row[5]
            if not isinstance(json, bytes) or not _is_entry(leaf, row[1:5], json):
                raise _failed("an entry was changed", leaf)
            for node in edge.add(leaf, json):
                if nodes.get((node.level, node.position)) != node.hash:
                    raise _failed("an entry was changed: the tree has another hash", leaf)
            yield leaf + 1


def _is_entry(leaf: int, columns: Sequence[object], json: bytes) -> bool:
    try:
        entry = msgspec.json.decode(json, type=AuditEntry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    said = (entry.t_utc_us, entry.operator, entry.action.value, entry.subject)
    return entry.leaf == leaf and said == tuple(columns) and canonical_struct(entry) == json


def _stored_nodes(
    transaction: Transaction, first: int, end: int
) -> dict[tuple[int, int], bytes | None]:
    """The nodes that leaves [first, end) complete."""
    found: dict[tuple[int, int], bytes | None] = {}
    level = 0
    while end >> level:
        rows = transaction.values(
            "SELECT position, hash FROM audit_node"
            " WHERE level = ? AND position >= ? AND position < ?",
            (level, first >> level, end >> level),
        )
        for position, node_hash in rows:
            if isinstance(position, int) and isinstance(node_hash, bytes):
                found[level, position] = node_hash
        level += 1
    return found


def _check_node_count(transaction: Transaction, size: int) -> None:
    ((stored,),) = transaction.values("SELECT COUNT(*) FROM audit_node")
    expected = sum(size >> level for level in range(size.bit_length()))
    if stored != expected:
        raise _failed(f"the tree has {stored!r} nodes and should have {expected}", size)


def _verified(note_text: str, trust: Trust) -> _Signed:
    try:
        note = parse_note(note_text)
        checkpoint = parse_checkpoint(note.text)
    except EvidenceRefused as error:
        raise _failed(f"a stored checkpoint is none ({error.what})", None) from None
    if checkpoint.origin != trust.origin:
        raise _failed(f"a checkpoint is of {checkpoint.origin}", checkpoint.size)
    state = log_signature_state(note, name=trust.origin, spki_der=trust.spki_der)
    seen = {found.state for found in cosignatures(note, trust.witnesses)}
    if state is not SignatureState.VALID or SignatureState.WRONG in seen:
        raise _failed("a signature on a checkpoint is wrong or missing", checkpoint.size)
    return _Signed(checkpoint, SignatureState.VALID in seen)


def _compare(checkpoint: Checkpoint, root: bytes) -> None:
    if checkpoint.root != root:
        raise _failed(
            f"not what was signed: entries up to {checkpoint.size} give another root",
            checkpoint.size,
        )


def _failed(what: str, leaf: int | None) -> ChecksFailed:
    return ChecksFailed(
        what=f"the audit does not hold: {what}",
        which="a checkpoint" if leaf is None else f"entry {leaf}",
        remedy="keep the database and the witness's files for examination; ask who had access",
    )
