"""Builders that are killed (-9) at a step that they choose themselves."""

import os
import re
import signal
from pathlib import Path

from roeh.core.ipc.stream import StreamClient
from roeh.core.paths import evidence_socket
from roeh.core.peers import Role
from roeh.retrieve.exports.builder import Builder
from tests.built_exports import NO_RENDERER
from tests.process.children import CLOCK


class _Dying:
    """Evidence, asked until one question; killed before it or right after its answer."""

    def __init__(self, client, verb, *, step="", is_answered=False):
        self._client, self._verb, self._step = client, verb, step
        self._is_answered = is_answered

    def call(self, verb, request, answer_type):
        is_last = verb is self._verb and self._step in ("", getattr(request, "step", ""))
        if is_last and not self._is_answered:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = self._client.call(verb, request, answer_type)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


def build_and_die(config, export_id, verb, step, is_answered):
    """Killed before asking `verb` (for this step), or when it was answered."""
    client = StreamClient(evidence_socket(config), Role.RETRIEVE, CLOCK, timeout_s=30.0)
    evidence = _Dying(client, verb, step=step, is_answered=is_answered)
    Builder(config, evidence, CLOCK, NO_RENDERER).build(export_id)


def build_and_measure(config, export_id, result):
    """Build it and write the most memory that this took, in KiB, to the file `result`."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    client = StreamClient(evidence_socket(config), Role.RETRIEVE, CLOCK, timeout_s=30.0)
    Builder(config, client, CLOCK, NO_RENDERER).build(export_id)
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    result.write_text(peak)
