"""The desk's database in one file: SQLite, write-ahead log, each commit synced.

Several processes may have it open: writers wait for one another, readers wait for nobody.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from roeh.core.errors import DeskFailed, RuntimeMissing
from roeh.desk.store.database import RowT, Transaction, Value, typed_row, value_refused
from roeh.desk.store.dialect import SQLITE
from roeh.desk.store.making import make_or_check

#: STRICT tables came with 3.37.
_SQLITE_NEEDED = (3, 37)
_LOCK_TIMEOUT_S = 10.0
_WAL_CHECKPOINT_PAGES = 4000
_CACHE_KIB = 32 * 1024
_FULL_BELOW_BYTES = 1024 * 1024


class SqliteStore:
    """A DeskStore; one connection writes, another one reads."""

    def __init__(self, path: Path) -> None:
        if sqlite3.sqlite_version_info < _SQLITE_NEEDED:
            raise RuntimeMissing(
                what=f"SQLite {sqlite3.sqlite_version} is too old",
                which="Python's sqlite3 module",
                remedy="use a system with SQLite {}.{} or newer".format(*_SQLITE_NEEDED),
            )
        self._path = path
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        with _named(path), contextlib.ExitStack() as closing:
            _prepare_place(path)
            self._inode = path.stat().st_ino
            self._writer = _connect(path)
            closing.callback(self._writer.close)
            self._prepare()
            self._reader = _connect(path)
            closing.pop_all()

    @property
    def address(self) -> str:
        """The file."""
        return str(self._path)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Transaction]:
        """BEGIN IMMEDIATE to COMMIT."""
        with self._write_lock, _named(self._path):
            self._check_place()
            with _transaction(self._writer, "BEGIN IMMEDIATE"):
                yield _SqliteTransaction(self._writer, self.address)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """One state, beside whoever writes."""
        with self._read_lock, _named(self._path), _transaction(self._reader, "BEGIN"):
            yield _SqliteTransaction(self._reader, self.address)

    def close(self) -> None:
        """Close both connections."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()

    def _prepare(self) -> None:
        mode = self._writer.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise DeskFailed(
                what=f"no write-ahead log is possible there (mode {mode})",
                which=self.address,
                remedy="put paths.data_dir on a local file system, or use PostgreSQL",
            )
        with _transaction(self._writer, "BEGIN IMMEDIATE"):
            transaction = _SqliteTransaction(self._writer, self.address)
            tables = [
                str(name)
                for (name,) in transaction.values(
                    "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
                )
            ]
            make_or_check(transaction, SQLITE, tables, self.address)

    def _check_place(self) -> None:
        """A file that was taken away would take commits with it."""
        if self._path.stat().st_ino != self._inode:
            raise DeskFailed(
                what="another file stands in the database's place",
                which=self.address,
                remedy="stop the desk, put the right file there, start it again",
            )


class _SqliteTransaction:
    """Statements on a connection that is in a transaction."""

    def __init__(self, connection: sqlite3.Connection, address: str) -> None:
        self._connection = connection
        self._address = address

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> int:
        return self._connection.execute(sql, parameters).rowcount

    def insert_new(self, sql: str, rows: Iterable[Sequence[Value]]) -> list[bool]:
        execute = self._connection.execute
        return [execute(sql, row).rowcount == 1 for row in rows]

    def values(self, sql: str, parameters: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
        return self._connection.execute(sql, parameters).fetchall()

    def select(
        self, row_type: type[RowT], sql: str, parameters: Sequence[Value] = ()
    ) -> list[RowT]:
        return [typed_row(row_type, row, self._address) for row in self.values(sql, parameters)]


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    # What has expired leaves no byte in the file.
    connection.execute("PRAGMA secure_delete = ON")
    # Without it INSERT OR REPLACE would pass by the triggers that refuse deletion.
    connection.execute("PRAGMA recursive_triggers = ON")
    return connection


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # SQLite may have ended it by itself
            connection.execute("ROLLBACK")
        raise


def _prepare_place(path: Path) -> None:
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    # Alerts and pictures show people: SQLite gives its log the same mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except (OverflowError, UnicodeEncodeError) as error:
        raise value_refused(error, str(path)) from None
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # A damaged file may make even SQLite's own words something that is no text.
        raise _refused(error, path) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(path) from error
        raise DeskFailed(
            what=f"the database cannot be used ({error.strerror or error})",
            which=str(path),
            remedy="check the owner, the mode and the mount of paths.data_dir",
        ) from error


def _refused(error: sqlite3.Error | UnicodeDecodeError, path: Path) -> DeskFailed:
    text = str(error)
    # Error names come with Python 3.11; the texts are SQLite's own and stable.
    if "disk is full" in text or ("disk I/O error" in text and _is_full(path)):
        return _full(path)
    if "database is locked" in text:
        return DeskFailed(
            what=f"another process has been writing for more than {_LOCK_TIMEOUT_S:.0f} s",
            which=str(path),
            remedy="find out which (fuser), and wait for it or end it",
        )
    is_damaged = isinstance(error, UnicodeDecodeError) or "malformed" in text
    if is_damaged or "not a database" in text:
        return DeskFailed(
            what=f"the database is damaged ({text})",
            which=str(path),
            remedy="move it aside and restore the newest backup; poles send again what is missing",
        )
    return DeskFailed(
        what=f"the database refused ({text})",
        which=str(path),
        remedy="check the file system and the mount; what was acknowledged is in the file",
    )


def _full(path: Path) -> DeskFailed:
    return DeskFailed(
        what="no room to store anything",
        which=str(path),
        remedy="free space on that file system; poles keep what is not acknowledged",
    )


def _is_full(path: Path) -> bool:
    return shutil.disk_usage(path.parent).free < _FULL_BELOW_BYTES
