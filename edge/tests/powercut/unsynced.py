"""A system that says "synced" and syncs nothing: what the suite has to see through."""

from __future__ import annotations

import enum
import functools
import os
import sqlite3
from typing import Any


class Unsynced(enum.Enum):
    """What is not synced in the process under test."""

    FILES = "files"
    INDEX = "index"
    ALL = "all"


def never_sync(what: Unsynced) -> None:
    """From now on this process makes none of that durable, and all of it says so."""
    if what in {Unsynced.FILES, Unsynced.ALL}:
        os.fsync = _say_done
        os.fdatasync = _say_done
    if what in {Unsynced.INDEX, Unsynced.ALL}:
        sqlite3.connect = functools.partial(sqlite3.connect, factory=_UnsyncedConnection)


class _UnsyncedConnection(sqlite3.Connection):
    """SQLite's own syncs cannot be reached from here, so that it is told to make none."""

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        return super().execute(
            statement.replace("synchronous = FULL", "synchronous = OFF"), *parameters
        )


def _say_done(file: object) -> None:
    """As a medium that lies."""
