"""The same clip through Debian's Motion, which finds motion and no objects: what that costs."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import msgspec

from roeh.bench.processes import cpu_s, family, pss_bytes
from roeh.core.clock import Clock

PROGRAM = "motion"
_WARM_UP_S = 4.0
_TIMEOUT_S = 10.0


class PeerFigures(msgspec.Struct, frozen=True):
    """What the peer cost.

    Attributes:
        version: as it says of itself.
        cpu_s_per_s: CPU-seconds per camera-second, all of it.
        pss_bytes: of its memory.
    """

    version: str
    cpu_s_per_s: float
    pss_bytes: int


def measure_motion(clip: Path, fps: int, clock: Clock, *, duration_s: float) -> PeerFigures | None:
    """Let Motion watch a clip at its own pace; None where it is not installed.

    It decodes and looks for motion; pictures, films, streams and its web page are off, as in
    edge/design/scoreboard.md.

    Args:
        clip: 1280 x 720, longer than the measured time and the warm-up.
        fps: of the clip.
        clock: measures.
        duration_s: measured time.
    """
    program = shutil.which(PROGRAM) or shutil.which(PROGRAM, path="/usr/bin:/usr/sbin")
    if program is None:
        return None
    with tempfile.TemporaryDirectory(prefix="roeh-bench-motion-") as directory:
        config = Path(directory) / "motion.conf"
        config.write_text(_config(clip, fps, directory), encoding="utf-8")
        with subprocess.Popen(
            [program, "-n", "-c", str(config)],
            cwd=directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as peer:
            try:
                clock.wait(_WARM_UP_S)
                pids = family(peer.pid)
                before_s, start_ns = cpu_s(pids), clock.mono_ns()
                clock.wait(duration_s)
                spent_s = cpu_s(pids) - before_s
                elapsed_s = (clock.mono_ns() - start_ns) / 1e9
                memory_bytes = pss_bytes(pids)
            finally:
                peer.terminate()
                try:
                    peer.wait(_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    peer.kill()
    return PeerFigures(_version(program), spent_s / elapsed_s, memory_bytes)


def _config(clip: Path, fps: int, directory: str) -> str:
    """Everything off that is not watching."""
    return (
        f"daemon off\nsetup_mode off\nlog_level 4\ntarget_dir {directory}\n"
        f"width 1280\nheight 720\nframerate {fps}\nnetcam_url file://{clip.resolve()}\n"
        "picture_output off\nmovie_output off\nwebcontrol_port 0\nstream_port 0\n"
    )


def _version(program: str) -> str:
    said = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout
    first = said.strip().splitlines()[:1]
    return first[0].partition(",")[0] if first else PROGRAM
