"""Which release is in force, and whether it is the one that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from roeh import __version__
from roeh.core.clock import Clock
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, doubtful, good
from roeh.doctor.machine_view import MachineView

RELEASES = Path("opt/roeh")


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
    elif version != __version__:
        yield doubtful(Code.RELEASE_STRANGE, f"{what}, and this is {__version__}")
    else:
        yield good(what)


def release_in_force(view: MachineView) -> str | None:
    """The version that `current` leads to; None where nothing was installed so."""
    return _target(view.root / RELEASES / "current")


def _target(link: Path) -> str | None:
    try:
        return link.readlink().name
    except OSError:
        return None
