"""Locks and holds of the index against the records that made and ended them. Pure.

Whoever edits these rows can have held video deleted by rule, or kept for ever.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from roeh.core.custody import HoldRow, LockRow
from roeh.ledger.records import HoldRecord, LockRecord, Record, ReleaseRecord, UnlockRecord
from roeh.verify.report import Aspect, Finding, Weight

_ACTIVE = "active"


class _Made(msgspec.Struct):
    """The leaf that made it, and the one that ended it."""

    leaf: int
    ended: int | None = None


class KeptRecords:
    """What the records say is kept."""

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str], _Made] = {}
        self._holds: dict[str, _Made] = {}

    def take(self, record: Record) -> None:
        """The next record."""
        body, leaf = record.body, record.leaf
        if isinstance(body, LockRecord):
            made = self._locks.setdefault((body.raised_id, body.camera_id), _Made(leaf))
            made.ended = None
        elif isinstance(body, UnlockRecord):
            for (raised_id, _), made in self._locks.items():
                if raised_id == body.raised_id:
                    made.ended = leaf
        elif isinstance(body, HoldRecord):
            self._holds[body.hold_id] = _Made(leaf)
        elif isinstance(body, ReleaseRecord) and body.step != "asked":
            made_hold = self._holds.get(body.hold_id)
            if made_hold is not None:
                made_hold.ended = leaf

    def compare(self, locks: Iterable[LockRow], holds: Iterable[HoldRow]) -> list[Finding]:
        """Rows that no record made, records without a row, and states that differ."""
        findings: list[Finding] = []
        active_locks: set[tuple[str, str]] = set()
        for row in locks:
            key = (row.raised_id, row.span.camera_id)
            made = self._locks.get(key)
            if made is None:
                findings.append(_found("lock_unfounded", f"no record made lock {row.row}", None))
            elif row.state == _ACTIVE:
                active_locks.add(key)
                if made.ended is not None:
                    findings.append(
                        _found("lock_edited", f"lock {row.row} was ended by record", made.ended)
                    )
        for key, made in self._locks.items():
            if made.ended is None and key not in active_locks:
                findings.append(
                    _found("lock_missing", f"the index has no active lock for {key[0]}", made.leaf)
                )
        known = {row.hold_id: row for row in holds}
        for hold_id, made in self._holds.items():
            row_of = known.pop(hold_id, None)
            is_kept = row_of is not None and row_of.state != "released"
            if made.ended is None and not is_kept:
                findings.append(
                    _found("hold_missing", f"the index does not keep hold {hold_id}", made.leaf)
                )
            elif made.ended is not None and is_kept:
                findings.append(
                    _found("hold_edited", f"hold {hold_id} was ended by record", made.ended)
                )
        findings += [
            _found("hold_unfounded", f"no record made hold {hold_id}", None) for hold_id in known
        ]
        return findings


def _found(what: str, detail: str, leaf: int | None) -> Finding:
    return Finding(aspect=Aspect.COMPLETE, weight=Weight.FAIL, what=what, detail=detail, leaf=leaf)
