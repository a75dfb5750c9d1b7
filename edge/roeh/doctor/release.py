"""Which release is in force, and whether it is the one that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from roeh import __version__
from roeh.core.clock import Clock
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, doubtful, good
from roeh.doctor.machine_view import MachineView, text_of

RELEASES = Path("opt/roeh")
_ROOT_TOLD = Path("run/roeh-root/told")


class LastTrial(msgspec.Struct, frozen=True):
    """How the last trial of a release went, as `roeh release` left it behind."""

    version: str
    before: str
    outcome: Literal["confirmed", "returned"]
    why: str


def check_release(view: MachineView, _clock: Clock) -> Iterator[Outcome]:
    """In force, on trial, before: as the links of a provisioned pole say."""
    home = view.root / RELEASES
    version = release_in_force(view)
    if version is None:
        yield good(f"roeh {__version__}, not installed as a signed release")
        return
    before = _target(home / "previous")
    what = f"roeh {version} is in force" + (f", before it {before}" if before else "")
    if (home / "trial.json").exists():
        yield doubtful(Code.RELEASE_TRIAL, f"{what}; it is on trial")
    elif (last := _last_trial(home)) is not None and last.before == version:
        yield doubtful(
            Code.RELEASE_RETURNED, f"{what}; {last.version} was tried and given up: {last.why}"
        )
    elif version != __version__:
        yield doubtful(Code.RELEASE_STRANGE, f"{what}, and this is {__version__}")
    else:
        yield good(what)


def check_root(view: MachineView, _clock: Clock) -> Iterator[Outcome]:
    """Whether what was set lies over the read-only system, as it should."""
    told = text_of(view.root / _ROOT_TOLD)
    how, _, why = told.partition(" ")
    if how == "pristine":
        yield doubtful(Code.ROOT_PRISTINE, f"the system started without its layer: {why}")
    elif how == "overlay":
        yield good(f"read-only, with its layer on {why}")
    elif how == "ram":
        yield good("read-only, with a layer in memory that is gone at the next start")
    else:
        yield good("an ordinary system, without a layer over it")


def release_in_force(view: MachineView) -> str | None:
    """The version that `current` leads to; None where nothing was installed so."""
    return _target(view.root / RELEASES / "current")


def _last_trial(home: Path) -> LastTrial | None:
    """The last trial, where it ended with the release before."""
    try:
        last = msgspec.json.decode((home / "last_trial.json").read_bytes(), type=LastTrial)
    except (OSError, msgspec.MsgspecError):
        return None
    return last if last.outcome == "returned" else None


def _target(link: Path) -> str | None:
    try:
        return link.readlink().name
    except OSError:
        return None
