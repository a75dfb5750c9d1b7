"""A probe in the place of a process: its unit, word for word, with another program in it."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import msgspec

from suite.machine import PRODUCT_PYTHON, Machine
from suite.pole import unit_of

_PROBE = Path(__file__).parent / "probes/confined.py"
#: What says how a unit is run, and not in what.
_OF_RUNNING = re.compile(
    r"^(ExecStart|ExecStartPre|ExecStartPost|Type|NotifyAccess|WatchdogSec|Restart|RestartSec"
    r"|RestartPreventExitStatus|Timeout\w+|After|Wants|Requires|PartOf|BindsTo|StandardOutput)="
)
_EXPOSURE = re.compile(r"Overall exposure level for \S+: ([0-9.]+)")


def exposure(machine: Machine, unit: str) -> float:
    """What `systemd-analyze security` gives a unit: 0 (closed) to 10."""
    said = machine.run(f"systemd-analyze security --no-pager {unit}")
    match = _EXPOSURE.search(said)
    assert match is not None, said
    return float(match[1])


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


def tried_in(machine: Machine, role: str, *arguments: str) -> dict[str, str]:
    """What a process of that role could do, had somebody taken it over: try → what came of it.

    Args:
        machine: the pole.
        role: whose unit.
        arguments: of probes/confined.py.
    """
    unit, out = f"roeh-probe-{role}.service", f"/run/roeh-probe-{role}.json"
    program = f"/run/roeh-probe-{role}.py"
    text = machine.run(f"systemctl cat {unit_of(role)}")
    line = f"{PRODUCT_PYTHON} {program} {' '.join(arguments)}"
    files = {
        program: _PROBE.read_text(),
        f"/run/systemd/system/{unit}": probe_text(text, line, out),
    }
    for path, content in files.items():
        coded = base64.b64encode(content.encode()).decode()
        machine.run(f"echo {coded} | base64 -d > {path}; chmod 0644 {path}")
    try:
        machine.run(f"systemctl daemon-reload; rm -f {out}; systemctl start {unit}")
        return msgspec.json.decode(machine.run(f"cat {out}"), type=dict[str, str])
    finally:
        machine.run(
            f"rm -f {' '.join(files)} {out}; systemctl reset-failed {unit} 2>/dev/null;"
            " systemctl daemon-reload"
        )
