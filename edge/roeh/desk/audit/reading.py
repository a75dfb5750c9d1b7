"""Reading the audit for who may look at it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from roeh.core.errors import DeskFailed
from roeh.core.moments import utc_text
from roeh.desk.audit.log import AuditAction, AuditEntry
from roeh.desk.store import Transaction, Value


class AuditChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries; None does not restrict."""

    from_utc_us: int | None = None
    operator: str | None = None
    action: AuditAction | None = None

    def words(self) -> str:
        """For the audit, since this too is looked at."""
        parts = [
            ("from", "" if self.from_utc_us is None else utc_text(self.from_utc_us)),
            ("operator", self.operator or ""),
            ("action", "" if self.action is None else self.action.value),
        ]
        return "; ".join(f"{name} {value}" for name, value in parts if value) or "all"


def read_entries(transaction: Transaction, choice: AuditChoice, limit: int) -> list[AuditEntry]:
    """The newest `limit` of them, oldest first."""
    parts = ["1 = 1"]
    values: list[Value] = []
    for part, value in (
        ("t_utc_us >= ?", choice.from_utc_us),
        ("operator = ?", choice.operator),
        ("action = ?", None if choice.action is None else choice.action.value),
    ):
        if value is not None:
            parts.append(part)
            values.append(value)
    condition = " AND ".join(parts)
    rows = transaction.values(
        f"SELECT leaf, json FROM audit WHERE {condition} ORDER BY leaf DESC LIMIT ?",  # noqa: S608 - constants of ours
        (*values, limit),
    )
    return [_entry(row) for row in reversed(rows)]


def _entry(row: Sequence[Value]) -> AuditEntry:
    leaf, json = row
    try:
        return msgspec.json.decode(json if isinstance(json, bytes) else b"", type=AuditEntry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DeskFailed(
            what="an entry of the audit was changed",
            which=f"entry {leaf!r}",
            remedy="roeh desk audit --check",
        ) from None
