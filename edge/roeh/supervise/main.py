"""The supervisor: starts the processes in order, restarts within limits, shows the state."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import EXIT_OK, EXIT_USAGE, PeerGone, RestartsExhausted, RoehError
from roeh.core.ipc.stream import StreamClient
from roeh.core.log import log_error, log_for
from roeh.core.paths import evidence_socket
from roeh.core.peers import NodeStatus, NodeStatusRequest, Role, Verb
from roeh.supervise.children import Child, Exit
from roeh.supervise.restarts import RestartLimit

#: Evidence first, so that nobody waits for it; it is stopped last.
START_ORDER = (Role.EVIDENCE, Role.CAPTURE, Role.DETECT, Role.PUBLISH, Role.RETRIEVE)

_STOP_TIMEOUT_S = 5.0
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
    ) -> None:
        self._clock = clock
        self._on_state = on_state
        self._exits: queue.Queue[Exit] = queue.Queue()
        self._children = {role: Child(role, config_path, self._exits) for role in START_ORDER}
        self._limits = {role: RestartLimit(config.supervise) for role in START_ORDER}
        self._due_mono_ns: dict[Role, int] = {}
        self._given_up: set[Role] = set()
        self._ended: set[Role] = set()
        self._restarts = 0
        self._shown = ""
        self._status_client = StreamClient(
            evidence_socket(config), Role.SUPERVISE, clock, timeout_s=2.0
        )

    @property
    def pids(self) -> dict[Role, int]:
        """Process ids of those that run."""
        running = {role: child.pid for role, child in self._children.items()}
        return {role: pid for role, pid in running.items() if pid is not None}

    @property
    def ended(self) -> frozenset[Role]:
        """Those that ended on purpose, their work done."""
        return frozenset(self._ended)

    @property
    def restarts(self) -> int:
        """How often a process had to be started again."""
        return self._restarts

    def run(self, stop: threading.Event) -> int:
        """Start everything, keep it running until `stop`; the exit status of the node."""
        try:
            for role in START_ORDER:
                self._children[role].start()
            return self._watch(stop)
        finally:
            self._stop_all()

    def _watch(self, stop: threading.Event) -> int:
        next_poll_ns = self._clock.mono_ns()
        while not stop.is_set():
            fatal = self._take_exit(_POLL_S / 4)
            if fatal is not None:
                return fatal
            now_ns = self._clock.mono_ns()
            for role in [role for role, due_ns in self._due_mono_ns.items() if due_ns <= now_ns]:
                del self._due_mono_ns[role]
                self._restarts += 1
                self._children[role].start()
            if now_ns >= next_poll_ns:
                next_poll_ns = now_ns + int(_POLL_S * NS_PER_S)
                self._show_state()
        return RestartsExhausted.exit_status if self._given_up else EXIT_OK

    def _take_exit(self, timeout_s: float) -> int | None:
        """Deal with one ended process; a status when the whole node has to end."""
        try:
            ended = self._exits.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if ended.status == EXIT_OK:
            self._ended.add(ended.role)
            _log.info("%s is done", ended.role.value)
            return None
        first_start = self._limits[ended.role].recent == 0
        if first_start and ended.status >= EXIT_USAGE:
            # It said itself what is wrong; starting it again would not change that.
            return ended.status
        self._schedule(ended)
        return None

    def _schedule(self, ended: Exit) -> None:
        now_ns = self._clock.mono_ns()
        backoff_s = self._limits[ended.role].after_exit(now_ns)
        if backoff_s is None:
            self._given_up.add(ended.role)
            error = RestartsExhausted(
                what=f"{ended.role.value} {ended.describe()} too often and is left alone",
                which=ended.role.value,
                remedy="read its lines above, mend the cause, start the node again; "
                "the other processes go on",
            )
            log_error(_log, error)
            return
        _log.warning(
            "%s %s; starting it again in %.1f s", ended.role.value, ended.describe(), backoff_s
        )
        self._due_mono_ns[ended.role] = now_ns + int(backoff_s * NS_PER_S)

    def _show_state(self) -> None:
        """One line whenever the state of the node changed."""
        states = dict.fromkeys(START_ORDER, "starting")
        details: list[str] = []
        for report in self._reports().reports:
            states[Role(report.process)] = report.state
            if report.state != "ok" and report.detail:
                details.append(f"{report.process}: {report.detail}")
        for role in START_ORDER:
            if role in self._given_up:
                states[role] = "given up"
            elif role in self._ended:
                states[role] = "done"
            elif self._children[role].pid is None:
                states[role] = "down"
        line = "  ".join(f"{role.value} {state}" for role, state in states.items())
        if details:
            line += "  (" + "; ".join(details) + ")"
        if line != self._shown:
            self._shown = line
            self._on_state(line)

    def _reports(self) -> NodeStatus:
        try:
            return self._status_client.call(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
        except PeerGone:
            detail = "not answering"
        except RoehError as error:
            detail = str(error)
        return NodeStatus(0, "", (), 0, 0, 0, 0, 0, 0, detail)

    def _stop_all(self) -> None:
        """In the opposite order: what produces stops before what stores."""
        self._status_client.close()
        for role in (Role.CAPTURE, Role.DETECT, Role.RETRIEVE, Role.PUBLISH, Role.EVIDENCE):
            self._children[role].stop(_STOP_TIMEOUT_S)
