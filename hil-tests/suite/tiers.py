"""The tiers: how each one's pole comes to be there, and what its environment file is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from virtual_pole.machine import Machine
from virtual_pole.network import in_namespace
from virtual_pole.street import CONTROL_ROOM, Street
from virtual_pole.troubles import PoleFailed

REPOSITORY = Path(__file__).parent.parent.parent
ENVIRONMENTS = Path(__file__).parent.parent / "environments"
#: The columns of the table.
NAMES = ("nspawn", "qemu", "rig")
_POLE = "pole-1"
_LAST_WORDS = "systemctl --failed --no-legend; journalctl --no-pager -o short -u 'roeh*' -n 40"
#: Of one of the programs beside this one: `make pole` from nothing, on a machine that is busy.
_PART_LIMIT_S = 1800.0


class TierFailed(Exception):
    """The tier's pole could not be made or reached: one sentence that says why."""


class Tier(Protocol):
    """Where the suite's pole is."""

    name: str
    environment_file: Path
    #: How many times longer than in a container everything may take.
    patience: float

    def make(self, *, short: bool) -> None:
        """The pole and its control room, as far as they have to be there before the tests.

        Raises:
            TierFailed: they cannot be made.
        """
        ...

    def variables(self) -> dict[str, str]:
        """What the environment file is told, by names that begin with LG_."""
        ...

    def command(self, *words: str) -> list[str]:
        """The command line that runs a program where the pole can be reached from."""
        ...

    def last_words(self) -> str:
        """What the pole said last, for whoever reads why a run failed."""
        ...

    def take_away(self) -> None:
        """End what was made here, and nothing that was there before."""
        ...


class Nspawn:
    """A virtual street of containers.

    Args:
        state: its state directory.
    """

    name = "nspawn"
    patience = 1.0
    environment_file = ENVIRONMENTS / "nspawn.yaml"

    def __init__(self, state: Path) -> None:
        self._street = Street.at(state)
        self._is_made_here = False

    def make(self, *, short: bool) -> None:
        """See the protocol."""
        if self._is_provisioned():
            return
        self._is_made_here = True
        form = ("--ci",) if short else ()
        _run_part("virtual_pole", "pole", "--state", str(self._street.state), "--keep", *form)

    def variables(self) -> dict[str, str]:
        """See the protocol."""
        return {
            "LG_STATE": str(self._street.state),
            "LG_PYTHON": sys.executable,
            "LG_POLE_ADDRESS": self._street.place(_POLE).address,
            "LG_CONTROL_ADDRESS": self._street.place(CONTROL_ROOM).address,
        }

    def command(self, *words: str) -> list[str]:
        """See the protocol."""
        return in_namespace(self._street.laptop, *words)

    def last_words(self) -> str:
        """See the protocol."""
        said = []
        for name in (_POLE, CONTROL_ROOM):
            try:
                said.append(f"{name}:\n{Machine(self._street, name).run(_LAST_WORDS)}")
            except PoleFailed as failure:
                said.append(f"{name}: {failure}")
        return "\n".join(said)

    def take_away(self) -> None:
        """See the protocol."""
        if self._is_made_here:
            _run_part("street_camera", "unplug", "--state", str(self._street.state))
            _run_part("virtual_pole", "down", "--state", str(self._street.state))

    def _is_provisioned(self) -> bool:
        try:
            pole = Machine(self._street, _POLE)
            return pole.is_running() and bool(pole.run("systemctl is-active roeh.target"))
        except PoleFailed:
            return False


class Rig:
    """A real pole on a bench: nothing of it is made here.

    Args:
        environment_file: the bench's own, made from `environments/rig.yaml`.
    """

    name = "rig"
    patience = 1.0

    def __init__(self, environment_file: Path) -> None:
        self.environment_file = environment_file.resolve()

    def make(self, *, short: bool) -> None:
        """See the protocol."""

    def variables(self) -> dict[str, str]:
        """See the protocol."""
        return {"LG_PYTHON": sys.executable}

    def command(self, *words: str) -> list[str]:
        """See the protocol."""
        return list(words)

    def last_words(self) -> str:
        """See the protocol."""
        return "the pole's journal has more"

    def take_away(self) -> None:
        """See the protocol."""


def environment_of(tier: Tier) -> dict[str, str]:
    """All of the environment that a program of the tier is run with."""
    own = {"PYTHONPATH": str(REPOSITORY / "hil-tests"), "LG_PATIENCE": str(tier.patience)}
    return os.environ | own | tier.variables()


def _run_part(module: str, *arguments: str) -> None:
    """One of the programs beside this one; what it says is seen."""
    try:
        status = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY / "hil-tests")},
            stdin=subprocess.DEVNULL,
            timeout=_PART_LIMIT_S,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired:
        raise TierFailed(f"`python -m {module} {arguments[0]}` did not end") from None
    if status:
        raise TierFailed(f"`python -m {module} {arguments[0]}` ended with {status}")
