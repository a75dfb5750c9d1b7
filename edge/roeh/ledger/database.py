"""node.db: how it is opened, its schema, and how its failures are named.

SQLite in WAL mode with synchronous=FULL: a transaction that returned is on the disk.
Only the evidence process opens it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from roeh.core.errors import RoehError, RuntimeMissing, StorageDamaged, StorageFailed, StorageFull
from roeh.ledger.command_tables import COMMAND_TABLES
from roeh.ledger.export_tables import EXPORT_TABLES
from roeh.ledger.fair_lock import FairLock
from roeh.ledger.index_tables import INDEX_TABLES
from roeh.ledger.keeping_tables import KEEPING_TABLES
from roeh.ledger.log_tables import LOG_TABLES
from roeh.ledger.medium import read_anew

SCHEMA_VERSION = 2

#: Frames of the write-ahead log before a checkpoint; 4 KiB pages: about 4 MB at most.
WAL_CHECKPOINT_PAGES = 1000
PAGE_BYTES = 4096

#: How long a start waits for the lock of a process that is just ending.
_LOCK_TIMEOUT_S = 1.0
#: STRICT tables.
_SQLITE_NEEDED = (3, 37)
#: Less than this and an I/O error means that there was no room.
_FULL_BELOW_BYTES = 64 * 1024

_SCHEMA = (
    """
    CREATE TABLE counter (
        name   TEXT PRIMARY KEY,
        value  INTEGER NOT NULL               -- grows, never reset
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE alert (                      -- written once, never changed
        seq             INTEGER PRIMARY KEY,  -- per node, without holes
        id              TEXT NOT NULL UNIQUE, -- UUIDv7 of the message
        phase           TEXT NOT NULL,        -- raised, updated, cleared
        priority        INTEGER NOT NULL,     -- 1 (lowest) to 9
        t_utc_us        INTEGER NOT NULL,
        payload_json    BLOB NOT NULL         -- the message as it is sent
    ) STRICT
    """,
    """
    CREATE TABLE thumbnail (                  -- written once; gone when the outbox evicts it
        seq             INTEGER PRIMARY KEY,  -- of its alert
        picture            BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE outbox (
        row               INTEGER PRIMARY KEY, -- see outbox.row_of
        kind              TEXT NOT NULL,       -- alert, thumb, tombstone
        alert_id          TEXT NOT NULL,
        seq               INTEGER NOT NULL,
        phase             TEXT NOT NULL,
        priority          INTEGER NOT NULL,
        size_bytes        INTEGER NOT NULL,
        t_stored_mono_us  INTEGER NOT NULL,
        boot_id           TEXT NOT NULL,
        is_resent         INTEGER NOT NULL     -- it left before, and a desk asked for it again
    ) STRICT
    """,
    "CREATE INDEX outbox_send ON outbox (priority DESC, row)",
    "CREATE INDEX outbox_thumbnails ON outbox (row) WHERE kind = 'thumb'",
    "CREATE INDEX outbox_updates ON outbox (row) WHERE kind = 'alert' AND phase = 'updated'",
    "CREATE INDEX outbox_alerts ON outbox (priority, row) WHERE kind = 'alert'",
    "CREATE INDEX outbox_tombstones ON outbox (alert_id) WHERE kind = 'tombstone'",
    """
    CREATE TABLE history (                    -- alerts that no longer wait in the outbox
        seq               INTEGER PRIMARY KEY,
        delivered_utc_us  INTEGER,            -- when the receiver had it; NULL: evicted
        left_age_us       INTEGER NOT NULL    -- the node's age when it left the outbox
    ) STRICT
    """,
    "CREATE INDEX history_age ON history (left_age_us)",
    """
    CREATE TABLE open_alert (                 -- raised and not cleared yet
        raised_id         TEXT PRIMARY KEY,
        seq               INTEGER NOT NULL,   -- of the message that raised it
        payload_json      BLOB NOT NULL       -- its newest message
    ) STRICT, WITHOUT ROWID
    """,
    *INDEX_TABLES,
    *KEEPING_TABLES,
    *COMMAND_TABLES,
    *EXPORT_TABLES,
    *LOG_TABLES,
)


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Name what SQLite or the file system refused.

    Raises:
        StorageFull: no room; nothing was written, and trying again later is safe.
        StorageFailed: anything else.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _named(error, path) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(path) from error
        raise StorageFailed(
            what=f"the store cannot be used ({error.strerror or error})",
            which=str(error.filename or path),
            remedy="check the owner, the mode and the mount of paths.data_dir",
        ) from error


def open_database(path: Path) -> sqlite3.Connection:
    """The database at `path`, made if it is not there; nobody but its user can read it.

    Raises:
        StorageFull, StorageFailed: it cannot be opened or is not ours.
        RuntimeMissing: SQLite is too old.
    """
    if sqlite3.sqlite_version_info < _SQLITE_NEEDED:
        raise RuntimeMissing(
            what=f"SQLite {sqlite3.sqlite_version} is too old",
            which="Python's sqlite3 module",
            remedy="use a system with SQLite {}.{} or newer".format(*_SQLITE_NEEDED),
        )
    with storage_errors(path):
        _prepare_place(path)
        read_database_anew(path)
        connection = sqlite3.connect(
            path, timeout=_LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def read_database_anew(path: Path) -> None:
    """Have the next that opens the database see what is on the medium.

    Of its write-ahead log that is where the last commit that was synced ends.

    Raises:
        OSError: what is still to be written cannot be.
    """
    read_anew(path)
    read_anew(path.with_name(f"{path.name}-wal"))


class NodeDatabase:
    """The open database and its lock: one transaction at a time, from any thread.

    What belongs to one transaction takes the connection that `writing` gives. Once the
    medium has failed under it, what is on the disk is no longer known: everything later is
    refused, and only a start that looks at the disk anew goes on (`on_failed` is told once).
    """

    def __init__(
        self, path: Path, *, on_failed: Callable[[StorageFailed], None] | None = None
    ) -> None:
        self.path = path
        self.lock = FairLock()
        self._on_failed = on_failed
        self._failure: StorageFailed | None = None
        self._connection = open_database(path)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable when the block is left.

        Raises:
            StorageFull, StorageFailed: nothing of it was stored.
        """
        with self._used(), transaction(self._connection):
            yield self._connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """What was stored so far, unchanged while the block is in.

        Raises:
            StorageFailed: the database cannot be read.
        """
        with self._used():
            yield self._connection

    def close(self) -> None:
        """Close the file; what comes later is refused."""
        with self.lock, storage_errors(self.path):
            self._connection.close()

    @contextlib.contextmanager
    def _used(self) -> Iterator[None]:
        with self.lock:
            if self._failure is not None:
                raise _again(self._failure)
            try:
                with storage_errors(self.path):
                    yield
            except StorageFailed as error:
                if _is_of_medium(error.__cause__):
                    self._fail(error)
                raise

    def _fail(self, error: StorageFailed) -> None:
        is_first = self._failure is None
        self._failure = error
        if is_first and self._on_failed is not None:
            self._on_failed(error)


def next_number(connection: sqlite3.Connection, name: str, *, at_least: int = 0) -> int:
    """The next value of a counter that only grows, in the caller's transaction.

    It is greater than `at_least` too.
    """
    (value,) = connection.execute(
        "INSERT INTO counter (name, value) VALUES (?1, ?2 + 1)"
        " ON CONFLICT (name) DO UPDATE SET value = MAX(value, ?2) + 1 RETURNING value",
        (name, at_least),
    ).fetchone()
    return int(value)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """BEGIN IMMEDIATE to COMMIT; leaving by an exception undoes everything."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def overwriting(connection: sqlite3.Connection) -> Iterator[None]:
    """What is deleted in the block is overwritten in the file: it may show a person.

    Not so for all of node.db: the index deletes far more, and shows nobody.
    """
    connection.execute("PRAGMA secure_delete = ON").fetchone()
    try:
        yield
    finally:
        connection.execute("PRAGMA secure_delete = OFF").fetchone()


def _prepare_place(path: Path) -> None:
    """Make the directory and the file, or say what stands in the way."""
    directory = path.parent
    if directory.exists() and not directory.is_dir():
        raise StorageFailed(
            what="paths.data_dir is not a directory",
            which=str(directory),
            remedy="name a directory",
        )
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=True):
        raise StorageFailed(
            what=f"user id {os.geteuid()} cannot write there",
            which=str(directory),
            remedy="give paths.data_dir to the user of evidence, on a file system mounted writable",
        )
    # Thumbnails show people: SQLite gives its log the same mode as the database.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StorageFailed(
            what=f"the store does not support a write-ahead log (mode {mode})",
            which=str(path),
            remedy="put paths.data_dir on a local file system such as ext4",
        )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_CHECKPOINT_PAGES * PAGE_BYTES}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        with transaction(connection):
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    elif version != SCHEMA_VERSION:
        raise StorageFailed(
            what=f"the store has schema {version}, this version knows {SCHEMA_VERSION}",
            which=str(path),
            remedy="run the version of roeh that wrote it, or a newer one",
        )


def _is_of_medium(cause: BaseException | None) -> bool:
    """Whether the file or its medium failed, and not what was asked of SQLite."""
    return type(cause) in (sqlite3.OperationalError, sqlite3.DatabaseError)


def _again(failure: StorageFailed) -> StorageFailed:
    return StorageFailed(what=failure.what, which=failure.which, remedy=failure.remedy)


def _named(error: sqlite3.Error, path: Path) -> RoehError:
    text = str(error)
    # Error names come with Python 3.11; the texts are SQLite's own and stable.
    if "disk is full" in text or ("disk I/O error" in text and _is_full(path)):
        return _full(path)
    if "database is locked" in text:
        return StorageFailed(
            what="another process has the store open",
            which=str(path),
            remedy="one node runs on one data_dir: stop the other one",
        )
    if "not a database" in text or "malformed" in text:
        return StorageDamaged(
            what=f"the store is damaged ({text})",
            which=str(path),
            remedy="start evidence again: it moves it aside and makes it anew from the mirror",
        )
    return StorageFailed(
        what=f"the store refused ({text})",
        which=str(path),
        remedy="check the file system and the mount; what was acknowledged is in the file",
    )


def _full(path: Path) -> StorageFull:
    return StorageFull(
        what="no room to make anything durable",
        which=str(path),
        remedy="free space on that file system; what was acknowledged is safe",
    )


def _is_full(path: Path) -> bool:
    return shutil.disk_usage(path.parent).free < _FULL_BELOW_BYTES
