"""A process that counts in a node.db, and one that meets a failed write and is gone."""

from __future__ import annotations

import os
from pathlib import Path

from roeh.core.errors import StorageFailed
from roeh.ledger.database import NodeDatabase, next_number
from tests.powercut.panel import Panel


def count(path: Path, panel: Panel) -> None:
    """Count one on, and say which number it was."""
    database = NodeDatabase(path)
    with database.writing() as connection:
        number = next_number(connection, "things")
    panel.numbers.acknowledged = number
    os._exit(0)


def count_and_fail(path: Path, panel: Panel) -> None:
    """The same; then the next write to the disk fails, and the process ends as by kill -9."""
    database = NodeDatabase(path)
    with database.writing() as connection:
        panel.numbers.acknowledged = next_number(connection, "things")
    panel.numbers.fail_write = panel.numbers.writes + 1
    try:
        with database.writing() as connection:
            next_number(connection, "things")
    except StorageFailed:
        os._exit(0)
    os._exit(1)  # it was not told
