"""Whether a machine works as well as it did before. Without IO.

What did not work before a trial is not asked of the new release: a pole whose camera is broken can
be updated all the same.
"""

from __future__ import annotations

from typing import Final

import msgspec

from roeh.release.units import UnitState

#: A unit that systemd restarted so often is not going to stay.
TOO_MANY_RESTARTS: Final = 5


class Health(msgspec.Struct, frozen=True):
    """What could be seen of a machine at one moment.

    Attributes:
        units: of the machine's role.
        shown: processes that write metrics, as of one release.
        recorded: cameras of which evidence acknowledged a group of pictures to one of these.
        is_connected: a broker took the connection of one of these.
        failed_checks: of the doctor, by code; None: it was not asked.
    """

    units: tuple[UnitState, ...]
    shown: frozenset[str]
    recorded: frozenset[str]
    is_connected: bool
    failed_checks: frozenset[str] | None = None

    def active(self) -> set[str]:
        """Units that run."""
        return {unit.name for unit in self.units if unit.state == "active"}


#: Of a machine that did not answer.
NOTHING_SEEN: Final = Health((), frozenset(), frozenset(), is_connected=False)


def hopeless(before: Health, now: Health) -> str:
    """Why a trial need not go on; empty while it may."""
    for unit in now.units:
        if unit.name in before.active():
            if unit.state == "failed":
                return f"{unit.name} failed"
            if unit.restarts >= TOO_MANY_RESTARTS:
                return f"{unit.name} was restarted {unit.restarts} times"
    return ""


def missing(before: Health, now: Health) -> str:
    """What does not work yet that worked before; empty when everything does.

    Args:
        before: under the release before.
        now: under the release on trial.
    """
    if idle := sorted(before.active() - now.active()):
        return f"{', '.join(idle)}: not active"
    if late := sorted(before.shown - now.shown):
        return f"{', '.join(late)}: shows nothing of itself"
    if silent := sorted(before.recorded - now.recorded):
        return f"camera {', '.join(silent)}: evidence acknowledged nothing"
    if before.is_connected and not now.is_connected:
        return "no connection to the broker"
    known = before.failed_checks or frozenset()
    if now.failed_checks is not None and (worse := sorted(now.failed_checks - known)):
        return f"the doctor says FAIL: {', '.join(worse)}"
    return ""


def starts(before: Health, now: Health) -> frozenset[tuple[str, str, int]]:
    """What changes when a unit that ran before is started anew.

    Others may go on failing and being restarted, as they did.
    """
    return frozenset(
        (unit.name, unit.invocation, unit.restarts)
        for unit in now.units
        if unit.name in before.active()
    )
