"""A probe in the place of a process: its unit, word for word, with another program in it."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from suite.machine import PRODUCT_PYTHON, Machine
from suite.pole import unit_of

_PROBE = Path(__file__).parent / "probes/confined.py"
_DIRECTORY = "/run/roeh-probes"
#: What says how a unit is run, and not in what.
_OF_RUNNING = re.compile(
    r"^(ExecStart|ExecStartPre|ExecStartPost|Type|NotifyAccess|WatchdogSec|Restart|RestartSec"
    r"|RestartPreventExitStatus|Timeout\w+|After|Wants|Requires|PartOf|BindsTo|StandardOutput)="
)
_EXPOSURE = re.compile(r"Overall exposure level for (\S+): ([0-9.]+)")


def exposures(machine: Machine, units: Sequence[str]) -> dict[str, float]:
    """What `systemd-analyze security` gives each unit: 0 (closed) to 10."""
    said = machine.run("; ".join(f"systemd-analyze security --no-pager {unit}" for unit in units))
    found = {match[1]: float(match[2]) for match in _EXPOSURE.finditer(said)}
    assert set(found) == set(units), said
    return found


def probe_text(unit_text: str, program: str, out: str) -> str:
    """A unit that runs a program once, in what another unit's text says.

    Args:
        unit_text: as `systemctl cat` has it, with its drop-ins.
        program: a command line.
        out: the file that it writes to.
    """
    kept = [line for line in unit_text.splitlines() if not _OF_RUNNING.match(line)]
    own = ["[Service]", "Type=oneshot", f"ExecStart={program}", f"StandardOutput=file:{out}"]
    return "\n".join([*kept, *own, ""])


def tried(machine: Machine, roles: Sequence[str], *arguments: str) -> dict[str, dict[str, str]]:
    """What each process could do, had somebody taken it over: role → try → what came of it.

    Args:
        machine: the pole.
        roles: whose units.
        arguments: of probes/confined.py.
    """
    program = f"{_DIRECTORY}/confined.py"
    line = f"{PRODUCT_PYTHON} {program} {' '.join(arguments)}"
    files = {program: _PROBE.read_text()}
    units = {role: f"roeh-probe-{role}.service" for role in roles}
    for role, unit in units.items():
        text = machine.run(f"systemctl cat {unit_of(role)}")
        out = f"{_DIRECTORY}/{role}.json"
        files[f"/run/systemd/system/{unit}"] = probe_text(text, line, out)
    # Where everybody may enter and only root writes; not in /tmp, which is another one to each.
    script = [f"mkdir -p -m 0755 {_DIRECTORY}"]
    for path, content in files.items():
        coded = base64.b64encode(content.encode()).decode()
        script.append(f"echo {coded} | base64 -d > {path}; chmod 0644 {path}")
    every = " ".join(units.values())
    script.append(f"systemctl daemon-reload; systemctl start {every}")
    try:
        machine.run("\n".join(script))
        return {
            role: msgspec.json.decode(
                machine.run(f"cat {_DIRECTORY}/{role}.json"), type=dict[str, str]
            )
            for role in roles
        }
    finally:
        machine.run(
            f"rm -rf {_DIRECTORY} /run/systemd/system/roeh-probe-*;"
            f" systemctl reset-failed {every} 2>/dev/null; systemctl daemon-reload"
        )
