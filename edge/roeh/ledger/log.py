"""The ledger: records appended in the transaction that they describe, and their tree.

Invariants:
    1. Leaves count from 0 without holes; a leaf that was committed never changes.
    2. A record, its leaf hash and every node it completes are in one transaction, the
       caller's: what is rolled back leaves nothing, neither on the disk nor in memory.
"""

from __future__ import annotations

import contextlib
import functools
import heapq
import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.errors import StorageFailed
from roeh.ledger import merkle
from roeh.ledger.canonical import canonical_struct
from roeh.ledger.database import NodeDatabase
from roeh.ledger.record_places import looks_of, subject_of
from roeh.ledger.records import Record, RecordBody


class LogFault(msgspec.Struct, frozen=True):
    """A place at which the rows are not a ledger.

    `what`: `missing` (no such row), `misplaced` (the record says another leaf), `unreadable` (no
    record), `hash` (a node of the tree is not the hash of what is below it, or is missing).
    """

    leaf: int
    what: Literal["missing", "misplaced", "unreadable", "hash"]


class Log:
    """Appends to the ledger and reads it. It holds no state: the rows are the ledger.

    Args:
        site, node: of the configuration; each record carries them.
    """

    def __init__(self, database: NodeDatabase, clock: Clock, *, site: str, node: str) -> None:
        self._database = database
        self._clock = clock
        self.site = site
        self.node = node

    @property
    def origin(self) -> str:
        """The name of this ledger in its checkpoints."""
        return f"roeh/{self.site}/{self.node}"

    def append(self, connection: sqlite3.Connection, body: RecordBody) -> int:
        """Write a record as the next leaf, in the caller's transaction; returns the leaf.

        Raises:
            MessageRefused: the body has no canonical form.
            StorageFailed: the ledger's rows are not whole.
        """
        now = self._clock.read()
        leaf = self.size(connection)
        record = Record(
            leaf=leaf,
            site=self.site,
            node=self.node,
            boot_id=now.boot_id,
            t_mono_us=now.t_mono_ns // NS_PER_US,
            t_utc_us=now.t_utc_ns // NS_PER_US,
            utc_error_us=-(-now.utc_error_ns // NS_PER_US),
            synchronised=now.synchronised,
            body=body,
        )
        insert(connection, record, canonical_struct(record))
        return leaf

    def size(self, connection: sqlite3.Connection) -> int:
        """How many records there are."""
        return log_size(connection)

    def records(self, connection: sqlite3.Connection, first: int, limit: int) -> list[bytes]:
        """Up to `limit` records as they are hashed, from leaf `first`."""
        rows = connection.execute(
            "SELECT json FROM record WHERE leaf >= ? ORDER BY leaf LIMIT ?", (first, limit)
        )
        return [bytes(json) for (json,) in rows]

    def records_of(
        self, connection: sqlite3.Connection, kinds: Iterable[str], first: int, limit: int
    ) -> list[bytes]:
        """Up to `limit` records with bodies of these kinds, from leaf `first`.

        It costs what it gives, however many others lie between.
        """
        of_kind = (
            connection.execute(
                "SELECT leaf, json FROM record WHERE kind = ? AND leaf >= ? ORDER BY leaf",
                (kind, first),
            )
            for kind in sorted(set(kinds))
        )
        found = itertools.islice(heapq.merge(*of_kind), limit)
        return [bytes(json) for (_, json) in found]

    def newest(self, connection: sqlite3.Connection, body_type: type[RecordBody]) -> Record | None:
        """The newest record with a body of this type."""
        found = connection.execute(
            "SELECT json FROM record WHERE kind = ? ORDER BY leaf DESC LIMIT 1",
            (body_type.__struct_config__.tag,),
        ).fetchone()
        return None if found is None else msgspec.json.decode(found[0], type=Record)

    def root(self, connection: sqlite3.Connection, size: int) -> bytes:
        """Root of the tree of the first `size` records.

        Raises:
            StorageFailed: nodes of it are missing.
        """
        with _whole():
            return merkle.root(size, node_reader(connection))

    def inclusion_proof(
        self, connection: sqlite3.Connection, leaf: int, size: int
    ) -> tuple[bytes, ...]:
        """Proof that record `leaf` is in the tree of `size` records.

        Raises:
            ValueError: it cannot be.
            StorageFailed: nodes of it are missing.
        """
        with _whole():
            return merkle.inclusion_proof(leaf, size, node_reader(connection))

    def consistency_proof(
        self, connection: sqlite3.Connection, old_size: int, new_size: int
    ) -> tuple[bytes, ...]:
        """Proof that the tree of `new_size` records begins with that of `old_size`.

        Raises:
            ValueError: it cannot.
            StorageFailed: nodes of it are missing.
        """
        with _whole():
            return merkle.consistency_proof(old_size, new_size, node_reader(connection))

    def check(self, connection: sqlite3.Connection, first: int, limit: int) -> LogFault | None:
        """The first fault in `limit` records from leaf `first`, those before it being sound."""
        read = node_reader(connection)
        rows = connection.execute(
            "SELECT leaf, json FROM record WHERE leaf >= ? ORDER BY leaf LIMIT ?", (first, limit)
        )
        for expected, (leaf, json) in enumerate(rows, start=first):
            if leaf != expected:
                return LogFault(expected, "missing")
            try:
                record = msgspec.json.decode(json, type=Record)
            except (msgspec.DecodeError, UnicodeDecodeError):
                return LogFault(leaf, "unreadable")
            if record.leaf != leaf:
                return LogFault(leaf, "misplaced")
            try:
                for node in merkle.nodes_completed_by(leaf, merkle.leaf_hash(json), read):
                    if read(node.level, node.position) != node.hash:
                        return LogFault(leaf, "hash")
            except KeyError:
                return LogFault(leaf, "hash")
        return None


def log_size(connection: sqlite3.Connection) -> int:
    """How many records there are."""
    (newest,) = connection.execute("SELECT MAX(leaf) FROM record").fetchone()
    return 0 if newest is None else int(newest) + 1


def insert(connection: sqlite3.Connection, record: Record, json: bytes) -> None:
    """Write a record, whose leaf is the next one, with the nodes it completes.

    Args:
        connection: in a transaction.
        record: what is written.
        json: its bytes as they are hashed.

    Raises:
        StorageFailed: the ledger's rows are not whole.
    """
    leaf, body = record.leaf, record.body
    connection.execute(
        "INSERT INTO record (leaf, kind, t_utc_us, json) VALUES (?, ?, ?, ?)",
        (leaf, _kind(body), record.t_utc_us, json),
    )
    subject = subject_of(body)
    if subject is not None:
        connection.execute(
            "INSERT INTO record_subject (subject, leaf) VALUES (?, ?)", (subject, leaf)
        )
    connection.executemany(
        "INSERT OR IGNORE INTO record_look (camera_id, to_utc_us, from_utc_us, leaf)"
        " VALUES (?, ?, ?, ?)",
        [(look.camera_id, look.to_utc_us, look.from_utc_us, leaf) for look in looks_of(body)],
    )
    with _whole():
        nodes = merkle.nodes_completed_by(leaf, merkle.leaf_hash(json), node_reader(connection))
    connection.executemany(
        "INSERT INTO tree_node (level, position, hash) VALUES (?, ?, ?)",
        [(node.level, node.position, node.hash) for node in nodes],
    )


def node_reader(connection: sqlite3.Connection) -> merkle.NodeReader:
    """Reads the stored nodes of the tree."""
    return functools.partial(_read_node, connection)


def _read_node(connection: sqlite3.Connection, level: int, position: int) -> bytes:
    found = connection.execute(
        "SELECT hash FROM tree_node WHERE level = ? AND position = ?", (level, position)
    ).fetchone()
    if found is None:
        raise KeyError((level, position))
    return bytes(found[0])


@contextlib.contextmanager
def _whole() -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        level, position = error.args[0]
        raise StorageFailed(
            what="a node of the ledger's tree is missing",
            which=f"level {level}, position {position} in node.db",
            remedy="stop the node and run roeh evidence rebuild",
        ) from error


def _kind(body: RecordBody) -> str:
    return str(body.__struct_config__.tag)
