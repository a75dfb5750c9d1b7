"""Whether what deters can be let on. Nothing is switched to find out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from roeh.core.clock import Clock
from roeh.core.config import GpioOutput, NodeConfig, OutputSection, SoundOutput
from roeh.core.paths import evidence_socket
from roeh.core.peers import NodeStatus, Role
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, bad, doubtful, good
from roeh.doctor.running import is_bound
from roeh.doctor.sensors import node_status

_RIFF = b"RIFF"


def check_outputs(config: NodeConfig, clock: Clock) -> Iterator[Outcome]:
    """Of a node that runs what it says itself; of one that stands still by what is there."""
    if not config.outputs:
        yield good("no outputs are set up")
        return
    status = node_status(config, clock) if is_bound(evidence_socket(config)) else None
    for output in config.outputs:
        yield _of_still_node(output) if status is None else judge_running_output(status, output)


def judge_running_output(status: NodeStatus, output: OutputSection) -> Outcome:
    """What a node that runs says of an output."""
    name = f"output {output.name}"
    for report in status.reports:
        if report.process == Role.CAPTURE.value:
            for line in report.detail.split("; "):
                if line.startswith(f"{name}: "):
                    return bad(Code.OUTPUT_FAILED, line, "see what is connected, and to what")
            return good(f"the node runs, and {name} troubles it with nothing")
    return doubtful(Code.OUTPUT_FAILED, f"{name}: the node runs, and capture does not say anything")


def _of_still_node(output: OutputSection) -> Outcome:
    name = f"output {output.name}"
    path = Path(output.chip if isinstance(output, GpioOutput) else output.file)
    if isinstance(output, GpioOutput):
        wrong, remedy = _of_chip(path), "compare chip and line with `gpioinfo`"
    elif isinstance(output, SoundOutput):
        wrong, remedy = _of_sound(path), "put a WAV file there that roeh's user can read"
    else:
        is_there = os.access(path.parent, os.W_OK)
        wrong, remedy = "" if is_there else "cannot be written", "name a file in such a directory"
    if wrong:
        return bad(Code.OUTPUT_FAILED, f"{name}: {path} {wrong}", remedy)
    return good(f"{name}: {path} is there")


def _of_chip(path: Path) -> str:
    """What is wrong with a chip; empty: nothing."""
    try:
        is_device = stat.S_ISCHR(path.stat().st_mode)
    except OSError as error:
        return f"cannot be had ({error.strerror})"
    if not is_device:
        return "is no GPIO chip"
    return "" if os.access(path, os.R_OK | os.W_OK) else "cannot be used by this user"


def _of_sound(path: Path) -> str:
    """What is wrong with a file; empty: nothing."""
    try:
        with path.open("rb") as file:
            return "" if file.read(4) == _RIFF else "is no WAV"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
