"""Alarms on an operator's terminal: plain tables, times in UTC, no text that moves the cursor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from roeh.core.errors import one_line
from roeh.core.moments import length_text, utc_text
from roeh.core.types import ADVISORY_KINDS
from roeh.desk.alarms.grouping import AlarmGroup
from roeh.desk.alarms.rows import AlarmRow, HistoryRow, NoteRow
from roeh.desk.alarms.states import AlarmState, standing_text
from roeh.desk.alarms.story import AlarmStory, StoryMessage
from roeh.desk.wording import ADVISORY, compass, seen, where_text

_URGENT = 7
_WIDTH_IN_FILES = 160
#: The longest word that is kept in one piece: an id.
_MAX_WORD = 36
_GROUP_TITLES = (
    "alarm", "P", "state", "pole", "what", "where", "opened (UTC)", "count", "by", "version",
)  # fmt: skip
_MESSAGE_TITLES = (
    "message", "at the pole (UTC)", "phase", "P", "what", "where", "picture", "late",
)  # fmt: skip
_STEP_TITLES = ("step", "at (UTC)", "by", "what", "reason")
_ADVISORY_KINDS = frozenset(kind.value for kind in ADVISORY_KINDS)
_STATE_STYLES = {
    AlarmState.NEW: "bold",
    AlarmState.ACKNOWLEDGED: "",
    AlarmState.SHELVED: "dim",
    AlarmState.CLOSED: "dim",
}


def console_for(out: IO[str]) -> Console:
    """Not narrower than its columns: whoever pipes it gets every figure."""
    width = None if out.isatty() else _WIDTH_IN_FILES
    return Console(file=out, highlight=False, markup=False, emoji=False, width=width)


def safe(text: str, style: str = "") -> Text:
    """A text from outside: one line, no markup, nothing that a terminal obeys."""
    return Text(one_line(text), style=style)


def print_table(console: Console, titles: Sequence[str], rows: Iterable[Sequence[Text]]) -> None:
    """A table without lines. Cells are folded between words; no id or name is ever cut."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    cells = [tuple(row) for row in rows]
    for column, title in enumerate(titles):
        words = [*title.split(), *(w for row in cells for w in row[column].plain.split())]
        longest = max(map(cell_len, words), default=0)
        table.add_column(title, overflow="fold", min_width=min(longest, _MAX_WORD))
    for row in cells:
        table.add_row(*row)
    # On a terminal too narrow for that the lines run over, rather than lose their ends.
    console.print(table, crop=False)


def print_groups(console: Console, groups: Sequence[AlarmGroup]) -> None:
    """The list of alarms, a line a group."""
    print_table(console, _GROUP_TITLES, (_group_cells(group) for group in groups))


def print_story(console: Console, story: AlarmStory, now_utc_us: int) -> None:
    """One alarm with everything."""
    alarm = story.alarm
    style = "bold red" if alarm.priority >= _URGENT else "bold"
    console.print(safe(f"{alarm.id}  P{alarm.priority}  {alarm.pole}  {what_text(alarm)}", style))
    console.print(safe(standing_text(alarm.standing)))
    since_us = now_utc_us - alarm.t_opened_utc_us
    lines = [f"opened {utc_text(alarm.t_opened_utc_us)}, {length_text(since_us)} ago"]
    if alarm.latitude_deg is not None and alarm.longitude_deg is not None:
        lines.append(f"at {alarm.latitude_deg:.6f} {alarm.longitude_deg:.6f} (latitude, longitude)")
    if alarm.t_over_utc_us is not None and alarm.phase == "cleared":
        lines.append(f"over since {utc_text(alarm.t_over_utc_us)}")
    elif alarm.phase == "cleared":
        lines.append("the pole says it is over")
    lines += [f"came together with alert {group_id}" for group_id in _groups(story)]
    lines.append(f"version {alarm.version}; times are UTC")
    for line in lines:
        console.print(safe(line))
    if story.messages:
        console.print()
        print_table(
            console, _MESSAGE_TITLES, (_message_cells(message) for message in story.messages)
        )
    if story.history:
        console.print()
        print_table(console, _STEP_TITLES, (_step_cells(step) for step in story.history))
    print_notes(console, story.notes)


def _groups(story: AlarmStory) -> list[str]:
    """Ids of the first alerts of the groups that it is in; one, as a rule."""
    ids = (message.alert.group_id for message in story.messages)
    return list(dict.fromkeys(one for one in ids if one is not None))


def print_notes(console: Console, notes: Sequence[NoteRow]) -> None:
    """Notes, oldest first."""
    for note in notes:
        about = f" on {note.alarm_id[:8]}" if note.alarm_id else ""
        console.print(
            safe(f"note by {note.operator}{about} at {utc_text(note.t_utc_us)}: {note.text}"),
            soft_wrap=True,
        )


def what_text(alarm: AlarmRow) -> str:
    """What an alarm is about."""
    if alarm.is_own:
        return alarm.detail
    zone = f" in {alarm.zone}" if alarm.zone and alarm.zone != alarm.rule else ""
    advisory = f" ({ADVISORY})" if alarm.kind in _ADVISORY_KINDS else ""
    return f"{alarm.label} {alarm.kind.replace('_', ' ')} {alarm.rule}{zone}{advisory}"


def _group_cells(group: AlarmGroup) -> tuple[Text, ...]:
    alarm = group.first
    style = "bold red" if alarm.state is AlarmState.NEW and group.priority >= _URGENT else ""
    style = style or _STATE_STYLES[alarm.state]
    state = alarm.state.value
    if alarm.closed_as is not None:
        state = f"{state}: {alarm.closed_as.value}"
    by = "" if alarm.version == 0 else alarm.changed_by
    if alarm.shelved_until_utc_us is not None:
        by += f" until {utc_text(alarm.shelved_until_utc_us)[11:]}"
    cells = (
        alarm.short_id,
        str(group.priority),
        state,
        alarm.pole,
        what_text(alarm),
        _seen_at(alarm),
        utc_text(alarm.t_opened_utc_us),
        str(len(group.alarms)),
        by,
        str(alarm.version),
    )
    return tuple(safe(cell, style) for cell in cells)


def _seen_at(alarm: AlarmRow) -> str:
    if alarm.bearing_deg is None or alarm.range_m is None:
        return ""
    return (
        f"{compass(alarm.bearing_deg)} {round(alarm.bearing_deg) % 360:03d}° {alarm.range_m:.0f} m"
    )


def _message_cells(message: StoryMessage) -> tuple[Text, ...]:
    alert = message.alert
    cells = (
        f"#{alert.seq}",
        utc_text(alert.t_utc_us, synchronised=alert.clock.synchronised),
        alert.phase.value,
        str(alert.priority),
        f"{seen(alert)} ({alert.confidence:.2f})",
        where_text(alert),
        "yes" if message.has_picture else "no",
        length_text(message.t_received_utc_us - alert.t_utc_us),
    )
    return tuple(safe(cell) for cell in cells)


def _step_cells(step: HistoryRow) -> tuple[Text, ...]:
    what = step.kind.value
    if step.closed_as is not None and step.closed_as.value != what:
        what += f" as {step.closed_as.value}"
    if step.until_utc_us is not None:
        what += f" until {utc_text(step.until_utc_us)}"
    cells = (str(step.version), utc_text(step.t_utc_us), step.by, what, step.reason)
    return tuple(safe(cell) for cell in cells)
