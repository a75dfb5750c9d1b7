"""`roeh police list`, `show`, `timeline`, `hold` and `fetch`: what is asked of a pole."""

from __future__ import annotations

import argparse
import contextlib
import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from roeh.core.clock import SystemClock
from roeh.core.errors import EXIT_OK, OutputRefused, RoehError
from roeh.core.ids import ClockIds
from roeh.core.moments import length_text, size_text, utc_argument, utc_text
from roeh.core.retrieval import Action
from roeh.keys.asking import Adder
from roeh.police.answers import Custody, Export, Exports, Hold, Lane, Node, Timeline
from roeh.police.fetching import fetch, is_whole, tell_taken
from roeh.police.options import add_online, pole_of
from roeh.police.patience import Patience, at_once
from roeh.police.pole import Pole
from roeh.police.screen import say, say_json, show_lines, show_table
from roeh.police.wording import Line, person_words, request_lines
from roeh.verify.bundles.custody_words import CustodyLine, custody_line

_DEFAULT_TIMEOUT_S = 300.0
_MAX_TIMEOUT_S = 7 * 86_400.0
#: How long the pole is told that all arrived.
_TELL_S = 10.0
_JSON = "application/json"


class HoldBody(msgspec.Struct, frozen=True):
    """Keep this; the id is ours, so that asking again is one hold."""

    hold_id: str
    cameras: tuple[str, ...]
    from_utc_us: int
    to_utc_us: int
    reason: str


def add_actions(add: Adder) -> None:
    """The five with their options."""
    add_online(add("list", _list, "Exports of a pole that you may see."))

    shown = add("show", _show, "One export: how far it is, what was asked for, its custody.")
    add_online(shown)
    shown.add_argument("id", metavar="ID", help="of the export")

    drawn = add("timeline", _timeline, "What a pole holds of a stretch of time.")
    add_online(drawn)
    _add_span(drawn)
    drawn.add_argument("--camera", metavar="NAME", help="this one alone")

    held = add("hold", _hold, "Have a pole keep video until two persons let it go.")
    add_online(held)
    _add_span(held)
    held.add_argument(
        "--camera", action="append", required=True, metavar="NAME", help="may be given again"
    )
    held.add_argument("--reason", required=True, metavar="TEXT", help="why; the case's number")

    fetched = add("fetch", _fetch, "Fetch a bundle; goes on where it was cut.")
    add_online(fetched)
    fetched.add_argument("id", metavar="ID", help="of the export")
    fetched.add_argument("--out", type=Path, required=True, metavar="FILE", help="the bundle")
    fetched.add_argument(
        "--timeout",
        type=_seconds,
        default=_DEFAULT_TIMEOUT_S,
        metavar="S",
        help="give up after so long without anything new, default 300",
    )


def show_export(export: Export) -> None:
    """An export in words."""
    lines = [
        Line("state", export.state + (f": {export.detail}" if export.detail else "")),
        Line("asked for by", person_words(export.requester)),
    ]
    if export.approver is not None:
        lines.append(Line("decided by", person_words(export.approver)))
    if export.state == "building":
        done, total = size_text(export.bytes_done), size_text(export.bytes_total)
        lines.append(Line("built", f"{done} of about {total}"))
    if export.sha256:
        lines.append(Line("bundle", f"{size_text(export.size_bytes)}, sha256 {export.sha256}"))
    show_lines(f"Export {export.id}", lines)
    if export.request is not None:
        show_lines("The request", request_lines(export.request, None, export.requester))


def _list(chosen: argparse.Namespace) -> int:
    with contextlib.closing(pole_of(chosen)) as pole:
        exports = _all_exports(pole)
    if chosen.json:
        for export in exports:
            say_json(export)
        return EXIT_OK
    rows = [
        (
            export.id,
            export.state,
            utc_text(export.t_utc_us),
            export.request.case_number if export.request else "",
            ", ".join(export.request.cameras) if export.request else "",
            size_text(export.size_bytes) if export.size_bytes else "",
            export.requester.name,
        )
        for export in exports
    ]
    show_table(("export", "state", "asked", "case", "cameras", "size", "by"), rows)
    return EXIT_OK


def _show(chosen: argparse.Namespace) -> int:
    with contextlib.closing(pole_of(chosen)) as pole:
        export = at_once(lambda: pole.get(f"/exports/{chosen.id}", Export))
        custody = [] if chosen.json else _custody_of(pole, export)
    if chosen.json:
        say_json(export)
        return EXIT_OK
    show_export(export)
    if custody:
        rows = [(utc_text(line.t_utc_us), line.text) for line in custody]
        show_table(("at", "custody"), rows)
    return EXIT_OK


