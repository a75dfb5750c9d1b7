"""Files of an export that is being built, as they are told, until its manifest is sealed.

All but `drop_files` belong to a transaction of the caller's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from roeh.core.retrieval import SealedFile
from roeh.ledger.database import NodeDatabase

#: Deleted in a few milliseconds.
_FILES_A_TURN = 2000


def add_files(
    connection: sqlite3.Connection, export_row: int, first: int, files: Iterable[SealedFile]
) -> None:
    """Files of one that is built, numbered from `first`; what was told from there is replaced."""
    connection.execute(
        "DELETE FROM export_file WHERE export_row = ? AND number >= ?", (export_row, first)
    )
    connection.executemany(
        "INSERT INTO export_file (export_row, number, path, sha256, size_bytes)"
        " VALUES (?, ?, ?, ?, ?)",
        [
            (export_row, number, file.path, file.sha256, file.size_bytes)
            for number, file in enumerate(files, start=first)
        ],
    )


def count_files(connection: sqlite3.Connection, export_row: int) -> int:
    """How many were told."""
    (newest,) = connection.execute(
        "SELECT MAX(number) FROM export_file WHERE export_row = ?", (export_row,)
    ).fetchone()
    return 0 if newest is None else int(newest) + 1


def files_after(
    connection: sqlite3.Connection, export_row: int, first: int, limit: int
) -> tuple[SealedFile, ...]:
    """Up to `limit` of those told, from number `first`."""
    rows = connection.execute(
        "SELECT path, sha256, size_bytes FROM export_file WHERE export_row = ? AND number >= ?"
        " ORDER BY number LIMIT ?",
        (export_row, first, limit),
    )
    return tuple(SealedFile(*row) for row in rows)


def drop_files(database: NodeDatabase, export_row: int) -> bool:
    """Drop some of the files told, in a transaction of its own; False: there were none.

    A big export has very many, and recording goes in between.
    """
    with database.writing() as connection:
        return bool(
            connection.execute(
                "DELETE FROM export_file WHERE export_row = ?1 AND number IN (SELECT number"
                " FROM export_file WHERE export_row = ?1 ORDER BY number LIMIT ?2)",
                (export_row, _FILES_A_TURN),
            ).rowcount
        )


def find_dropped(connection: sqlite3.Connection) -> int | None:
    """The row of an export that has files told and is not being built any more."""
    after = -1
    while True:
        (export_row,) = connection.execute(
            "SELECT MIN(export_row) FROM export_file WHERE export_row > ?", (after,)
        ).fetchone()
        if export_row is None:
            return None
        (state,) = connection.execute(
            "SELECT state FROM export WHERE row = ?", (export_row,)
        ).fetchone()
        if state != "building":
            return int(export_row)
        after = int(export_row)
