"""The command lines of `roeh evidence`."""

from __future__ import annotations

import argparse
import os
import pwd
import sys
from collections.abc import Callable
from pathlib import Path

from roeh.core.clock import Clock, SystemClock
from roeh.core.config import load_config
from roeh.core.custody import EvidenceStatus, EvidenceStatusRequest, RecordAccess
from roeh.core.errors import EXIT_OK, EvidenceRefused, one_line
from roeh.core.moments import utc_argument
from roeh.core.peers import Done, Verb
from roeh.custody import actions_command, check_command, clip_command, exports_command, rebuild
from roeh.custody.holding import place_by_alert, place_by_utc, print_hold, release
from roeh.custody.holdings import read_holdings, read_records, with_deleted
from roeh.custody.link import EvidenceLink, evidence_link
from roeh.custody.listing import Chosen, print_list
from roeh.custody.showing import find, print_found
from roeh.custody.timeline import MARKED, first_leaf, timeline_of
from roeh.custody.timeline_terminal import print_timeline
from roeh.ledger.utc_spans import UtcSpan

_Action = Callable[[argparse.Namespace, EvidenceLink, Clock], int]
_LOGIN_UID = Path("/proc/self/loginuid")
_NO_LOGIN = 2**32 - 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The commands under `roeh evidence` with their options."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listed = _add(commands, "list", "What is recorded, camera by camera, and what keeps it.", _list)
    _add_choice(listed)
    listed.add_argument("--json", action="store_true", help="one JSON line each")

    shown = _add(commands, "show", "All that is known of one thing. Is itself recorded.", _show)
    shown.add_argument("name", metavar="CAMERA/SEGMENT|ID|LEAF", help="or an alert's or hold's id")
    shown.add_argument("--person", default="", metavar="NAME", help="who looks; default: the user")
    shown.add_argument("--json", action="store_true", help="one JSON line")

    held = _add(commands, "hold", "Keep video until two persons let it go.", _hold)
    held.add_argument("alert", nargs="?", metavar="ALERT_ID", help="what this alert is about")
    held.add_argument("--from", dest="from_us", type=utc_argument, metavar="UTC", help="or a time")
    held.add_argument("--to", dest="to_us", type=utc_argument, metavar="UTC", help="its end")
    held.add_argument("--camera", metavar="NAME", help="this one alone")
    _add_person(held)

    check_command.add_options(_add(commands, "check", check_command.TEXT, check_command.run_check))

    clip_command.add_options(_add(commands, "clip", clip_command.TEXT, clip_command.run_clip))

    released = _add(commands, "release", "Let a hold go: one asks, another confirms.", _release)
    released.add_argument("hold", metavar="HOLD_ID")
    _add_person(released)

    exports = _add(commands, "exports", exports_command.EXPORTS_TEXT, exports_command.run_exports)
    exports_command.add_exports_options(exports)
    names = _add(commands, "names", exports_command.NAMES_TEXT, exports_command.run_names)
    exports_command.add_names_options(names)

    actions = _add(commands, "actions", actions_command.TEXT, actions_command.run_actions)
    actions_command.add_options(actions)

    rebuilt = _add(commands, "rebuild", rebuild.TEXT, None)
    rebuilt.set_defaults(offline=rebuild.run_rebuild)
    rebuild.add_options(rebuilt)

    drawn = _add(commands, "timeline", "What is held along UTC: segments, gaps, locks.", _timeline)
    _add_choice(drawn)
    drawn.add_argument(
        "--picture", type=Path, metavar="OUT.png", help="draw it here too. Is itself recorded."
    )
    drawn.add_argument("--person", default="", metavar="NAME", help="who looks; default: the user")


def run(chosen: argparse.Namespace) -> int:
    """Do what was chosen; the exit status.

    Raises:
        RoehError: what went wrong.
    """
    if chosen.action is None:
        offline: Callable[[argparse.Namespace], int] = chosen.offline
        return offline(chosen)
    clock = SystemClock()
    with evidence_link(load_config(chosen.config), clock) as link:
        action: _Action = chosen.action
        return action(chosen, link, clock)


def read_status(link: EvidenceLink) -> EvidenceStatus:
    """How recording is."""
    return link.call(Verb.EVIDENCE_STATUS, EvidenceStatusRequest(), EvidenceStatus)


