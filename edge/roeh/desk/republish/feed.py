"""What the republisher reads from the desk's database, and how far it has come.

A row is read only after its commit. Rows of a table have numbers in the order of commits
(desk/store/database.py), so a cursor misses none; it is moved after the broker has taken what
came of the rows up to it. Killed in between, the republisher sends those again under the same
ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from roeh.core.errors import DeskFailed
from roeh.core.types import Alert
from roeh.desk.alarms.states import Verdict
from roeh.desk.store import Transaction

_ALERT_COLUMNS = "row, site, node, id, raised_id, seq, payload, t_received_utc_us"
_PICTURE_COLUMNS = "row, site, node, id, picture, sha256"


class AlertRow(msgspec.Struct, frozen=True):
    """One alert message that is committed; `payload` as it came."""

    row: int
    site: str
    node: str
    id: str
    raised_id: str
    seq: int
    payload: bytes
    t_received_utc_us: int

    @property
    def alert(self) -> Alert:
        """What the payload says.

        Raises:
            DeskFailed: it is not an alert, though ingest had found it to be one.
        """
        try:
            return msgspec.json.decode(self.payload, type=Alert)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DeskFailed(
                what=f"a stored alert cannot be read and is passed over ({error})",
                which=f"alert {self.id} of {self.site}/{self.node}",
                remedy="run the version of roeh that stored it, or restore a backup",
            ) from None

    def timed(self, alert: Alert) -> Alert:
        """What it says, with the desk's time where the pole does not know it."""
        if alert.clock.synchronised:
            return alert
        return msgspec.structs.replace(alert, t_utc_us=self.t_received_utc_us)


class PictureRow(msgspec.Struct, frozen=True):
    """One picture that is committed; `id` of the alert message it belongs to."""

    row: int
    site: str
    node: str
    id: str
    picture: bytes
    sha256: str


def cursor(transaction: Transaction, name: str) -> int | None:
    """The last row of what this part follows that is done with; None before the first."""
    rows = transaction.values("SELECT row FROM cursor WHERE name = ?", (name,))
    return _number(rows)


def move_cursor(transaction: Transaction, name: str, row: int) -> None:
    """All up to this row is done with."""
    transaction.execute(
        "INSERT INTO cursor (name, row) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET row = excluded.row",
        (name, row),
    )


def alerts_before(transaction: Transaction, since_utc_us: int) -> int:
    """The last row of an alert that was stored before this time; 0 without one."""
    return last_row(
        transaction,
        "SELECT row FROM alert WHERE t_received_utc_us < ? ORDER BY row DESC LIMIT 1",
        since_utc_us,
    )


def pictures_before(transaction: Transaction, since_utc_us: int) -> int:
    """Likewise of a picture."""
    return last_row(
        transaction,
        "SELECT row FROM thumbnail WHERE t_received_utc_us < ? ORDER BY row DESC LIMIT 1",
        since_utc_us,
    )


def last_row(transaction: Transaction, sql: str, since_utc_us: int) -> int:
    """The number that a query for the last row before a time gives; 0 without one."""
    return _number(transaction.values(sql, (since_utc_us,))) or 0


def alerts_after(transaction: Transaction, row: int, limit: int) -> list[AlertRow]:
    """The alert messages that were committed after this row, oldest first."""
    return transaction.select(
        AlertRow,
        f"SELECT {_ALERT_COLUMNS} FROM alert WHERE row > ? ORDER BY row LIMIT ?",  # noqa: S608  # columns are ours
        (row, limit),
    )


def pictures_after(transaction: Transaction, row: int, limit: int) -> list[PictureRow]:
    """The pictures that were committed after this row, oldest first."""
    return transaction.select(
        PictureRow,
        f"SELECT {_PICTURE_COLUMNS} FROM thumbnail WHERE row > ? ORDER BY row LIMIT ?",  # noqa: S608  # columns are ours
        (row, limit),
    )


def alert_of(transaction: Transaction, picture: PictureRow) -> AlertRow | None:
    """The alert message that a picture belongs to, if it is stored."""
    return _first(
        transaction.select(
            AlertRow,
            f"SELECT {_ALERT_COLUMNS} FROM alert WHERE site = ? AND node = ? AND id = ?",  # noqa: S608  # columns are ours
            (picture.site, picture.node, picture.id),
        )
    )


def picture_of(transaction: Transaction, alert: AlertRow) -> PictureRow | None:
    """The picture of an alert message, if it is stored."""
    return _first(
        transaction.select(
            PictureRow,
            f"SELECT {_PICTURE_COLUMNS} FROM thumbnail WHERE site = ? AND node = ? AND id = ?",  # noqa: S608  # columns are ours
            (alert.site, alert.node, alert.id),
        )
    )


def earlier_messages(transaction: Transaction, alert: AlertRow) -> list[AlertRow]:
    """The messages of the same alert with a lower number, in the order of those."""
    return transaction.select(
        AlertRow,
        f"SELECT {_ALERT_COLUMNS} FROM alert"  # noqa: S608  # columns are ours
        " WHERE raised_id = ? AND site = ? AND node = ? AND seq < ? ORDER BY seq",
        (alert.raised_id, alert.site, alert.node, alert.seq),
    )


def earlier_bearings_deg(transaction: Transaction, alert: AlertRow) -> tuple[float, ...]:
    """Where those were."""
    rows = transaction.values(
        "SELECT bearing_deg FROM alert"
        " WHERE raised_id = ? AND site = ? AND node = ? AND seq < ? ORDER BY seq",
        (alert.raised_id, alert.site, alert.node, alert.seq),
    )
    return tuple(float(str(bearing)) for (bearing,) in rows)


def is_overtaken(transaction: Transaction, alert: AlertRow) -> bool:
    """Whether a later message of the same alert is stored."""
    rows = transaction.values(
        "SELECT 1 FROM alert WHERE raised_id = ? AND site = ? AND node = ? AND seq > ? LIMIT 1",
        (alert.raised_id, alert.site, alert.node, alert.seq),
    )
    return bool(rows)


def is_cleared(transaction: Transaction, site: str, node: str, raised_id: str) -> bool:
    """Whether the pole said that this alert is over."""
    rows = transaction.values(
        "SELECT 1 FROM alert WHERE raised_id = ? AND site = ? AND node = ?"
        " AND phase = 'cleared' LIMIT 1",
        (raised_id, site, node),
    )
    return bool(rows)


def is_false_alarm(transaction: Transaction, site: str, node: str, raised_id: str) -> bool:
    """Whether an operator closed it as a false alarm."""
    rows = transaction.values(
        "SELECT 1 FROM alarm WHERE site = ? AND node = ? AND subject = ?"
        " AND state = 'closed' AND closed_as = ? LIMIT 1",
        (site, node, raised_id, Verdict.FALSE_ALARM.value),
    )
    return bool(rows)


def others_open(transaction: Transaction, alert: AlertRow, rule: str) -> bool:
    """Whether another alert of the same rule of the same pole goes on."""
    rows = transaction.values(
        "SELECT 1 FROM alarm WHERE state IN ('new', 'acknowledged', 'shelved')"
        " AND site = ? AND node = ? AND rule = ? AND subject <> ? AND phase <> 'cleared' LIMIT 1",
        (alert.site, alert.node, rule, alert.raised_id),
    )
    return bool(rows)


_RowT = TypeVar("_RowT", AlertRow, PictureRow)


def _number(rows: Sequence[tuple[object, ...]]) -> int | None:
    return int(str(rows[0][0])) if rows else None


def _first(rows: Sequence[_RowT]) -> _RowT | None:
    return rows[0] if rows else None
