"""A system that says "synced" and syncs nothing: what the suite has to see through."""

from __future__ import annotations

import enum
import os

from roeh.ledger.database import NodeDatabase


class Unsynced(enum.Enum):
    """What is not synced in the writer's process."""

    FILES = "files"
    INDEX = "index"
    ALL = "all"


def never_sync(what: Unsynced, database: NodeDatabase) -> None:
    """From now on this process makes none of that durable, and all of it says so."""
    if what in {Unsynced.FILES, Unsynced.ALL}:
        os.fsync = _say_done
        os.fdatasync = _say_done
    if what in {Unsynced.INDEX, Unsynced.ALL}:
        with database.reading() as connection:
            connection.execute("PRAGMA synchronous = OFF")


def _say_done(file: object) -> None:
    """As a medium that lies."""
