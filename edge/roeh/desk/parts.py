"""The parts of a desk as processes: started, started again after a wait that grows, ended."""

from __future__ import annotations

import enum
import queue
import subprocess
import sys
import threading
from pathlib import Path

import msgspec

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import DeskConfig
from roeh.core.errors import (
    EXIT_OK,
    ConfigError,
    KeyRefused,
    RestartsExhausted,
    RuntimeMissing,
)
from roeh.core.log import log_for
from roeh.core.notify import Notifier
from roeh.core.parent import tied_environment

_LOG = log_for("desk")
_FIRST_WAIT_S = 0.5
#: A part that ends again and again is tried this often, for as long as it takes.
_LONGEST_WAIT_S = 10.0
#: Longer than any wait: whoever ran for so long starts from the first wait.
_IS_WELL_AFTER_S = 60.0
#: So many ends in a row without being well, and a person is needed.
_MAX_ENDS = 30
_END_TIMEOUT_S = 15.0
#: What no new start can help against.
_HOPELESS = frozenset(error.exit_status for error in (ConfigError, KeyRefused, RuntimeMissing))


class DeskPart(enum.Enum):
    """The processes of a desk, in the order in which they are started."""

    INGEST = "ingest"
    WITNESS = "witness"
    REPUBLISH = "republish"


class _Ended(msgspec.Struct, frozen=True):
    """A part's process ended; `part` None: the desk itself is told to."""

    part: DeskPart | None
    status: int = 0


class _Running:
    """One part: its process, and how often it ended in a row."""

    def __init__(self, part: DeskPart) -> None:
        self.part = part
        self.process: subprocess.Popen[bytes] | None = None
        self.started_ns = 0
        self.ends = 0
        self.start_due_ns: int | None = 0


class DeskParts:
    """Runs the parts that desk.toml wants until told to stop.

    Args:
        config: of the desk.
        config_path: handed to each part.
        clock: times the waits.
    """

    def __init__(self, config: DeskConfig, config_path: Path, clock: Clock) -> None:
        self._config_path = config_path
        self._clock = clock
        self._notifier = Notifier()
        self._ended: queue.SimpleQueue[_Ended] = queue.SimpleQueue()
        self._running = {
            part: _Running(part)
            for part in DeskPart
            if part is not DeskPart.WITNESS or config.witness.enabled
        }

    def run(self, stop: threading.Event) -> int:
        """Until `stop`, or until a part cannot work; the exit status.

        Raises:
            RestartsExhausted: a part keeps ending.
        """
        threading.Thread(target=self._tell_stop, args=(stop,), name="stop", daemon=True).start()
        try:
            while not stop.is_set():
                self._start_due()
                self._notifier.progress()
                status = self._deal_with_next_end()
                if status is not None:
                    return status
        finally:
            self._notifier.stopping()
            self._end_all()
        return EXIT_OK

    def _start_due(self) -> None:
        now_ns = self._clock.mono_ns()
        for one in self._running.values():
            if one.start_due_ns is not None and now_ns >= one.start_due_ns:
                one.start_due_ns = None
                one.started_ns = now_ns
                one.process = self._start(one.part)
        if all(one.process is not None for one in self._running.values()):
            self._notifier.ready(f"{', '.join(part.value for part in self._running)} run")

    def _start(self, part: DeskPart) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "roeh", "desk", "run"),
                *("--only", part.value, "--config", str(self._config_path)),
            ],
            stdin=subprocess.DEVNULL,
            # Ctrl-C is for the desk, which ends its parts itself.
            start_new_session=True,
            env=_environment(),
        )
        waiting = threading.Thread(
            target=self._wait, args=(part, process), name=f"wait-{part.value}", daemon=True
        )
        waiting.start()
        return process

    def _wait(self, part: DeskPart, process: subprocess.Popen[bytes]) -> None:
        self._ended.put(_Ended(part, process.wait()))

    def _tell_stop(self, stop: threading.Event) -> None:
        stop.wait()
        self._ended.put(_Ended(None))

    def _deal_with_next_end(self) -> int | None:
        """Wait for an end or until a start is due; the desk's status if it is over."""
        due = [one.start_due_ns for one in self._running.values() if one.start_due_ns is not None]
        timeout_s = _LONGEST_WAIT_S
        if due:
            timeout_s = max(0.0, (min(due) - self._clock.mono_ns()) / NS_PER_S)
        try:
            ended = self._ended.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if ended.part is None:
            return None
        if ended.status in _HOPELESS:
            # It said why itself; a new start would say it again.
            return ended.status
        self._start_later(self._running[ended.part], ended.status)
        return None

    def _start_later(self, one: _Running, status: int) -> None:
        now_ns = self._clock.mono_ns()
        one.process = None
        if now_ns - one.started_ns >= _IS_WELL_AFTER_S * NS_PER_S:
            one.ends = 0
        one.ends += 1
        if one.ends > _MAX_ENDS:
            raise RestartsExhausted(
                what=f"ended {one.ends} times in a row",
                which=f"the part {one.part.value} of the desk",
                remedy=f"see what it says above, or run it alone: --only {one.part.value}",
            )
        wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** (one.ends - 1))
        one.start_due_ns = now_ns + round(wait_s * NS_PER_S)
        how = f"with status {status}" if status >= 0 else f"by signal {-status}"
        _LOG.warning("%s ended %s; started again in %.1f s", one.part.value, how, wait_s)

    def _end_all(self) -> None:
        """Ask all to end; end those that do not in time."""
        running = [one.process for one in self._running.values() if one.process is not None]
        for process in running:
            process.terminate()
        deadline_ns = self._clock.mono_ns() + round(_END_TIMEOUT_S * NS_PER_S)
        for process in running:
            try:
                process.wait(max(0.0, (deadline_ns - self._clock.mono_ns()) / NS_PER_S))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _environment() -> dict[str, str]:
    """A part's own: the service manager hears the desk and not its parts."""
    environment = tied_environment()
    environment.pop("NOTIFY_SOCKET", None)
    return environment
