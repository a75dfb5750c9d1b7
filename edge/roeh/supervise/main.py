"""The supervisor: starts the processes in order, restarts within limits, shows the state.

Ending loses nothing: first capture, so that no more frames come; then detect, which
hands what it found to evidence; then, for a moment, publish may send what waits; then
publish; evidence last.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path

from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.config import ComposedSource, FileSource, NodeConfig, PanoramaSource, SensorSection
from roeh.core.errors import EXIT_OK, EXIT_USAGE, RestartsExhausted, RoehError
from roeh.core.ipc.stream import StreamClient
from roeh.core.log import log_error, log_for
from roeh.core.paths import evidence_socket
from roeh.core.peers import PROCESSES, NodeStatus, NodeStatusRequest, Role, Verb
from roeh.core.types import ProcessReport
from roeh.supervise.children import Child, Exit
from roeh.supervise.claim import claimed
from roeh.supervise.restarts import RestartLimit
from roeh.supervise.state import ProcessFacts, state_line

#: A process that says within this time of the node's start that it cannot work is right:
#: the node ends with its status. Later the others have work to do and go on.
_SETTLING_S = 30.0
_END_TIMEOUT_S = 5.0
_DRAIN_PATIENCE_S = 2.0
_DRAIN_POLL_S = 0.02
_POLL_S = 1.0

_log = log_for("run")


class Supervisor:
    """All processes of one node."""

    def __init__(
        self,
        config: NodeConfig,
        config_path: Path,
        clock: Clock,
        *,
        on_state: Callable[[str], None],
        quiet: bool = False,
    ) -> None:
        self._clock = clock
        self._on_state = on_state
        self._run_dir = Path(config.paths.run_dir)
        self._footage_ends = all(_ends(sensor) for sensor in config.sensors)
        self._exits: queue.Queue[Exit] = queue.Queue()
        self._children = {
            role: Child(role, config_path, self._exits, clock, quiet=quiet) for role in PROCESSES
        }
        self._silent_us = round(config.supervise.silent_s * NS_PER_S) // NS_PER_US
        self._limits = {role: RestartLimit(config.supervise) for role in PROCESSES}
        self._due_mono_ns: dict[Role, int] = {}
        self._given_up: set[Role] = set()
        self._done: set[Role] = set()
        self._reports: tuple[ProcessReport, ...] = ()
        self._restarting: tuple[str, ...] = ()
        self._answers_since_us: int | None = None
        self._shown = ""
        self._inherited = -1
        self._evidence = StreamClient(evidence_socket(config), Role.SUPERVISE, clock, timeout_s=2.0)

    def run(self, stop: threading.Event) -> int:
        """Start everything, keep it running until `stop`; the exit status of the node.

        Raises:
            StorageFailed, OutputRefused: another node runs here, or none can.
        """
        with claimed(self._run_dir, self._clock, stop) as self._inherited:
            try:
                for role in PROCESSES:
                    self._children[role].start(self._inherited)
                return self._watch(stop)
            finally:
                self._end_all()
                self._evidence.close()

    def _watch(self, stop: threading.Event) -> int:
        started_ns = next_poll_ns = self._clock.mono_ns()
        while not stop.is_set():
            ended = self._next_exit(_POLL_S / 4)
            now_ns = self._clock.mono_ns()
            if ended is not None:
                settling = now_ns - started_ns < _SETTLING_S * NS_PER_S
                if settling and self._cannot_work(ended):
                    return ended.status
                self._deal_with(ended, now_ns)
            for role in [role for role, due_ns in self._due_mono_ns.items() if due_ns <= now_ns]:
                del self._due_mono_ns[role]
                self._children[role].start(self._inherited)
            if now_ns >= next_poll_ns:
                next_poll_ns = now_ns + int(_POLL_S * NS_PER_S)
                self._show_state()
                self._end_hanging(now_ns // NS_PER_US)
        return RestartsExhausted.exit_status if self._given_up else EXIT_OK

    def _next_exit(self, timeout_s: float) -> Exit | None:
        try:
            return self._exits.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def _cannot_work(self, ended: Exit) -> bool:
        """Whether it said itself what is wrong, and starting it again would not help."""
        return ended.status >= EXIT_USAGE and self._children[ended.role].starts == 1

    def _deal_with(self, ended: Exit, now_ns: int) -> None:
        name = ended.role.value
        if self._is_ordered(ended):
            # It did what it was told: that counts against nobody.
            _log.info("%s ended by order; starting it again", name)
            self._due_mono_ns[ended.role] = now_ns
            return
        if ended.role is Role.CAPTURE and ended.status == EXIT_OK and self._footage_ends:
            self._done.add(ended.role)
            _log.info("%s is done", name)
            return
        backoff_s = self._limits[ended.role].after_exit(now_ns)
        if backoff_s is None:
            self._given_up.add(ended.role)
            error = RestartsExhausted(
                what=f"it {ended.describe()} too often and is left alone",
                which=name,
                remedy="read its lines above, mend the cause, start the node again; "
                "the other processes go on",
            )
            log_error(_log, error)
            return
        _log.warning("%s %s; starting it again in %.1f s", name, ended.describe(), backoff_s)
        self._due_mono_ns[ended.role] = now_ns + int(backoff_s * NS_PER_S)

    def _is_ordered(self, ended: Exit) -> bool:
        """Whether the control room wanted it to end and be started again.

        Evidence, which knows, ends by itself for no other reason.
        """
        if ended.status != EXIT_OK:
            return False
        self._look_at_status()
        return ended.role is Role.EVIDENCE or ended.role.value in self._restarting

    def _end_hanging(self, now_us: int) -> None:
        """Kill a capture that ran well and is silent: a driver may hold up all of it for ever.

        Only where evidence has answered for as long: what it was told before it was away
        says nothing. The others wait for each other on purpose, and keep what they have.
        """
        child = self._children[Role.CAPTURE]
        if self._silent_us == 0 or child.pid is None or self._answers_since_us is None:
            return
        for report in self._reports:
            started_us = child.started_mono_ns // NS_PER_US
            if report.process != Role.CAPTURE.value or report.t_mono_us < started_us:
                continue
            silent_us = now_us - max(report.t_mono_us, self._answers_since_us)
            if silent_us > self._silent_us:
                _log.warning("capture says nothing for %d s: ending it", silent_us // 1_000_000)
                child.kill()

    def _look_at_status(self) -> None:
        status = self._status()
        if status is None:
            self._answers_since_us = None
            return
        self._reports, self._restarting = status.reports, status.restarting
        if self._answers_since_us is None:
            self._answers_since_us = self._clock.mono_ns() // NS_PER_US

    def _show_state(self) -> None:
        """One line whenever the state of the node changed."""
        self._look_at_status()
        line = state_line(
            {role: self._facts(role) for role in PROCESSES},
            self._reports,
        )
        if line != self._shown:
            self._shown = line
            self._on_state(line)

    def _facts(self, role: Role) -> ProcessFacts:
        child = self._children[role]
        return ProcessFacts(
            running=child.pid is not None,
            started_mono_us=child.started_mono_ns // NS_PER_US,
            given_up=role in self._given_up,
            done=role in self._done,
        )

    def _status(self) -> NodeStatus | None:
        try:
            return self._evidence.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
        except RoehError:
            # Evidence says in its own line what is wrong; here it shows as silent or down.
            return None

    def _end_all(self) -> None:
        """What produces ends before what stores, and what stores before nothing is left."""
        self._children[Role.RETRIEVE].ask_to_end()
        self._end(Role.CAPTURE)
        self._end(Role.DETECT)
        self._let_publish_drain()
        for role in (Role.PUBLISH, Role.RETRIEVE, Role.EVIDENCE):
            self._end(role)

    def _end(self, role: Role) -> None:
        if not self._children[role].end(_END_TIMEOUT_S):
            _log.warning("%s did not end within %.0f s and was killed", role.value, _END_TIMEOUT_S)

    def _let_publish_drain(self) -> None:
        """While the broker takes what waits, let it; what is left waits on the disk."""
        deadline_ns = self._clock.mono_ns() + int(_DRAIN_PATIENCE_S * NS_PER_S)
        while self._clock.mono_ns() < deadline_ns:
            status = self._status()
            if status is None or status.outbox_rows == 0 or not self._connected(status):
                return
            self._clock.wait(_DRAIN_POLL_S)

    def _connected(self, status: NodeStatus) -> bool:
        running = self._children[Role.PUBLISH].pid is not None
        return running and any(
            report.process == Role.PUBLISH.value and report.state == "ok"
            for report in status.reports
        )


def _ends(sensor: SensorSection) -> bool:
    """Whether this camera's pictures come to an end of their own."""
    source = sensor.source
    if sensor.stop_after_s > 0:
        return True
    if isinstance(source, FileSource | PanoramaSource):
        return not source.loop
    return isinstance(source, ComposedSource) and source.duration_s > 0
