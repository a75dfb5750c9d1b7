"""The whole story of one alarm, read for who looks at it."""

from __future__ import annotations

import msgspec

from roeh.core.errors import DeskFailed
from roeh.core.types import Alert
from roeh.desk.alarms.desk_work import effective, find_alarm
from roeh.desk.alarms.rows import AlarmRow, HistoryRow, NoteRow, history_of, notes_of
from roeh.desk.store import Transaction

_MAX_MESSAGES = 1000


class StoryMessage(msgspec.Struct, frozen=True):
    """A message of the alarm's alert as it came, and when."""

    alert: Alert
    t_received_utc_us: int
    has_picture: bool


class AlarmStory(msgspec.Struct, frozen=True):
    """An alarm with all that is known of it; messages, steps and notes oldest first."""

    alarm: AlarmRow
    messages: tuple[StoryMessage, ...]
    history: tuple[HistoryRow, ...]
    notes: tuple[NoteRow, ...]


class Picture(msgspec.Struct, frozen=True):
    """A picture as the pole sent it."""

    alert_id: str
    picture: bytes
    sha256: str


class _MessageRow(msgspec.Struct, frozen=True):
    payload: bytes
    t_received_utc_us: int
    pictures: int


def read_story(transaction: Transaction, prefix: str, now_utc_us: int) -> AlarmStory:
    """The alarm whose id begins so.

    Raises:
        AlarmRefused: there is none, or there are several.
    """
    alarm = find_alarm(transaction, prefix)
    rows = (
        []
        if alarm.is_own
        else transaction.select(
            _MessageRow,
            "SELECT payload, t_received_utc_us,"
            " (SELECT COUNT(*) FROM thumbnail"
            "  WHERE thumbnail.site = alert.site AND thumbnail.node = alert.node"
            "  AND thumbnail.id = alert.id)"
            " FROM alert WHERE raised_id = ? AND site = ? AND node = ? ORDER BY seq LIMIT ?",
            (alarm.subject, alarm.site, alarm.node, _MAX_MESSAGES),
        )
    )
    return AlarmStory(
        alarm=effective(alarm, now_utc_us),
        messages=tuple(
            StoryMessage(_alert(row.payload, alarm), row.t_received_utc_us, bool(row.pictures))
            for row in rows
        ),
        history=tuple(history_of(transaction, alarm.id)),
        notes=tuple(notes_of(transaction, alarm.id)),
    )


def read_pictures(transaction: Transaction, story: AlarmStory) -> list[Picture]:
    """The pictures of its messages that have not expired, oldest first."""
    alarm = story.alarm
    found: list[Picture] = []
    for message in story.messages:
        found += transaction.select(
            Picture,
            "SELECT id, picture, sha256 FROM thumbnail WHERE site = ? AND node = ? AND id = ?",
            (alarm.site, alarm.node, message.alert.id),
        )
    return found


def _alert(payload: bytes, alarm: AlarmRow) -> Alert:
    try:
        return msgspec.json.decode(payload, type=Alert)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DeskFailed(
            what="a stored message is not what was taken in",
            which=f"alarm {alarm.short_id} of {alarm.pole}",
            remedy="find out who wrote to the database",
        ) from None
