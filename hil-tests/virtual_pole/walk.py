"""`make pole`: from nothing to evidence in another's hands, each step shown to hold.

What does not wait for another is made at once (machines, keys, bundle, footage). Then the control
room and its witness, the pole, an alarm; and again at once: evidence, the same runs again, which
change nothing and find all healthy, the doctor, and what listens.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from street_camera.camera import RATE_FPS

from roeh.core.clock import Clock
from virtual_pole import ceremony, control_room, evidence, health, inventory, life, playbooks
from virtual_pole.ceremony import Keys
from virtual_pole.commands import output, together
from virtual_pole.machine import Machine
from virtual_pole.network import in_namespace
from virtual_pole.steps import Steps
from virtual_pole.street import CONTROL_ROOM, POLES_ROUTER, REPOSITORY, Street
from virtual_pole.troubles import PoleFailed

POLE = "pole-1"
_PRODUCT_PYTHON = str(REPOSITORY / ".venv/bin/python")
_HIL_TESTS = REPOSITORY / "hil-tests"
_FOOTAGE = REPOSITORY / "build/cache/street"
_BUNDLES = "bundle"
_MAKING_PATIENCE_S = 900.0
_ALARM_PATIENCE_S = 60.0

_MadeT = TypeVar("_MadeT")


def walk(street: Street, steps: Steps, clock: Clock, *, is_short: bool) -> None:
    """All of it, from nothing. The machines stay up.

    Args:
        street: where; whatever was there is taken away first.
        steps: told what was done.
        clock: what time it is.
        is_short: the pole's system is installed beside the control room, which is provisioned
            once; else each as a technician would.

    Raises:
        PoleFailed: something does not hold; nothing is done after it.
    """
    with steps.taking("what was there taken away"):
        life.down(street)
    keys, bundle = prepare(street, steps)
    pole, desk = Machine(street, POLE, clock), Machine(street, CONTROL_ROOM, clock)
    with steps.taking("inventory, key keeper's stick, camera"):
        inventory.write(street, bundle)
        inventory.bring_stick(desk, keys)
        plug_camera(street)
    if is_short:
        _provision_at_once(street, steps)
    else:
        _provision(street, steps, "control-room", "first")
        _provision(street, steps, "witness", "first")
        _provision(street, steps, "site", "first")
    with steps.taking("alarm at the control room") as found:
        alarm = control_room.first_alarm(desk, POLE, _ALARM_PATIENCE_S, clock)
        found.append(f"{alarm.rule} of {alarm.node}")

    def evidence_leaves() -> None:
        with steps.taking("evidence exported by two, verified") as found:
            found.append(_exported(street, keys, clock))

    def control_room_again() -> None:
        _provision(street, steps, "control-room", "second")
        _provision(street, steps, "witness", "second")

    def asked() -> None:
        with steps.taking("stranger at the broker") as found:
            found.append(control_room.refusal_of_strangers(street, keys, POLE))
        with steps.taking("audit of the desk"):
            control_room.check_audit(desk)
        with steps.taking("doctor on the pole") as found:
            found.append(health.doctor(pole))
        with steps.taking("what listens on the pole") as found:
            found.append(health.only_what_may_listen(street, pole))

    together(
        evidence_leaves,
        lambda: _provision(street, steps, "site", "second"),
        asked,
        *(() if is_short else (control_room_again,)),
    )


def plug_camera(street: Street, rate_fps: float = RATE_FPS) -> None:
    """The street's network camera, in the laptop's network.

    Args:
        street: whose.
        rate_fps: pictures a second; fewer than were taken are slow motion.

    Raises:
        PoleFailed: it does not start.
    """
    where = ("--state", str(street.state), "--address", POLES_ROUTER)
    words = ("-m", "street_camera", "plug", *where, "--rate", str(rate_fps))
    command = in_namespace(street.laptop, sys.executable, *words)
    output(command, environment=_python_path())


def prepare(street: Street, steps: Steps, poles: int = 1) -> tuple[Keys, Path]:
    """What does not wait for another, at once.

    Args:
        street: where.
        steps: told what was done.
        poles: how many containers beside the control room.

    Returns:
        The city's keys, and the bundle.

    Raises:
        PoleFailed: one of it cannot be made.
    """

    def timed(step: str, work: Callable[[], _MadeT]) -> _MadeT:
        with steps.taking(step):
            return work()

    with ThreadPoolExecutor(4) as pool:
        machines = pool.submit(timed, "machines made and booted", lambda: life.up(street, poles))
        keys = pool.submit(timed, "city's keys made", lambda: ceremony.hold(street))
        bundle = pool.submit(timed, "bundle for x86_64", lambda: _bundle(street))
        footage = pool.submit(timed, "footage", _footage)
    machines.result()
    footage.result()
    return keys.result(), bundle.result()


def _bundle(street: Street) -> Path:
    to = street.state / _BUNDLES
    options = ("--arch", "x86_64", "--suite", "bookworm", "--to", str(to))
    command = (_PRODUCT_PYTHON, "-m", "roeh.release.bundle", *options)
    output(command, patience_s=_MAKING_PATIENCE_S, directory=REPOSITORY)
    made = sorted(to.glob("roeh-*"))
    if len(made) != 1:
        raise PoleFailed(f"in {to} there should be one bundle, not {len(made)}")
    return made[0]


def _footage() -> None:
    """Made outside the street: from inside nothing can be fetched."""
    command = (_PRODUCT_PYTHON, "-m", "street_camera.footage", str(_FOOTAGE))
    output(command, patience_s=_MAKING_PATIENCE_S, environment=_python_path())


def _python_path() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(_HIL_TESTS)}


def _provision_at_once(street: Street, steps: Steps) -> None:
    """What a pole needs of the control room is its signature alone, so all before may be beside."""

    def desk() -> None:
        _provision(street, steps, "control-room", "first")
        _provision(street, steps, "witness", "first")

    # Nothing is here yet of whom the pole believes, and nothing runs whose health could be
    # asked: preflight, enrolment and health are in the second half.
    half = ("--tags=install", "--skip-tags=preflight,enrol,run")
    together(desk, lambda: _provision(street, steps, "site", "installing", *half))
    _provision(street, steps, "site", "first", "--tags=configure,enrol,run")


def _provision(street: Street, steps: Steps, playbook: str, which: str, *options: str) -> None:
    """Run a playbook; a second run may change nothing."""
    with steps.taking(f"{playbook}.yml, {which} run") as found:
        run = playbooks.run(street, playbook, f"{playbook}-{which}", *options)
        found.append(", ".join(f"{host} changed={n}" for host, n in sorted(run.changed.items())))
    if which == "second" and any(run.changed.values()):
        raise PoleFailed(f"a second {playbook}.yml changed something: {run.log}")


def _exported(street: Street, keys: Keys, clock: Clock) -> str:
    verdict = evidence.export(street, keys, POLE, clock)
    if any(check != "OK" for check in verdict.checks.values()):
        raise PoleFailed(f"roeh verify says {verdict.exit_status}: {'; '.join(verdict.reasons)}")
    size = f"{verdict.bundle.stat().st_size / 1e6:.1f} MB"
    return ", ".join([size, *(f"{name} {check}" for name, check in verdict.checks.items())])
