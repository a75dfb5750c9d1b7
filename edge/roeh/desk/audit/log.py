"""Appending to the audit: an entry, its hash and the nodes it completes, in one transaction.

Invariants:
    1. An entry stands in the transaction of what it tells of: both are there or neither.
    2. Entries count from 0 without holes; none is ever changed or deleted.
    3. What is looked at is in the audit before it is shown.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.errors import DeskFailed
from roeh.core.types import Count, Sha256, TimeUs
from roeh.desk.operators import Who
from roeh.desk.store import Transaction
from roeh.ledger import merkle
from roeh.ledger.canonical import canonical_struct

_MAX_TEXT_CHARS = 2000


class AuditAction(enum.Enum):
    """What can stand in an audit."""

    ALARMS_VIEWED = "alarms.viewed"
    ALARM_VIEWED = "alarm.viewed"
    THUMBNAIL_TAKEN = "thumbnail.taken"
    ALARM_ACKNOWLEDGED = "alarm.acknowledged"
    ALARM_SHELVED = "alarm.shelved"
    ALARM_SHELVING_OVER = "alarm.shelving_over"
    ALARM_CLOSED = "alarm.closed"
    ALARM_CORRECTED = "alarm.corrected"
    ALARM_RAISED = "alarm.raised"
    ALARM_OVER = "alarm.over"
    NOTE_ADDED = "note.added"
    HANDOVER_VIEWED = "handover.viewed"
    POLES_VIEWED = "poles.viewed"
    REPORT_VIEWED = "report.viewed"
    REPORT_EXPORTED = "report.exported"
    AUDIT_VIEWED = "audit.viewed"
    AUDIT_CHECKED = "audit.checked"
    ORDER_GIVEN = "order.given"
    ORDERS_VIEWED = "orders.viewed"
    TRUST_LIST_GIVEN = "trust_list.given"
    EXPIRED = "data.expired"


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry, as it is hashed (canonical JSON).

    Attributes:
        leaf: its place in the tree.
        desk: name of the desk, from its configuration.
        subject: an alarm's id, filters of a list, a file.
        count: how many things were shown or written; None where that means nothing.
        sha256: of what was written; None where nothing was.
        detail: reason, text of a note, what there was before.
    """

    schema: Literal["roeh/desk-audit/1"] = "roeh/desk-audit/1"
    leaf: Count
    desk: str
    t_utc_us: TimeUs
    clock_synchronised: bool
    operator: str
    os_user: str
    action: AuditAction
    subject: Annotated[str, Meta(max_length=_MAX_TEXT_CHARS)] = ""
    count: Count | None = None
    sha256: Sha256 | None = None
    detail: Annotated[str, Meta(max_length=_MAX_TEXT_CHARS)] = ""


class AuditLog:
    """Appends to the audit of one desk. It holds no state: the rows are the audit."""

    def __init__(self, clock: Clock, desk: str) -> None:
        self._clock = clock
        self._desk = desk

    @property
    def origin(self) -> str:
        """The name of this audit in its checkpoints."""
        return audit_origin(self._desk)

    def append(
        self,
        transaction: Transaction,
        who: Who,
        action: AuditAction,
        subject: str = "",
        *,
        count: int | None = None,
        sha256: str | None = None,
        detail: str = "",
    ) -> int:
        """Write an entry in the caller's transaction, which writes; returns its leaf.

        Raises:
            DeskFailed: the audit's rows are not whole.
            MessageRefused: a text that is not Unicode.
        """
        now = self._clock.read()
        leaf = audit_size(transaction)
        entry = AuditEntry(
            leaf=leaf,
            desk=self._desk,
            t_utc_us=now.t_utc_ns // NS_PER_US,
            clock_synchronised=now.synchronised,
            operator=who.operator,
            os_user=who.os_user,
            action=action,
            subject=subject[:_MAX_TEXT_CHARS],
            count=count,
            sha256=sha256,
            detail=detail[:_MAX_TEXT_CHARS],
        )
        json = canonical_struct(entry)
        transaction.execute(
            "INSERT INTO audit (leaf, t_utc_us, operator, action, subject, json)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (leaf, entry.t_utc_us, entry.operator, action.value, entry.subject, json),
        )
        try:
            nodes = merkle.nodes_completed_by(
                leaf, merkle.leaf_hash(json), node_reader(transaction)
            )
        except KeyError:
            raise _not_whole(leaf) from None
        for node in nodes:
            transaction.execute(
                "INSERT INTO audit_node (level, position, hash) VALUES (?, ?, ?)",
                (node.level, node.position, node.hash),
            )
        return leaf


def audit_origin(desk: str) -> str:
    """The name of a desk's audit in its checkpoints."""
    return f"roeh/desk/{desk}"


def audit_size(transaction: Transaction) -> int:
    """How many entries there are."""
    ((newest,),) = transaction.values("SELECT MAX(leaf) FROM audit")
    return int(newest) + 1 if isinstance(newest, int) else 0


def audit_root(transaction: Transaction, size: int) -> bytes:
    """Root of the tree of the first `size` entries.

    Raises:
        DeskFailed: nodes of it are missing.
    """
    try:
        return merkle.root(size, node_reader(transaction))
    except KeyError:
        raise _not_whole(size) from None


def audit_consistency(transaction: Transaction, old_size: int, size: int) -> tuple[bytes, ...]:
    """Proof that the tree of `size` entries begins with that of `old_size`.

    Raises:
        ValueError: it cannot.
        DeskFailed: nodes of it are missing.
    """
    try:
        return merkle.consistency_proof(old_size, size, node_reader(transaction))
    except KeyError:
        raise _not_whole(size) from None


def node_reader(transaction: Transaction) -> merkle.NodeReader:
    """Reads the stored nodes of the tree."""

    def read(level: int, position: int) -> bytes:
        found = transaction.values(
            "SELECT hash FROM audit_node WHERE level = ? AND position = ?", (level, position)
        )
        if not found or not isinstance(found[0][0], bytes):
            raise KeyError((level, position))
        return found[0][0]

    return read


def _not_whole(leaf: int) -> DeskFailed:
    return DeskFailed(
        what="a node of the audit's tree is missing",
        which=f"below entry {leaf}",
        remedy="find out who wrote to the database: roeh desk audit --check",
    )
