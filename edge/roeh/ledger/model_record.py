"""The model in force, as the alerts name it: a configuration record when it changes."""

from __future__ import annotations

import sqlite3

from roeh.core.types import Alert
from roeh.ledger.log import Log
from roeh.ledger.records import ConfigRecord


class ModelRecord:
    """`on_alert` is an AlertWitness. It holds no state: the newest record is what is in force."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def on_alert(self, connection: sqlite3.Connection, alert: Alert) -> None:
        """Another model than before saw this: it goes on record before the alert does."""
        newest = self._log.newest(connection, ConfigRecord)
        body = None if newest is None else newest.body
        if isinstance(body, ConfigRecord) and alert.model_sha256 not in (None, body.model_sha256):
            changed = ConfigRecord(
                config_sha256=body.config_sha256, model_sha256=alert.model_sha256
            )
            self._log.append(connection, changed)
