"""The process under test: the node's own evidence, as the node runs it, on a disk to be cut."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from roeh.core.clock import ClockReading, SystemClock
from roeh.core.config import NodeConfig, parse_config
from roeh.core.errors import RoehError
from roeh.core.paths import evidence_socket
from roeh.evidence.main import run
from tests.powercut.disks import DiskKind, cut_by_ioctl
from tests.powercut.panel import Panel
from tests.powercut.plan import NearStep
from tests.powercut.steps import take_aim
from tests.powercut.unsynced import Unsynced, never_sync

CAMERAS = ("north", "south")
#: How much shorter it waits for anything.
_HASTE = 50

_SENSOR = """
[[sensors]]
name = "{camera_id}"
source = {{ kind = "composed" }}
lens = {{ width_px = 640, height_px = 640, fov_deg = 180 }}
"""
#: A ring so small that segments are deleted, and locks give way, within a few cuts.
_NODE = """
[paths]
data_dir = "{point}/data"
run_dir = "{run_dir}"

[evidence]
max_bytes = 1048576
min_free_bytes = 0
segment_s = 1.0
pre_roll_s = 1.0
post_roll_s = 1.0
"""


class Powered(msgspec.Struct, frozen=True):
    """One opening of the store.

    Attributes:
        point: where the disk is mounted.
        boot_id: of this power-on.
        said: the file that gets its standard error.
    """

    point: Path
    run_dir: Path
    boot_id: str
    said: Path
    kind: DiskKind
    aim: NearStep | None
    unsynced: Unsynced | None

    @property
    def socket(self) -> Path:
        """Where it answers."""
        return evidence_socket(self.config())

    def config(self) -> NodeConfig:
        """The node's."""
        text = _NODE.format(point=self.point, run_dir=self.run_dir)
        return parse_config(
            text + "".join(_SENSOR.format(camera_id=camera_id) for camera_id in CAMERAS),
            name="node.toml",
        )


class BootClock(SystemClock):
    """The machine's clocks, in a boot of its own, and without patience.

    What evidence does every ten seconds falls into every session.
    """

    def __init__(self, boot_id: str) -> None:
        self._boot_id = boot_id

    def read(self) -> ClockReading:
        return msgspec.structs.replace(super().read(), boot_id=self._boot_id)

    def wait(self, duration_s: float, stop: threading.Event | None = None) -> bool:
        return super().wait(duration_s / _HASTE, stop)


def evidence(powered: Powered, panel: Panel) -> None:
    """Run until SIGTERM; the exit status is that of the process."""
    os.dup2(os.open(powered.said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if powered.unsynced is not None:
        never_sync(powered.unsynced)
    if powered.aim is not None:
        take_aim(powered.aim, _cutter(powered, panel))
    try:
        status = run(powered.config(), BootClock(powered.boot_id), stop)
    except RoehError as error:
        os.write(2, error.line().encode() + b"\n")
        status = error.exit_status
    raise SystemExit(status)


def _cutter(powered: Powered, panel: Panel) -> Callable[[int], None]:
    """Cuts the power so many writes from now; ext4 is stopped right there."""

    def cut(writes: int) -> None:
        if powered.kind is DiskKind.SHUTDOWN:
            cut_by_ioctl(powered.point, panel)
        else:
            panel.numbers.cut_at_write = panel.numbers.writes + writes

    return cut
