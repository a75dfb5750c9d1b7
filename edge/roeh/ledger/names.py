"""names.db: who the pseudonyms of the ledger are, outside it, so that it can be forgotten.

A pseudonym is random, one for each person (by their certificate's number, or by the name typed
at the pole) and each case. Erasure overwrites the row (secure_delete), and its journal is
removed before it counts as done.

Order of erasure: the record first, then the row, and at each start the rows of all that is on
record as erased (`forget`). Killed in between, a name goes at the next start; the other way
round it could be gone without a record, and nothing would tell.

Nothing waits for this file: where it is lost or cannot be written, pseudonyms are given all the
same, an alarm stands, and those of before stay what they are without anybody knowing who.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from roeh.core.durable_files import free_name, sync_directory
from roeh.core.errors import EvidenceRefused, RoehError
from roeh.core.log import log_error, log_for
from roeh.ledger.database import storage_errors, transaction

NameKind = Literal["person", "case"]

_PREFIXES: dict[NameKind, str] = {"person": "p-", "case": "c-"}
_RANDOM_BYTES = 8
_TABLE = """
    CREATE TABLE IF NOT EXISTS name (
        pseudonym  TEXT PRIMARY KEY,
        key        TEXT NOT NULL UNIQUE,  -- what makes it the same person or case
        shown      TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
"""
_COMPANIONS = ("", "-journal", "-wal", "-shm")

_log = log_for("evidence")


class Named(msgspec.Struct, frozen=True):
    """Somebody or some case to be told apart: what makes them the same, and how they are shown.

    Attributes:
        key: with its kind of identity in front, so that a typed name is never a number.
    """

    kind: NameKind
    key: str
    shown: str


def numbered(number: str, shown: str) -> Named:
    """A person by the number of their certificates; case makes no other number."""
    return Named("person", f"number:{number.casefold()}", shown)


def typed(name: str) -> Named:
    """A person by the name typed at the pole: case, width and blanks make no other person."""
    plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    return Named("person", f"typed:{plain}", name)


def case(number: str) -> Named:
    """A case by its number."""
    plain = " ".join(unicodedata.normalize("NFKC", number).casefold().split())
    return Named("case", f"case:{plain}", number)


class NameBook:
    """The open file. Safe to call from several threads; opens itself again after a failure.

    Args:
        path: of names.db. A damaged one is set aside as `<path>.kept-<n>`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._given: dict[str, str] = {}  # while the file takes none: key to pseudonym
        self._shown: dict[str, str] = {}
        self._is_lost = False
        self._failure: str | None = None
        with self._lock:
            self._attempt()

    def pseudonym(self, named: Named) -> str:
        """Theirs, a new one if there is none yet; durable unless an alarm says otherwise."""
        with self._lock:
            connection = self._attempt()
            if connection is not None:
                try:
                    return self._stored(connection, named)
                except RoehError as error:
                    self._fail(error)
            known = self._given.setdefault(named.key, _new(named.kind))
            self._shown[known] = named.shown
            return known

    def read(self, pseudonyms: Iterable[str] = ()) -> dict[str, str]:
        """Who these are that were not forgotten; of none named: all."""
        asked = tuple(dict.fromkeys(pseudonyms))
        with self._lock:
            found = {
                pseudonym: shown
                for pseudonym, shown in self._shown.items()
                if not asked or pseudonym in asked
            }
            connection = self._attempt()
            if connection is None:
                return found
            try:
                with storage_errors(self._path):
                    found |= _select(connection, asked)
            except RoehError as error:
                self._fail(error)
            return found

    def is_known(self, pseudonym: str) -> bool:
        """Whether it is still known who this is."""
        return pseudonym in self.read((pseudonym,))

    def are_same(self, one: str, other: str) -> bool:
        """Whether two pseudonyms are of one person, as far as can be told.

        A name typed at the pole is that of whoever's certificate has it too.
        """
        if one == other:
            return True
        with self._lock:
            connection = self._attempt()
            if connection is None:
                return False
            try:
                with storage_errors(self._path):
                    rows = connection.execute(
                        "SELECT key, shown FROM name WHERE pseudonym IN (?, ?)", (one, other)
                    ).fetchall()
            except RoehError as error:
                self._fail(error)
                return False
        is_typed = any(key == typed(shown).key for key, shown in rows)
        return is_typed and len({typed(shown).key for _, shown in rows}) < len(rows)

    def forget(self, pseudonyms: Iterable[str]) -> None:
        """Overwrite who these are, here and in what was set aside; done twice it does no harm.

        Raises:
            StorageFull, StorageFailed: it could not be done now.
        """
        gone = [(pseudonym,) for pseudonym in pseudonyms]
        if not gone:
            return
        with self._lock:
            for (pseudonym,) in gone:
                self._shown.pop(pseudonym, None)
            self._given = {k: v for k, v in self._given.items() if (v,) not in gone}
            with storage_errors(self._path):
                for kept in self._path.parent.glob(f"{self._path.name}.kept-*"):
                    kept.unlink()
                connection = self._connection or self._open()
                self._connection = connection
                with transaction(connection):
                    connection.executemany("DELETE FROM name WHERE pseudonym = ?", gone)
                sync_directory(self._path.parent)

    def note_loss(self, *, is_lost: bool) -> None:
        """Whether the ledger has pseudonyms of which nothing is known here and should be."""
        with self._lock:
            self._is_lost = is_lost

    def alarms(self) -> tuple[str, ...]:
        """What a person should know, one line at the most."""
        if self._failure is not None:
            return (
                f"names of persons cannot be kept ({self._failure}): they are on record by"
                f" pseudonym alone; check {self._path}",
            )
        if self._is_lost:
            return (
                f"{self._path} was lost or damaged: who the pseudonyms on record are is not known"
                " any more; put back a copy, or go on without",
            )
        return ()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _stored(self, connection: sqlite3.Connection, named: Named) -> str:
        with storage_errors(self._path):
            known = connection.execute(
                "SELECT pseudonym, shown FROM name WHERE key = ?", (named.key,)
            ).fetchone()
            if known is not None:
                if known[1] != named.shown:
                    with transaction(connection):
                        connection.execute(
                            "UPDATE name SET shown = ? WHERE key = ?", (named.shown, named.key)
                        )
                return str(known[0])
            fresh = self._given.get(named.key) or _new(named.kind)
            with transaction(connection):
                connection.execute(
                    "INSERT INTO name (pseudonym, key, shown) VALUES (?, ?, ?)",
                    (fresh, named.key, named.shown),
                )
            return fresh

    def _attempt(self) -> sqlite3.Connection | None:
        """The open file; None while it cannot be opened."""
        if self._connection is not None and self._failure is None:
            return self._connection
        try:
            with storage_errors(self._path):
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None
                self._connection = self._open()
        except RoehError as error:
            self._fail(error)
            return None
        self._failure = None
        return self._connection

    def _open(self) -> sqlite3.Connection:
        try:
            return _opened(self._path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
        _set_aside(self._path)
        self._is_lost = True
        return _opened(self._path)

    def _fail(self, error: RoehError) -> None:
        if self._failure is None:
            log_error(_log, error)
        self._failure = str(error)


def check_known(names: dict[str, str], pseudonym: str) -> None:
    """Refuse what is not there to be erased.

    Raises:
        EvidenceRefused: nobody is known under this pseudonym.
    """
    if pseudonym not in names:
        raise EvidenceRefused(
            what="nobody is known under this pseudonym",
            which=pseudonym,
            remedy="see roeh evidence names: it may have been erased before",
        )


def _new(kind: NameKind) -> str:
    return _PREFIXES[kind] + secrets.token_hex(_RANDOM_BYTES)


def _opened(path: Path) -> sqlite3.Connection:
    # Made by us, so that nobody else can ever read it; SQLite gives its journal the same mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    path.chmod(0o600)
    connection = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        # Not WAL: what was written there would stay in it. A journal is removed at each commit, but
        # not in exclusive locking mode, which keeps it with what it holds.
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA secure_delete = ON").fetchone()
        with transaction(connection):
            connection.execute(_TABLE)
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(f"malformed: {found}")
        connection.execute("SELECT pseudonym, key, shown FROM name LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _set_aside(path: Path) -> None:
    kept = free_name(path).name
    for end in _COMPANIONS:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(path.with_name(kept + end))


def _select(connection: sqlite3.Connection, asked: tuple[str, ...]) -> dict[str, str]:
    if not asked:
        return dict(connection.execute("SELECT pseudonym, shown FROM name ORDER BY shown"))
    found = (
        connection.execute(
            "SELECT pseudonym, shown FROM name WHERE pseudonym = ?", (pseudonym,)
        ).fetchone()
        for pseudonym in asked
    )
    return dict(row for row in found if row is not None)
