"""The desk's database in PostgreSQL: the product's only user of psycopg.

Writers of all processes take one lock, held until commit: so there is one at a time, as
SQLite has it, and numbers are given in the order of commits.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from roeh.core.config import DeskDatabase
from roeh.core.config.password import read_password
from roeh.core.errors import DeskFailed, RuntimeMissing
from roeh.desk.store.database import RowT, Transaction, Value, typed_row, value_refused
from roeh.desk.store.dialect import POSTGRESQL
from roeh.desk.store.making import make_or_check

try:
    import psycopg
except ImportError:
    raise RuntimeMissing(
        what="psycopg is not installed",
        which="database.url of PostgreSQL",
        remedy="install roeh with the postgresql extra",
    ) from None

#: Key of the advisory lock that writers take: "roehdesk" as a number.
_WRITER_LOCK = int.from_bytes(b"roehdesk", "big", signed=True)
_CONNECT_TIMEOUT_S = 5
_LOCK_TIMEOUT = "10s"
_NAME = "roeh-desk"

_REFUSE_CHANGES = """
    CREATE FUNCTION roeh_written_once() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''written once''; END'
"""


def open_postgresql(database: DeskDatabase) -> PostgresqlStore:
    """The database at a URL.

    Raises:
        ConfigError: its password file cannot be read.
        DeskFailed: it cannot be reached, or is not a desk's.
    """
    password = None
    if database.password_file:
        password = read_password(database.password_file, key="database.password_file")
    return PostgresqlStore(database.url, password)


class PostgresqlStore:
    """A DeskStore; one connection writes, another one reads, each made anew when it is lost."""

    def __init__(self, url: str, password: str | None) -> None:
        parts = urlsplit(url)
        self._address = f"postgresql://{parts.hostname or ''}{parts.path}"
        self._url = url
        self._password = password
        self._writer = _Line(self._connect)
        self._reader = _Line(self._connect)
        with self.writing() as transaction:
            tables = [
                str(name)
                for (name,) in transaction.values(
                    "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()"
                )
            ]
            if not tables:
                transaction.execute(_REFUSE_CHANGES)
            make_or_check(transaction, POSTGRESQL, tables, self._address)

    @property
    def address(self) -> str:
        """Host and database, without user and password."""
        return self._address

    @contextlib.contextmanager
    def writing(self) -> Iterator[Transaction]:
        """BEGIN, the writers' lock, to COMMIT, which the server has synced."""
        with self._named(), self._writer.taken() as connection, connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            # A server that is told to be fast and loose is told otherwise for us.
            connection.execute("SET LOCAL synchronous_commit = on")
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_WRITER_LOCK,))
            yield _PostgresqlTransaction(connection, self._address)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """One state, beside whoever writes."""
        with self._named(), self._reader.taken() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield _PostgresqlTransaction(connection, self._address)

    def close(self) -> None:
        """Close both connections."""
        self._reader.close()
        self._writer.close()

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=_CONNECT_TIMEOUT_S,
            application_name=_NAME,
            password=self._password,
        )

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.DataError, UnicodeEncodeError) as error:
            raise value_refused(error, self._address) from None
        except psycopg.Error as error:
            raise _refused(error, self._address) from error


class _Line:
    """A connection for one thread at a time, made when there is none that works."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None

    @contextlib.contextmanager
    def taken(self) -> Iterator[psycopg.Connection[Any]]:
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            try:
                yield self._connection
            finally:
                if self._connection.closed:
                    self._connection = None

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


class _PostgresqlTransaction:
    """Statements on a connection that is in a transaction."""

    def __init__(self, connection: psycopg.Connection[Any], address: str) -> None:
        self._connection = connection
        self._address = address

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> int:
        return self._connection.execute(_placeholders(sql), parameters).rowcount

    def insert_new(self, sql: str, rows: Iterable[Sequence[Value]]) -> list[bool]:
        waiting = list(rows)
        if not waiting:
            return []
        with self._connection.cursor() as cursor:
            # In one round trip; the result of each tells whether it was new.
            cursor.executemany(_placeholders(sql) + " RETURNING 1", waiting, returning=True)
            found = [cursor.rowcount == 1]
            while cursor.nextset():
                found.append(cursor.rowcount == 1)
        return found

    def values(self, sql: str, parameters: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
        return self._connection.execute(_placeholders(sql), parameters).fetchall()

    def select(
        self, row_type: type[RowT], sql: str, parameters: Sequence[Value] = ()
    ) -> list[RowT]:
        return [typed_row(row_type, row, self._address) for row in self.values(sql, parameters)]


def _placeholders(sql: str) -> str:
    """`?` as psycopg writes it; our SQL has neither `?` nor `%` in texts."""
    return sql.replace("?", "%s")


def _refused(error: psycopg.Error, address: str) -> DeskFailed:
    text = " ".join(str(error).split())
    if isinstance(error, psycopg.errors.DiskFull):
        what, remedy = "no room to store anything", "free space at the database's server"
    elif isinstance(error, psycopg.OperationalError):
        what, remedy = f"the database is away ({text})", "start PostgreSQL; check database.url"
    else:
        what, remedy = f"the database refused ({text})", "see the log of PostgreSQL"
    return DeskFailed(what=what, which=address, remedy=remedy)
