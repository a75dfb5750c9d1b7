"""The machine's units, through systemctl(1)."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Sequence
from typing import Final

import msgspec

from roeh.core.errors import ReleaseFailed
from roeh.release.carried import MachineRole

#: What each role's units are started and stopped with.
TARGETS: Final = {
    MachineRole.POLE: "roeh.target",
    MachineRole.CONTROL_ROOM: "roeh-desk.target",
}
_WANTED: Final = ("Id", "ActiveState", "NRestarts", "InvocationID")
#: Units have 20 s each to stop.
_PATIENCE_S: Final = 180.0


class UnitState(msgspec.Struct, frozen=True):
    """A unit as systemd has it.

    Attributes:
        state: active, activating, failed, ...
        restarts: how often systemd itself restarted it since a person did.
        invocation: changes with each start.
    """

    name: str
    state: str
    restarts: int
    invocation: str


class Units:
    """The units of one role.

    Args:
        role: of this machine.
        systemctl: the program, with what stands before its arguments.
    """

    def __init__(self, role: MachineRole, systemctl: Sequence[str] = ("systemctl",)) -> None:
        self._target = TARGETS[role]
        self._systemctl = tuple(systemctl)

    def states(self) -> list[UnitState]:
        """Of each unit that the target wants, by name.

        Raises:
            ReleaseFailed: systemd does not answer, or knows no such target.
        """
        shown = self._ask("show", f"--property={','.join(_WANTED)}", *self._names())
        return [_state(block) for block in shown.strip().split("\n\n")]

    def is_known(self, unit: str) -> bool:
        """Whether systemd has such a unit.

        Raises:
            ReleaseFailed: systemd does not answer.
        """
        return self._ask("show", "--property=LoadState", "--value", unit).strip() == "loaded"

    def restart(self) -> None:
        """Stop all of them, then start them without waiting.

        Raises:
            ReleaseFailed: systemd does not answer.
        """
        # Once all have stopped, what is seen of them is of the new start: counts of restarts too.
        # Each is named, because systemctl waits for those alone: of the target it would come back
        # while evidence waits for its turn to stop, and the start would take that back.
        names: list[str] = []
        with contextlib.suppress(ReleaseFailed):
            # Who does not tell may obey all the same: it may be the way back.
            names = self._names()
        self._ask("stop", self._target, *names)
        self._ask("start", "--no-block", self._target)

    def start(self, unit: str) -> None:
        """Start one, without waiting for it.

        Raises:
            ReleaseFailed: systemd does not answer, or knows no such unit.
        """
        self._ask("start", "--no-block", unit)

    def _names(self) -> list[str]:
        said = self._ask("show", "--property=Wants", "--value", self._target)
        names = sorted(name for name in said.split() if name.startswith("roeh-"))
        if not names:
            raise ReleaseFailed(
                what="wants no units of ours",
                which=self._target,
                remedy="install and enable its units first: site.yml",
            )
        return names

    def _ask(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                [*self._systemctl, *arguments],
                capture_output=True,
                text=True,
                check=False,
                timeout=_PATIENCE_S,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _silent(str(error), arguments) from error
        if done.returncode:
            raise _silent(done.stderr.strip()[-300:], arguments)
        return done.stdout


def _state(block: str) -> UnitState:
    fields = dict(line.partition("=")[::2] for line in block.splitlines())
    restarts = fields.get("NRestarts", "")
    return UnitState(
        name=fields.get("Id", ""),
        state=fields.get("ActiveState", ""),
        restarts=int(restarts) if restarts.isdigit() else 0,
        invocation=fields.get("InvocationID", ""),
    )


def _silent(what: str, arguments: tuple[str, ...]) -> ReleaseFailed:
    return ReleaseFailed(
        what=f"systemctl failed ({what})",
        which=" ".join(arguments),
        remedy="see systemctl status roeh.target",
    )