def _timeline(chosen: argparse.Namespace) -> int:
    asked = {"from_utc_us": chosen.from_us, "to_utc_us": chosen.to_us}
    if chosen.camera is not None:
        asked["camera"] = chosen.camera
    with contextlib.closing(pole_of(chosen)) as pole:
        timeline = at_once(lambda: pole.get(f"/timeline?{urlencode(asked)}", Timeline))
    if chosen.json:
        say_json(timeline)
        return EXIT_OK
    rows = sorted(row for lane in timeline.lanes for row in _lane_rows(lane))
    rows += sorted(
        (utc_text(mark.t_utc_us), "", ", ".join(mark.cameras), "alert", mark.rule)
        for mark in timeline.alerts
    )
    show_table(("from", "length", "camera", "what", "how"), rows)
    if not timeline.is_complete:
        say("there is more: ask for a shorter time")
    return EXIT_OK


def _hold(chosen: argparse.Namespace) -> int:
    body = HoldBody(
        hold_id=ClockIds(SystemClock()).new(),
        cameras=tuple(chosen.camera),
        from_utc_us=chosen.from_us,
        to_utc_us=chosen.to_us,
        reason=chosen.reason,
    )
    with contextlib.closing(pole_of(chosen)) as pole:
        hold = at_once(lambda: pole.post("/holds", msgspec.json.encode(body), _JSON, Hold))
    if chosen.json:
        say_json(hold)
    else:
        say(f"hold {hold.hold_id}: {hold.state}; two persons let it go (roeh evidence release)")
    return EXIT_OK


def _fetch(chosen: argparse.Namespace) -> int:
    clock = SystemClock()
    path: Path = chosen.out
    with contextlib.closing(pole_of(chosen)) as pole:
        if path.exists():
            export = at_once(lambda: pole.get(f"/exports/{chosen.id}", Export))
            if not is_whole(path, export):
                raise OutputRefused(
                    what="there is a file of that name, and it is not this bundle",
                    which=str(path),
                    remedy="name another",
                )
        else:
            export = fetch(
                pole,
                chosen.id,
                path,
                timeout_s=chosen.timeout,
                clock=clock,
                on_state=_say_nothing if chosen.json else _say_state,
                is_quiet=chosen.json,
            )
        try:
            tell_taken(pole, export, Patience(min(_TELL_S, chosen.timeout), clock))
        except RoehError as error:
            # It noted what it sent; the file is whole all the same.
            sys.stderr.write(f"{error.line()} (the file is whole; only the pole was not told)\n")
    if chosen.json:
        say_json(export)
    else:
        say(f"{path}: {size_text(export.size_bytes)}, sha256 {export.sha256}, as the pole says")
    return EXIT_OK


def _all_exports(pole: Pole) -> list[Export]:
    found: list[Export] = []
    after: int | None = -1
    while after is not None:
        path = f"/exports?after={after}"
        page = at_once(functools.partial(pole.get, path, Exports))
        found += page.exports
        after = page.after
    return found


def _custody_of(pole: Pole, export: Export) -> list[CustodyLine]:
    """What is on record of an export; nothing for who may not see it."""
    if Action.SEE_CUSTODY.value not in at_once(lambda: pole.get("/node", Node)).may:
        return []
    lines: list[CustodyLine] = []
    after, size = -1, None
    while size is None or after < size - 1:
        path = f"/custody?after={after}"
        page = at_once(functools.partial(pole.get, path, Custody))
        for record in page.records:
            line = custody_line(record, page.names)
            if line is not None and export.id in msgspec.json.encode(record.body).decode():
                lines.append(line)
        # Each page is a look, and a look is a record: what is added meanwhile is not followed.
        size = page.size if size is None else size
        if page.after is None:
            break
        after = page.after
    return lines


def _lane_rows(lane: Lane) -> Iterator[tuple[str, ...]]:
    for bar in lane.bars:
        length = length_text(bar.to_utc_us - bar.from_utc_us)
        begins = utc_text(bar.from_utc_us, synchronised=bar.synchronised)
        how = f"{bar.keep}, still written" if bar.is_written else bar.keep
        yield begins, length, lane.camera_id, "video", how
    for gap in lane.gaps:
        length = length_text(gap.to_utc_us - gap.from_utc_us)
        yield utc_text(gap.from_utc_us), length, lane.camera_id, "gap", gap.reason


def _say_state(export: Export) -> None:
    if export.state == "building" and export.bytes_total:
        share = f" {100 * export.bytes_done // export.bytes_total} %"
    else:
        share = ""
    sys.stderr.write(f"the export is {export.state}{share}: waiting\n")


def _say_nothing(_export: Export) -> None:
    """A program reads."""


def _add_span(parser: argparse.ArgumentParser) -> None:
    for option, name in (("--from", "from_us"), ("--to", "to_us")):
        parser.add_argument(
            option, dest=name, type=utc_argument, required=True, metavar="UTC",
            help="2026-01-31T18:30:00Z",
        )  # fmt: skip


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _MAX_TIMEOUT_S:
        raise argparse.ArgumentTypeError(f"must be from 0 to {_MAX_TIMEOUT_S:.0f}")
    return seconds
