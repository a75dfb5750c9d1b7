"""node.db: how it is opened, its schema, and how its failures are named.

SQLite in WAL mode with synchronous=FULL: a transaction that returned is on the disk.
Only the evidence process opens it.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from roeh.core.errors import RoehError, StorageFailed, StorageFull

SCHEMA_VERSION = 1

#: Frames of the write-ahead log before a checkpoint; 4 KiB pages: about 4 MB at most.
_WAL_CHECKPOINT_PAGES = 1000

_SCHEMA = """
CREATE TABLE counter (
    name   TEXT PRIMARY KEY,
    value  INTEGER NOT NULL              -- grows, never reset
) STRICT, WITHOUT ROWID;

CREATE TABLE alert (
    seq               INTEGER PRIMARY KEY,  -- per node, without holes
    id                TEXT NOT NULL UNIQUE, -- UUIDv7 of the message
    raised_id         TEXT NOT NULL,
    phase             TEXT NOT NULL,
    priority          INTEGER NOT NULL,
    t_utc_us          INTEGER NOT NULL,
    t_mono_us         INTEGER NOT NULL,
    boot_id           TEXT NOT NULL,
    payload_json      BLOB NOT NULL,        -- the message as sent
    thumbnail_jpeg    BLOB,
    delivered_utc_us  INTEGER               -- when the receiver had it; NULL: not yet
) STRICT;

CREATE TABLE outbox (
    row               INTEGER PRIMARY KEY AUTOINCREMENT,
    kind              TEXT NOT NULL,        -- alert, thumb, tombstone
    alert_id          TEXT NOT NULL,
    seq               INTEGER NOT NULL,
    phase             TEXT NOT NULL,
    priority          INTEGER NOT NULL,
    size_bytes        INTEGER NOT NULL,
    t_stored_mono_us  INTEGER NOT NULL,
    boot_id           TEXT NOT NULL,
    payload           BLOB NOT NULL,
    payload_sha256    TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_send ON outbox (priority DESC, row);
CREATE INDEX outbox_evict ON outbox (kind, phase, priority, row);
"""


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
        raise StorageFailed(
            what=f"the store cannot be used ({error.strerror})",
            which=str(path),
            remedy="check the directory's owner, mode and mount",
        ) from error


def open_database(path: Path) -> sqlite3.Connection:
    """The database at `path`, made if it is not there.

    Raises:
        StorageFull, StorageFailed: it cannot be opened or is not ours.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


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
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_CHECKPOINT_PAGES}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        with transaction(connection):
            for statement in _SCHEMA.split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    elif version != SCHEMA_VERSION:
        raise StorageFailed(
            what=f"the store has schema {version}, this version knows {SCHEMA_VERSION}",
            which=str(path),
            remedy="run the version of roeh that wrote it, or a newer one",
        )


def _named(error: sqlite3.Error, path: Path) -> RoehError:
    text = str(error)
    # Error names come with Python 3.11; the texts are SQLite's own and stable.
    if "disk is full" in text or ("disk I/O error" in text and _is_full(path)):
        return StorageFull(
            what="no room to make an alert durable",
            which=str(path),
            remedy="free space on that file system; what was acknowledged is safe",
        )
    if "database is locked" in text:
        return StorageFailed(
            what="another process has the store open",
            which=str(path),
            remedy="one node runs on one data_dir: stop the other one",
        )
    return StorageFailed(
        what=f"the store refused ({text})",
        which=str(path),
        remedy="run `roeh doctor`; keep the file for examination",
    )


def _is_full(path: Path) -> bool:

    return shutil.disk_usage(path.parent).free < 64 * 1024
