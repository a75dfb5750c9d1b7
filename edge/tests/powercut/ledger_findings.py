"""What must not be in a ledger after a cut, found with none of the ledger's own code.

The tree and the comparison with the mirror are made here again.
"""

from __future__ import annotations

import collections
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from roeh.core.types import Alert
from roeh.ledger.note import parse_checkpoint, parse_note
from roeh.ledger.records import (
    FaultRecord,
    KeyRecord,
    LockRecord,
    PruneRecord,
    RebuildRecord,
    Record,
    RecordBody,
    SegmentRecord,
    TamperRecord,
    UnlockRecord,
)


class Ledger:
    """The records of a node.db, as they lie there."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        rows = connection.execute("SELECT leaf, json FROM record ORDER BY leaf").fetchall()
        self.leaves = [leaf for leaf, _ in rows]
        self.lines = [json for _, json in rows]
        self.bodies: list[RecordBody] = [
            msgspec.json.decode(json, type=Record).body for json in self.lines
        ]
        self.pruned_rows = {body.row for body in self.bodies if isinstance(body, PruneRecord)}
        self.unlocked = {body.raised_id for body in self.bodies if isinstance(body, UnlockRecord)}

    def kinds(self) -> dict[str, int]:
        """How many records of each kind."""
        return collections.Counter(str(body.__struct_config__.tag) for body in self.bodies)

    def wrong(
        self, connection: sqlite3.Connection, ledger_dir: Path, *, had_faults: bool
    ) -> Iterator[str]:
        """Everything but forks."""
        if self.leaves != list(range(len(self.leaves))):
            yield "holes in the ledger"
        mirror = b"".join(path.read_bytes() for path in sorted(ledger_dir.glob("*.jsonl")))
        if mirror.splitlines() != self.lines:
            yield f"the mirror has {mirror.count(10)} records, the index {len(self.lines)}"
        for body in self.bodies:
            if _is_alarming(body) and not (had_faults and _is_of_the_medium(body)):
                yield f"record: {body}"
        keys = collections.Counter(b.usage for b in self.bodies if isinstance(b, KeyRecord))
        for usage, count in keys.items():
            if count > 1:
                yield f"the {usage} key was made {count} times"
        yield from self._deleted_though_locked()
        yield from _not_as_recorded(connection, self.bodies)

    def forks(self, notes: Iterable[str]) -> Iterator[str]:
        """Checkpoints that this ledger does not continue."""
        hashes = [hashlib.sha256(b"\0" + line).digest() for line in self.lines]
        for note in notes:
            checkpoint = parse_checkpoint(parse_note(note).text)
            if checkpoint.size > len(hashes) or _root(hashes[: checkpoint.size]) != checkpoint.root:
                yield f"fork: checkpoint of {checkpoint.size} records, {len(hashes)} are there"

    def _deleted_though_locked(self) -> Iterator[str]:
        """Segments that were pruned while a lock that had not ended lay over them."""
        locks: list[LockRecord] = []
        segments: dict[int, SegmentRecord] = {}
        for body in self.bodies:
            if isinstance(body, SegmentRecord):
                segments[body.row] = body
            elif isinstance(body, LockRecord):
                locks.append(body)
            elif isinstance(body, UnlockRecord):
                locks = [lock for lock in locks if lock.raised_id != body.raised_id]
            elif isinstance(body, PruneRecord) and (
                body.row not in segments or any(_keeps(lock, segments[body.row]) for lock in locks)
            ):
                yield f"{body.camera_id}/{body.segment} was pruned although a lock keeps it"


def notes_in_alerts(connection: sqlite3.Connection) -> set[str]:
    """Checkpoints that wait in alerts to leave."""
    rows = connection.execute("SELECT payload_json FROM alert")
    found = {msgspec.json.decode(payload, type=Alert).checkpoint for (payload,) in rows}
    return {note for note in found if note is not None}


def _is_alarming(body: RecordBody) -> bool:
    """Whether a power cut gives no reason for such a record."""
    if isinstance(body, FaultRecord):
        return body.what != "unacknowledged_removed"
    return isinstance(body, TamperRecord | RebuildRecord)


def _is_of_the_medium(body: RecordBody) -> bool:
    """Whether a write that failed is reason enough: the mirror then is made anew, by record."""
    return isinstance(body, FaultRecord) or (
        isinstance(body, TamperRecord) and body.what.startswith("mirror_")
    )


def _keeps(lock: LockRecord, segment: SegmentRecord) -> bool:
    return (
        (lock.camera_id, lock.boot_id) == (segment.camera_id, segment.boot_id)
        and lock.from_mono_us < segment.t_end_mono_us
        and segment.t_first_mono_us < lock.to_mono_us
    )


def _not_as_recorded(connection: sqlite3.Connection, bodies: Sequence[RecordBody]) -> Iterator[str]:
    """Closed segments whose row is not what the ledger says of them."""
    rows = connection.execute(
        "SELECT row, leaf, size_bytes, sha256, fragments FROM segment"
        " WHERE state NOT IN ('open', 'garbage')"
    )
    for row, leaf, size_bytes, sha256, fragments in rows:
        body = bodies[leaf] if leaf is not None and leaf < len(bodies) else None
        if not isinstance(body, SegmentRecord) or (
            (body.row, body.size_bytes, body.sha256, len(body.fragments))
            != (row, size_bytes, sha256.hex(), fragments)
        ):
            yield f"segment row {row} is not as its record says"


def _root(hashes: Sequence[bytes]) -> bytes:
    """Merkle tree hash (RFC 6962, 2.1)."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + _root(hashes[:split]) + _root(hashes[split:])).digest()