def record_access(link: EvidenceLink, person: str, action: str, detail: str) -> None:
    """Write into the ledger who looks at what, before it is shown."""
    request = RecordAccess(person=person or _user(), action=action, detail=detail[:500])
    link.call(Verb.ACCESS_RECORD, request, Done)


_Commands = argparse._SubParsersAction


def _add(
    commands: _Commands[argparse.ArgumentParser], name: str, text: str, action: _Action | None
) -> argparse.ArgumentParser:
    """A command; None: its `offline` needs no link, and is told nothing of one."""
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument(
        "-c", "--config", type=Path, required=True, metavar="NODE.toml", help="the node"
    )
    parser.set_defaults(action=action)
    return parser


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", type=utc_argument, metavar="UTC", help="2026-01-31T18:30:00Z")
    parser.add_argument("--until", type=utc_argument, metavar="UTC", help="likewise")
    parser.add_argument("--camera", metavar="NAME", help="this one alone")


def _add_person(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--person", required=True, metavar="NAME", help="who does it")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; the case's number")
    parser.add_argument("--json", action="store_true", help="one JSON line")


def _choice(chosen: argparse.Namespace) -> Chosen:
    return Chosen(since_us=chosen.since, until_us=chosen.until, camera_id=chosen.camera)


def _list(chosen: argparse.Namespace, link: EvidenceLink, _clock: Clock) -> int:
    holdings = read_holdings(link)
    status = read_status(link)
    print_list(holdings, status, _choice(chosen), as_json=chosen.json, out=sys.stdout)
    return EXIT_OK


def _show(chosen: argparse.Namespace, link: EvidenceLink, _clock: Clock) -> int:
    holdings = read_holdings(link)
    found = find(link, holdings, chosen.name)
    record_access(link, chosen.person, "show", chosen.name)
    print_found(found, holdings, read_status(link), as_json=chosen.json, out=sys.stdout)
    return EXIT_OK


def _hold(chosen: argparse.Namespace, link: EvidenceLink, clock: Clock) -> int:
    by_time = chosen.from_us is not None and chosen.to_us is not None
    if (chosen.alert is not None) == by_time:
        raise EvidenceRefused(
            what="not clear what is to be held",
            which="roeh evidence hold",
            remedy="give either an alert's id, or --from and --to",
        )
    holdings = read_holdings(link)
    if chosen.alert is not None:
        hold = place_by_alert(
            link,
            holdings,
            chosen.alert,
            person=chosen.person,
            reason=chosen.reason,
            clock=clock,
        )
    else:
        hold = place_by_utc(
            link,
            holdings,
            UtcSpan(chosen.from_us, chosen.to_us),
            chosen.camera,
            person=chosen.person,
            reason=chosen.reason,
            clock=clock,
        )
    print_hold(hold, holdings, as_json=chosen.json, out=sys.stdout)
    return EXIT_OK


def _release(chosen: argparse.Namespace, link: EvidenceLink, _clock: Clock) -> int:
    hold = release(link, chosen.hold, person=chosen.person, reason=chosen.reason)
    print_hold(hold, read_holdings(link), as_json=chosen.json, out=sys.stdout)
    return EXIT_OK


def _timeline(chosen: argparse.Namespace, link: EvidenceLink, clock: Clock) -> int:
    choice, holdings = _choice(chosen), read_holdings(link)
    holdings = with_deleted(link, holdings, choice.when(holdings))
    records = read_records(link, MARKED, first_leaf(holdings))
    timeline = timeline_of(holdings, records, choice)
    if chosen.picture is not None:
        # OpenCV takes long to import, and only this needs it.
        from roeh.custody.timeline_file import write_timeline  # noqa: PLC0415

        record_access(link, chosen.person, "timeline", chosen.picture.name)
        write_timeline(
            chosen.picture, timeline, load_config(chosen.config), read_status(link), clock
        )
    print_timeline(timeline, sys.stdout)
    if chosen.picture is not None:
        sys.stdout.write(f"picture: {one_line(str(chosen.picture))}\n")
    return EXIT_OK


def _user() -> str:
    """Who logged in, as the kernel keeps it through sudo; else whose process this is."""
    try:
        uid = int(_LOGIN_UID.read_text(encoding="ascii"))
    except (OSError, ValueError):
        uid = _NO_LOGIN
    uid = os.getuid() if uid == _NO_LOGIN else uid
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user id {uid}"
