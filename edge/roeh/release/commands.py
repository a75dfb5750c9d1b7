"""`roeh release`: on the machine, from the release that is in force (edge/docs/releases.md)."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from roeh.core.clock import SystemClock
from roeh.core.errors import EXIT_OK, ReleaseFailed
from roeh.release.carried import MachineRole
from roeh.release.install import install
from roeh.release.observing import Observer
from roeh.release.places import Places
from roeh.release.trial_records import Outcome, TrialRecords
from roeh.release.trials import Allowed, Patience, Trials
from roeh.release.units import Units

_MAX_PATIENCE_S = 3600.0
_APART = "systemd-run --quiet --wait --pipe --collect"
_Action = Callable[[argparse.Namespace], int]


class ReleaseState(msgspec.Struct, frozen=True):
    """What `roeh release show` says; empty: there is none."""

    in_force: str
    before: str
    installed: tuple[str, ...]
    on_trial: str
    last_trial: Outcome | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The actions with their options."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    def add(name: str, action: _Action, text: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=text, description=text)
        added.set_defaults(action=action)
        added.add_argument("--systemctl", default="systemctl", help=argparse.SUPPRESS)
        added.add_argument("--apart", default=_APART, help=argparse.SUPPRESS)
        added.add_argument("--opt", type=Path, default=Places().opt, help=argparse.SUPPRESS)
        added.add_argument("--etc", type=Path, default=Places().etc, help=argparse.SUPPRESS)
        added.add_argument("--link", type=Path, default=Places().command, help=argparse.SUPPRESS)
        return added

    installing = add("install", _install, "Check a bundle and install its release beside the rest.")
    installing.add_argument("bundle", type=Path, metavar="BUNDLE")
    installing.add_argument("--role", choices=[role.value for role in MachineRole])
    installing.add_argument("--allow-older", action="store_true", help="go back on purpose")

    trying = add("try", _try, "Bring a release into force; it returns unless it proves itself.")
    trying.add_argument("version", metavar="VERSION")
    usual = Patience()
    for option, seconds, text in (
        ("--patience", usual.patience_s, "how long it may take, seconds"),
        ("--quiet", usual.quiet_s, "how long all has to be well in that time, seconds"),
    ):
        trying.add_argument(
            option, type=_seconds, default=seconds, metavar="S", help=f"{text}, default {seconds:g}"
        )
    trying.add_argument("--allow-older", action="store_true", help="go back on purpose")
    trying.add_argument("--no-wait", action="store_true", help="do not wait for how it went")
    _add_other_store(trying)

    showing = add("show", _show, "What is in force, what before, how the last trial went.")
    showing.add_argument("--json", action="store_true", help="as one JSON line")

    returning = add("return", _return, "Return to the release before, or from a trial.")
    _add_other_store(returning)

    add("watch", _watch, "For systemd: judge the trial that goes on.")
    add("settle", _settle, "For systemd, at boot: return from a trial that was cut short.")


def _add_other_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-other-store", action="store_true", help="also to one that has another store"
    )


def run(chosen: argparse.Namespace) -> int:
    """Do what was asked; the exit status.

    Raises:
        RoehError: what was refused, or could not be done.
    """
    action: _Action = chosen.action
    return action(chosen)


def _install(chosen: argparse.Namespace) -> int:
    role = MachineRole(chosen.role) if chosen.role else None
    done = install(chosen.bundle.absolute(), _places(chosen), role, allow_older=chosen.allow_older)
    first = ", and in force: the first here" if done.is_first else ""
    word = "changed" if done.is_new or done.is_first else "unchanged"
    _say(f"{word}: release {done.release.version} is installed{first}")
    if done.is_trial:
        _say("signed with a key for TRIALS: proves nothing to a stranger")
    for version in done.removed:
        _say(f"removed to make room: {version}")
    return EXIT_OK


def _try(chosen: argparse.Namespace) -> int:
    trials = _trials(chosen)
    trial = trials.begin(
        chosen.version,
        Patience(patience_s=chosen.patience, quiet_s=chosen.quiet),
        Allowed(older=chosen.allow_older, other_store=chosen.allow_other_store),
    )
    _say(f"release {trial.version} is on trial; {trial.before} returns unless it proves itself")
    sys.stdout.flush()
    if chosen.no_wait:
        return EXIT_OK
    return _told(trials.follow(trial))


def _show(chosen: argparse.Namespace) -> int:
    places = _places(chosen)
    records = TrialRecords(places.opt)
    in_force, before = places.in_force(), places.before()
    trial = records.undecided()
    state = ReleaseState(
        in_force=in_force.version if in_force else "",
        before=before.version if before else "",
        installed=tuple(release.version for release in places.all_installed()),
        on_trial=trial.version if trial else "",
        last_trial=records.last(),
    )
    if chosen.json:
        _say(msgspec.json.encode(state).decode())
        return EXIT_OK
    _say(f"in force   {state.in_force or 'none'}{', on trial' if trial else ''}")
    _say(f"before     {state.before or 'none'}")
    _say(f"installed  {', '.join(state.installed) or 'none'}")
    if (last := state.last_trial) is not None:
        _say(f"last trial {last.version} {last.outcome}: {last.why}")
    return EXIT_OK


def _return(chosen: argparse.Namespace) -> int:
    version = _trials(chosen).go_back(Allowed(other_store=chosen.allow_other_store))
    _say(f"release {version} is in force again")
    return EXIT_OK


def _watch(chosen: argparse.Namespace) -> int:
    outcome = _trials(chosen).watch()
    _say("no trial" if outcome is None else f"{outcome.version} {outcome.outcome}: {outcome.why}")
    return EXIT_OK


def _settle(chosen: argparse.Namespace) -> int:
    outcome = _trials(chosen).settle()
    _say("no trial" if outcome is None else f"{outcome.version} {outcome.outcome}: {outcome.why}")
    return EXIT_OK


def _told(outcome: Outcome) -> int:
    if outcome.outcome == "returned":
        raise ReleaseFailed(
            what=f"did not prove itself ({outcome.why}); {outcome.before} is in force again",
            which=outcome.version,
            remedy="send the reason to who made it",
        )
    _say(f"release {outcome.version} is confirmed: {outcome.why}")
    return EXIT_OK


def _trials(chosen: argparse.Namespace) -> Trials:
    places = _places(chosen)
    known = places.in_force() or places.before()
    role = known.role if known else MachineRole.POLE
    units = Units(role, shlex.split(chosen.systemctl))
    observer = Observer(places, role, units, shlex.split(chosen.apart))
    return Trials(places, units, observer, SystemClock())


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= _MAX_PATIENCE_S:
        raise argparse.ArgumentTypeError(f"must be above 0, at most {_MAX_PATIENCE_S:g}")
    return value


def _places(chosen: argparse.Namespace) -> Places:
    return Places(opt=chosen.opt, etc=chosen.etc, command=chosen.link)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
