"""What is in the desk's database, read without the desk's code: the judge is not the accused."""

from __future__ import annotations

import contextlib
import sqlite3

import msgspec


class DeskCount(msgspec.Struct, frozen=True):
    """Ids of alerts with how often each is there, ids with a picture, and duplicates refused."""

    alerts: dict[str, int]
    pictures: frozenset[str]
    duplicates: int


def is_heard(path):
    """Whether the desk knows of a pole."""
    with contextlib.suppress(sqlite3.Error), _opened(path) as database:
        return database.execute("SELECT count(*) FROM pole").fetchone()[0] > 0
    return False


def count_desk(path):
    with _opened(path) as database:
        alerts = dict(database.execute("SELECT id, count(*) FROM alert GROUP BY id"))
        pictures = frozenset(row[0] for row in database.execute("SELECT id FROM thumbnail"))
        (duplicates,) = database.execute(
            "SELECT coalesce(sum(value), 0) FROM counter WHERE name = 'duplicates'"
        ).fetchone()
    return DeskCount(alerts, pictures, duplicates)


@contextlib.contextmanager
def _opened(path):
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        yield database
    finally:
        database.close()
