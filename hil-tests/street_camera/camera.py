"""Plugging the camera in and out: a process of its own, known by a file with its id."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from roeh.core.clock import NS_PER_S, Clock

REPOSITORY = Path(__file__).parent.parent.parent
#: The product's environment, which can decode, draw and encode.
_PRODUCT_PYTHON = REPOSITORY / ".venv/bin/python"
_CACHE = REPOSITORY / "build/cache/street"
#: Pictures a second, as they were taken (footage.py: FPS).
RATE_FPS = 10.0
#: GStreamer's binding belongs to the system's Python alone.
_SYSTEM_PYTHON = "/usr/bin/python3"
_END_PATIENCE_S = 10.0


class CameraFailed(Exception):
    """The camera could not be started: one sentence that says why."""


class StreetCamera:
    """One camera of a state directory.

    Args:
        state: where its process id and what it said are kept.
        clock: what time it is.
    """

    def __init__(self, state: Path, clock: Clock) -> None:
        self._record = state / "camera.pid"
        self._said = state / "camera.log"
        self._clock = clock

    def prepare(self) -> None:
        """Have the footage made, which takes longest.

        Raises:
            CameraFailed: it could not be.
        """
        _footage()

    def plug(self, address: str, port: int, rate_fps: float = RATE_FPS) -> bool:
        """Start it in this process's network namespace; False: it was there already.

        Args:
            address: where it listens.
            port: of RTSP.
            rate_fps: pictures a second; fewer than were taken are slow motion.

        Raises:
            CameraFailed: the footage could not be drawn, or nobody can listen there.
        """
        if self.pid is not None:
            return False
        footage = _footage()
        self._record.parent.mkdir(parents=True, exist_ok=True)
        server = Path(__file__).with_name("server.py")
        with self._said.open("wb") as said:
            process = subprocess.Popen(
                [_SYSTEM_PYTHON, server, address, str(port), footage, str(rate_fps)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
            )
        assert process.stdout is not None
        with process.stdout:
            listens = process.stdout.readline() == b"listening\n"
        if not listens:
            process.wait()
            raise CameraFailed(f"the street's camera ended: {self._said.read_text().strip()}")
        self._record.write_text(f"{process.pid} {_started(process.pid)}\n")
        return True

    def unplug(self) -> bool:
        """Kill it; False: it was not there. It is gone when this returns."""
        pid = self.pid
        if pid is None:
            return False
        os.kill(pid, signal.SIGKILL)
        deadline_ns = self._clock.mono_ns() + int(_END_PATIENCE_S * NS_PER_S)
        while self.pid is not None and self._clock.mono_ns() < deadline_ns:
            self._clock.wait(0.01)
        self._record.unlink(missing_ok=True)
        return True

    @property
    def pid(self) -> int | None:
        """Its process, where it runs; never another one that got its number."""
        try:
            pid, started = (int(word) for word in self._record.read_text().split())
        except (FileNotFoundError, ValueError):
            return None
        return pid if _started(pid) == started else None


def _footage() -> Path:
    """The footage; made first where it is not there (a few seconds)."""
    made = subprocess.run(
        [_PRODUCT_PYTHON, "-m", "street_camera.footage", _CACHE],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise CameraFailed(f"there is no footage: {made.stderr.strip()[-500:]}")
    return Path(made.stdout.strip())


def _started(pid: int) -> int | None:
    """When a process began, in ticks since the boot (proc(5)); None: it is not there."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])
