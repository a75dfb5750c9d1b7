"""Whether the microphone that is set up hears anything."""

from __future__ import annotations

import math
from collections.abc import Iterator

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import NodeConfig
from roeh.core.paths import evidence_socket
from roeh.core.peers import NodeStatus, Role
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, bad, doubtful, good
from roeh.doctor.running import is_bound
from roeh.doctor.sensors import node_status

_LISTEN_S = 2.0
_ASK_S = 0.1


def check_microphone(config: NodeConfig, clock: Clock) -> Iterator[Outcome]:
    """Of a node that runs what it says itself; of one that stands still by listening."""
    device = config.microphone.device
    if not device:
        yield good("no microphone is set up")
        return
    if is_bound(evidence_socket(config)):
        status = node_status(config, clock)
        if status is None:
            yield doubtful(Code.MICROPHONE_SILENT, "the node runs, and evidence does not answer")
        else:
            yield judge_running_microphone(status, device)
        return
    try:
        from roeh.sources.microphone.ear import Ear  # noqa: PLC0415  # the doctor speaks without it
        from roeh.sources.microphone.microphone import Microphone  # noqa: PLC0415  # likewise
    except ImportError as error:
        yield bad(Code.LIBRARY_MISSING, f"cannot be tried ({error})", "mend the libraries first")
        return
    ear = Ear()
    microphone = Microphone(config.microphone, clock, ear.hear)
    microphone.start()
    level_db = -math.inf
    until_ns = clock.mono_ns() + round(_LISTEN_S * NS_PER_S)
    while not microphone.trouble() and clock.mono_ns() < until_ns:
        clock.wait(_ASK_S)
        level_db = max(level_db, ear.take() or -math.inf)
    trouble = microphone.trouble()
    microphone.close()
    if level_db == -math.inf:
        yield doubtful(
            Code.MICROPHONE_SILENT, trouble or f"microphone {device}: nothing for {_LISTEN_S:.0f} s"
        )
    else:
        unit = "dB of full scale" if config.microphone.calibration_db is None else "dB(A)"
        yield good(f"microphone {device} hears {level_db:.0f} {unit}")


def judge_running_microphone(status: NodeStatus, device: str) -> Outcome:
    """What a node that runs says of its microphone."""
    for report in status.reports:
        if report.process == Role.CAPTURE.value:
            for line in report.detail.split("; "):
                if line.startswith("microphone "):
                    return doubtful(Code.MICROPHONE_SILENT, f"the running node says: {line}")
            return good(f"the node runs, and hears microphone {device}")
    return doubtful(Code.MICROPHONE_SILENT, "the node runs, and capture does not say anything")
