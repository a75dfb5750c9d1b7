"""`roeh desk alarms|alarm|acknowledge|shelve|close|note|handover`: the operator's work."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import IO

import msgspec

from roeh.core.errors import EXIT_OK, AlarmRefused
from roeh.core.moments import utc_text
from roeh.desk.alarms.choice import OPEN, AlarmChoice
from roeh.desk.alarms.desk_work import Done, effective
from roeh.desk.alarms.grouping import grouped
from roeh.desk.alarms.handover import Handover, read_handover
from roeh.desk.alarms.records import record_of
from roeh.desk.alarms.rows import AlarmRow, newest_alarms
from roeh.desk.alarms.states import (
    Acknowledge,
    Action,
    AlarmState,
    Close,
    Shelve,
    standing_text,
)
from roeh.desk.alarms.story import AlarmStory, read_pictures, read_story
from roeh.desk.alarms.view import (
    console_for,
    print_groups,
    print_notes,
    print_story,
    safe,
    what_text,
)
from roeh.desk.audit.log import AuditAction
from roeh.desk.commands import Adder
from roeh.desk.keeper import write_kept
from roeh.desk.seat import (
    Seat,
    add_operator,
    duration_argument,
    moment_argument,
    pole_argument,
    taken_seat,
)
from roeh.desk.wording import counted

_STATES: dict[str, tuple[AlarmState, ...]] = {
    "open": OPEN,
    "all": tuple(AlarmState),
    **{state.value: (state,) for state in AlarmState},
}
_MAX_LISTED = 5000
_WEBP = b"WEBP"


def add_actions(add: Adder) -> None:
    """What an operator does with alarms."""
    listed = add("alarms", _list, "The alarms that are open, most urgent first.")
    listed.add_argument("--state", choices=tuple(_STATES), default="open", help="default: open")
    listed.add_argument("--pole", type=pole_argument, metavar="SITE/NODE", help="of this pole")
    listed.add_argument(
        "--priority", type=int, choices=range(1, 10), metavar="1-9", help="this or higher"
    )
    listed.add_argument("--since", type=moment_argument, metavar="UTC|8h", help="opened since then")
    listed.add_argument("--single", action="store_true", help="a line each, not grouped")
    _add_json(listed)
    add_operator(listed)

    shown = add("alarm", _show, "The whole story of one alarm.")
    shown.add_argument("alarm", metavar="ID", help="the beginning of its id is enough")
    shown.add_argument("--save", type=Path, metavar="DIR", help="write its pictures there")
    _add_json(shown)
    add_operator(shown)

    _add_act(add("acknowledge", _acknowledge, "Say that you look after these alarms."))
    shelved = add("shelve", _shelve, "Take alarms out of sight for a time; they come back.")
    shelved.add_argument(
        "--for",
        dest="for_us",
        type=duration_argument,
        required=True,
        metavar="30m",
        help="at most 24h",
    )
    shelved.add_argument("--reason", required=True, metavar="TEXT", help="why")
    _add_act(shelved)
    closed = add("close", _close, "Be done with alarms, as real ones or as false.")
    closed.add_argument("--false-alarm", action="store_true", help="there was nothing")
    closed.add_argument("--reason", default="", metavar="TEXT", help="what it was")
    _add_act(closed)

    noted = add("note", _note, "Write a note to an alarm, or to the shift.")
    noted.add_argument("words", nargs="+", metavar="[ID] TEXT", help="see also --alarm")
    noted.add_argument("--alarm", metavar="ID", help="the alarm it belongs to")
    add_operator(noted)

    handed = add("handover", _handover, "What the next shift must know.")
    handed.add_argument(
        "--since", type=moment_argument, default="12h", metavar="UTC|12h", help="the shift began"
    )
    _add_json(handed)
    add_operator(handed)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _add_act(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("alarms", nargs="+", metavar="ID", help="beginnings of ids are enough")
    parser.add_argument(
        "--group", action="store_true", help="with it all that are one line in the list"
    )
    parser.add_argument(
        "--seen",
        type=int,
        metavar="VERSION",
        help="refuse if it changed since this version",
    )
    add_operator(parser)


def _list(chosen: argparse.Namespace) -> int:
    with taken_seat(chosen) as seat:
        now_us = seat.now_utc_us()
        site, node = chosen.pole or ("", "")
        choice = AlarmChoice(
            states=_STATES[chosen.state],
            site=site,
            node=node,
            priority=chosen.priority,
            from_utc_us=None if chosen.since is None else chosen.since.at(now_us),
        )
        alarms = _alarms(seat, choice, now_us, _MAX_LISTED + 1)
        shown = alarms[:_MAX_LISTED]
        seat.note_view(AuditAction.ALARMS_VIEWED, choice.words(), count=len(shown))
        if chosen.json:
            _print_json(shown, sys.stdout)
            return EXIT_OK
        console = console_for(sys.stdout)
        groups = grouped(shown)
        if chosen.single:
            groups = [part for alarm in shown for part in grouped([alarm])]
        print_groups(console, groups)
        more = f"; only the newest {_MAX_LISTED}: restrict them" if len(alarms) > len(shown) else ""
        console.print(
            safe(f"{counted(len(shown), 'alarm')} ({choice.words()}), {utc_text(now_us)}{more}")
        )
        return EXIT_OK


def _show(chosen: argparse.Namespace) -> int:
    with taken_seat(chosen) as seat:
        now_us = seat.now_utc_us()
        with seat.store.reading() as transaction:
            story = read_story(transaction, chosen.alarm, now_us)
        seat.note_view(AuditAction.ALARM_VIEWED, story.alarm.id, count=len(story.messages))
        if chosen.json:
            sys.stdout.write(msgspec.json.encode(_story_record(story)).decode() + "\n")
        else:
            print_story(console_for(sys.stdout), story, now_us)
        if chosen.save is not None:
            _save_pictures(seat, story, chosen.save)
        return EXIT_OK


def _acknowledge(chosen: argparse.Namespace) -> int:
    return _act(chosen, Acknowledge())


def _shelve(chosen: argparse.Namespace) -> int:
    return _act(chosen, Shelve(for_us=chosen.for_us, reason=chosen.reason))


def _close(chosen: argparse.Namespace) -> int:
    return _act(chosen, Close(is_false_alarm=chosen.false_alarm, reason=chosen.reason))


def _act(chosen: argparse.Namespace, action: Action) -> int:
    """Each alarm for itself: what was done before one is refused stays done, and is told."""
    refused: list[AlarmRefused] = []
    with taken_seat(chosen) as seat:
        console = console_for(sys.stdout)
        prefixes = list(dict.fromkeys(chosen.alarms))
        if chosen.group:
            prefixes = [one for prefix in prefixes for one in _group_of(seat, prefix)]
        for prefix in prefixes:
            try:
                done = seat.work.act(prefix, action, seat.who, chosen.seen)
            except AlarmRefused as error:
                refused.append(error)
                continue
            console.print(safe(_done_text(done)), soft_wrap=True)
    for told in refused[:-1]:
        sys.stderr.write(told.line() + "\n")
    if refused:
        raise refused[-1]
    return EXIT_OK


def _group_of(seat: Seat, prefix: str) -> list[str]:
    """The ids of all that stand on one line with this one."""
    now_us = seat.now_utc_us()
    with seat.store.reading() as transaction:
        wanted = read_story(transaction, prefix, now_us).alarm
    choice = AlarmChoice(states=(wanted.state,), site=wanted.site, node=wanted.node)
    for group in grouped(_alarms(seat, choice, now_us, _MAX_LISTED)):
        ids = [alarm.id for alarm in group.alarms]
        if wanted.id in ids:
            return ids
    return [wanted.id]


def _note(chosen: argparse.Namespace) -> int:
    words, alarm = list(chosen.words), chosen.alarm
    if alarm is None and len(words) > 1 and _looks_like_id(words[0]):
        alarm = words.pop(0)
    with taken_seat(chosen) as seat:
        note = seat.work.add_note(alarm, " ".join(words), seat.who)
        print_notes(console_for(sys.stdout), [note])
    return EXIT_OK


def _looks_like_id(word: str) -> bool:
    return len(word) >= 4 and all(sign in "0123456789abcdef-" for sign in word)


def _handover(chosen: argparse.Namespace) -> int:
    with taken_seat(chosen) as seat:
        now_us = seat.now_utc_us()
        with seat.store.reading() as transaction:
            handover = read_handover(transaction, chosen.since.at(now_us), now_us)
        seat.note_view(
            AuditAction.HANDOVER_VIEWED,
            f"since {utc_text(handover.since_utc_us)}",
            count=len(handover.open) + len(handover.shelved),
        )
        if chosen.json:
            sys.stdout.write(msgspec.json.encode(_handover_record(handover)).decode() + "\n")
        else:
            _print_handover(handover, now_us, sys.stdout)
    return EXIT_OK


def _print_handover(handover: Handover, now_us: int, out: IO[str]) -> None:
    console = console_for(out)
    console.print(
        safe(f"handover at {utc_text(now_us)}, shift since {utc_text(handover.since_utc_us)}")
    )
    own = [alarm for alarm in handover.open if alarm.is_own]
    alerts = [alarm for alarm in handover.open if not alarm.is_own]
    for title, alarms in (("open alarms", alerts), ("poles and the desk itself", own)):
        console.print()
        console.print(safe(f"{title}: {len(alarms)}", "bold"))
        if alarms:
            print_groups(console, grouped(alarms))
    console.print()
    console.print(safe(f"shelved: {len(handover.shelved)}", "bold"))
    for alarm, why in zip(handover.shelved, handover.shelved_why, strict=True):
        text = f"{alarm.short_id}  {alarm.pole}  {what_text(alarm)}: "
        console.print(safe(f"{text}{standing_text(alarm.standing)}: {why}"), soft_wrap=True)
    console.print()
    closed = ", ".join(f"{one.alarms} as {one.closed_as}" for one in handover.closed)
    console.print(safe(f"closed in this shift: {closed or 'none'}", "bold"))
    print_notes(console, handover.notes)


def _alarms(seat: Seat, choice: AlarmChoice, now_us: int, limit: int) -> list[AlarmRow]:
    chosen = choice.condition(now_us)
    with seat.store.reading() as transaction:
        found = newest_alarms(transaction, chosen.sql, chosen.values, limit)
    return [effective(alarm, now_us) for alarm in found]


def _done_text(done: Done) -> str:
    alarm = done.alarm
    now = standing_text(alarm.standing)
    return f"{alarm.short_id}  {alarm.pole}  {what_text(alarm)}: {now} (before: {done.before})"


def _save_pictures(seat: Seat, story: AlarmStory, directory: Path) -> None:
    with seat.store.reading() as transaction:
        pictures = read_pictures(transaction, story)
    for picture in pictures:
        # Written down first: a picture that is in a file was taken by somebody.
        sha256 = hashlib.sha256(picture.picture).hexdigest()
        seat.note_view(
            AuditAction.THUMBNAIL_TAKEN, story.alarm.id, count=1, sha256=sha256,
            detail=picture.alert_id,
        )  # fmt: skip
        suffix = "webp" if picture.picture[8:12] == _WEBP else "jpg"
        path = directory / f"{picture.alert_id}.{suffix}"
        write_kept(path, picture.picture)
        console_for(sys.stdout).print(safe(f"picture: {path}"), soft_wrap=True)
    if not pictures:
        console_for(sys.stdout).print(safe("no picture is kept of it"))


def _print_json(alarms: list[AlarmRow], out: IO[str]) -> None:
    for alarm in alarms:
        out.write(msgspec.json.encode(record_of(alarm)).decode() + "\n")


def _story_record(story: AlarmStory) -> dict[str, object]:
    return {
        "alarm": record_of(story.alarm),
        "messages": [
            {
                "alert": message.alert,
                "t_received_utc_us": message.t_received_utc_us,
                "has_picture": message.has_picture,
            }
            for message in story.messages
        ],
        "history": story.history,
        "notes": story.notes,
    }


def _handover_record(handover: Handover) -> dict[str, object]:
    return {
        "since_utc_us": handover.since_utc_us,
        "open": [record_of(alarm) for alarm in handover.open],
        "shelved": [
            {"alarm": record_of(alarm), "reason": why}
            for alarm, why in zip(handover.shelved, handover.shelved_why, strict=True)
        ],
        "closed": handover.closed,
        "notes": handover.notes,
    }
