"""One soak: a camera, capture and evidence, all on a fast clock, watched for what they take."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path

from roeh.bench.processes import pss_bytes
from roeh.capture.main import run as run_capture
from roeh.core.clock import SystemClock
from roeh.core.config import parse_config
from roeh.core.errors import PeerGone
from roeh.core.ipc.slots import FrameClient
from roeh.core.paths import frames_socket
from tests.ports import free_port
from tests.process.children import evidence_main, kill, start
from tests.soak.camera import SIZES, camera_main
from tests.soak.fast_clock import FastClock
from tests.waiting import wait_until

CLOCK = SystemClock()
#: Of the machine's time: FFmpeg waits by that one, whatever the processes are told.
STALL_S = 0.5
_SAMPLE_EACH_S = 0.5
_END_PATIENCE_S = 30.0
NODE = """
[paths]
data_dir = "{directory}/data"
run_dir = "{directory}/run"
[evidence]
max_bytes = 33554432
min_free_bytes = 0
segment_s = 60.0
[detect]
fps = 1.0
[[sensors]]
name = "gate"
source = {{ kind = "rtsp", url = "rtsp://127.0.0.1:{port}/live", stall_timeout_s = {stall} }}
lens = {{ model = "pinhole", width_px = {width}, height_px = {height}, fov_deg = 60 }}
"""


@dataclass(frozen=True)
class Sample:
    """What a process took at a time of the stream."""

    process: str
    at_s: float
    pss_bytes: int
    descriptors: int
    threads: int


@dataclass
class Soaked:
    """What one run left behind."""

    directory: Path
    clock: FastClock
    plan: tuple
    duration_s: float
    samples: list[Sample] = field(default_factory=list)
    frames: int = 0
    statuses: dict[str, int | None] = field(default_factory=dict)

    @property
    def journal(self) -> Path:
        """What the camera wrote down."""
        return self.directory / "camera.jsonl"

    def samples_of(self, process: str) -> list[Sample]:
        """Those of one process."""
        return [sample for sample in self.samples if sample.process == process]


def capture_main(config, clock) -> None:
    """The capture process as a unit runs it."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    raise SystemExit(run_capture(config, clock, stop))


def soak(directory, plan, *, duration_s: float, speed: float) -> Soaked:
    """Let the camera's whole plan come true; the processes end as they should."""
    port = free_port()
    width_px, height_px = SIZES[0]
    config = parse_config(
        NODE.format(
            directory=directory, port=port, width=width_px, height=height_px, stall=STALL_S
        ),
        name="soak.toml",
    )
    clock = FastClock.starting_now(speed)
    soaked = Soaked(directory, clock, plan, duration_s)
    stop = threading.Event()
    with contextlib.ExitStack() as closing:
        camera = start(camera_main, port, plan, duration_s, clock, soaked.journal)
        closing.callback(kill, camera)
        evidence = start(evidence_main, config, clock)
        closing.callback(kill, evidence)
        capture = start(capture_main, config, clock)
        closing.callback(kill, capture)
        detect = threading.Thread(target=_take_frames, args=(config, stop, soaked))
        detect.start()
        closing.callback(detect.join)
        closing.callback(stop.set)
        pids = {"capture": capture.pid, "evidence": evidence.pid}
        while camera.is_alive():
            camera.join(_SAMPLE_EACH_S)
            soaked.samples.extend(_sample(clock, name, pid) for name, pid in pids.items())
        wait_until(lambda: not camera.is_alive(), _END_PATIENCE_S)
        for name, process in (("capture", capture), ("evidence", evidence)):
            process.terminate()
            process.join(_END_PATIENCE_S)
            soaked.statuses[name] = process.exitcode
    samples = "\n".join(json.dumps(asdict(sample)) for sample in soaked.samples)
    (directory / "samples.jsonl").write_text(samples, encoding="utf-8")
    return soaked


def _sample(clock, process, pid) -> Sample:
    return Sample(
        process,
        at_s=clock.since_start_s(),
        pss_bytes=pss_bytes([pid]),
        descriptors=_entries(pid, "fd"),
        threads=_entries(pid, "task"),
    )


def _entries(pid: int, what: str) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/{what}").iterdir())


def _take_frames(config, stop, soaked) -> None:
    """As detection does: take each frame, and give it back."""
    frames = FrameClient(frames_socket(config))
    while not stop.is_set():
        try:
            offered = frames.next(0.2)
        except PeerGone:
            CLOCK.wait(0.05, stop)
            continue
        if offered is not None:
            soaked.frames += 1
            offered.release()
    frames.close()
