"""Ansible killed in the middle of a run, with or without the pole's power: run again, all is well.

The kill is SIGKILL to Ansible's group of processes. Its worker has left that group: it goes on with
the task it was at, on the pole too, and takes it up once more where the pole was cut. Moments are
drawn from a seed, so a run that fails can be repeated.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess

import msgspec

from roeh.core.clock import NS_PER_S, Clock
from virtual_pole import health, inventory, life, playbooks
from virtual_pole.machine import Machine
from virtual_pole.steps import Steps
from virtual_pole.street import Street
from virtual_pole.troubles import PoleFailed

_POLL_S = 0.05
#: Before, nothing is changed yet: Ansible only looks at the inventory.
_FIRST_S = 3.0
#: What a killed run had begun is waited for.
_PATIENCE_S = 1200.0


class Interruption(msgspec.Struct, frozen=True):
    """One moment at which a run is killed.

    Attributes:
        after_s: since its start.
        is_power_cut: the pole is cut at the same time.
    """

    after_s: float
    is_power_cut: bool

    def __str__(self) -> str:
        cut = ", the pole's power cut" if self.is_power_cut else ""
        return f"killed after {self.after_s:.1f} s{cut}"


def moments(seed: int, times: int, longest_s: float) -> tuple[Interruption, ...]:
    """When to kill; every second time with a power cut, the first one too.

    Args:
        seed: the same one gives the same moments.
        times: how many.
        longest_s: how long a whole run takes.
    """
    drawn = random.Random(seed)  # noqa: S311 - moments, not secrets
    longest_s = max(longest_s, 2 * _FIRST_S)
    return tuple(
        Interruption(round(drawn.uniform(_FIRST_S, longest_s), 1), number % 2 == 0)
        for number in range(times)
    )


def interrupt(
    street: Street, pole: Machine, playbook: str, interruption: Interruption, clock: Clock
) -> str:
    """Start a playbook and kill it; the task it was at, or that it had ended by then.

    The pole is up again afterwards.

    Args:
        street: whose.
        pole: the machine that is cut.
        playbook: its name.
        interruption: when, and how.
        clock: what time it is.

    Raises:
        PoleFailed: the playbook failed before, or the pole does not boot again.
    """
    log = street.logs / f"{playbook}-killed-{pole.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    limit = ("--limit", pole.name)
    with log.open("wb") as said:
        process = subprocess.Popen(
            playbooks.command(street, playbook, *limit),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=playbooks.environment(street),
            cwd=playbooks.ANSIBLE,
            start_new_session=True,
        )
        deadline_ns = clock.mono_ns() + int(interruption.after_s * NS_PER_S)
        while process.poll() is None and clock.mono_ns() < deadline_ns:
            clock.wait(_POLL_S)
        status = process.poll()
        if status is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status:
        said_text = log.read_text(errors="replace")
        raise PoleFailed(f"{playbook}.yml failed before it was killed: {playbooks.why(said_text)}")
    if interruption.is_power_cut:
        with life.alone(street):
            pole.cut()
            pole.boot()
    return "it had ended" if status == 0 else playbooks.last_task(log)


def series(
    street: Street, steps: Steps, *, first: int, times: int, kills: int, seed: int, longest_s: float
) -> None:
    """Fresh poles: each run that is killed goes on from the one before, the last one ends well.

    Args:
        street: provisioned so far that poles can be added.
        steps: told what was done.
        first: number of the first pole that is made.
        times: how many poles.
        kills: how many runs are killed at each before one that is not.
        seed: of the moments.
        longest_s: how long a whole run takes.

    Raises:
        PoleFailed: a pole was not repaired; the seed is named.
    """
    clock = steps.clock
    drawn = moments(seed, times * kills, longest_s)
    for number in range(times):
        pole = Machine(street, f"pole-{first + number}", clock)
        life.add(street, pole)
        inventory.renew(street)
        its_own = drawn[number * kills : (number + 1) * kills]
        for moment in its_own:
            with steps.taking(f"{pole.name}: {moment}") as found:
                found.append(interrupt(street, pole, "site", moment, clock))
        with steps.taking(f"{pole.name}: run again") as found:
            try:
                limit = ("--limit", pole.name)
                log_name = f"site-{pole.name}-again"
                playbooks.run(street, "site", log_name, *limit, patience_s=_PATIENCE_S)
                found.append(health.doctor(pole))
            except PoleFailed as failure:
                words = "; ".join(map(str, its_own))
                raise PoleFailed(f"seed {seed}, {words}: {failure}") from None
        with life.alone(street):
            pole.cut()
