"""Alerts that were raised and not cleared yet: what a detect that begins anew has to end.

A copy of each one's newest message, since the alert itself may have left the history.
"""

from __future__ import annotations

import sqlite3

import msgspec

from roeh.core.types import Alert, AlertPhase

#: More are not open at once on any pole that works; the oldest are forgotten first.
MAX_OPEN_ALERTS = 64


class OpenAlerts:
    """The open alerts; every call belongs to a transaction of the caller's."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def follow(self, alert: Alert) -> None:
        """An alert was raised, updated or cleared."""
        if alert.phase is AlertPhase.CLEARED:
            self._database.execute("DELETE FROM open_alert WHERE raised_id = ?", (alert.raised_id,))
            return
        self._database.execute(
            "INSERT INTO open_alert (raised_id, seq, payload_json) VALUES (?, ?, ?)"
            " ON CONFLICT (raised_id) DO UPDATE SET payload_json = excluded.payload_json",
            (alert.raised_id, alert.seq, msgspec.json.encode(alert)),
        )
        self._database.execute(
            "DELETE FROM open_alert WHERE raised_id IN"
            " (SELECT raised_id FROM open_alert ORDER BY seq DESC LIMIT -1 OFFSET ?)",
            (MAX_OPEN_ALERTS,),
        )

    def oldest(self, limit: int) -> tuple[Alert, ...]:
        """Up to `limit` of them with their newest message, in the order they were raised."""
        rows = self._database.execute(
            "SELECT payload_json FROM open_alert ORDER BY seq LIMIT ?", (limit,)
        ).fetchall()
        return tuple(msgspec.json.decode(payload, type=Alert) for (payload,) in rows)
