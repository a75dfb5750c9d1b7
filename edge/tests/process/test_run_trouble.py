"""A camera that stops and a disk that is full: the node says so, goes on, and recovers."""

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from roeh.core.peers import Role
from roeh.transport.messages import HealthMessage
from tests.apt import require_packages
from tests.process.brokers import ControlRoom, running_broker
from tests.process.running_node import PATIENCE_S, Arrivals, running_node, write_street
from tests.process.small_disk import Disk, unmount
from tests.process.test_source_rtsp import PACKAGES, SIZE, Camera
from tests.waiting import wait_until

GATE = """
[evidence]
min_free_bytes = 0
[[sensors]]
name = "gate"
source = {{ kind = "rtsp", url = "{url}", stall_timeout_s = 1.0 }}
# The other way: what happens in the street is not its business.
azimuth_deg = 180.0
tilt_deg = 25.0
lens = {{ model = "pinhole", width_px = {width_px}, height_px = {height_px}, fov_deg = 60.0 }}
"""

pytestmark = pytest.mark.apt(" ".join(PACKAGES))


class Harbour:
    """A node with a drawn street and a network camera, its data on a small disk."""

    def __init__(self, directory, port, camera, disk):
        self.camera = camera
        self.disk = disk
        config_path = write_street(
            directory, port=port, data_dir=None if disk is None else disk.point / "data"
        )
        with config_path.open("a") as config:
            gate = {"url": camera.url, "width_px": SIZE.width_px, "height_px": SIZE.height_px}
            config.write(GATE.format(**gate))
        self.config_path = config_path
        self.arrivals = Arrivals(port)
        self.desk = ControlRoom(port, client_id="desk")
        self.node = None


@pytest.fixture(scope="module")
def harbour():
    require_packages(*PACKAGES)
    directory = Path(tempfile.mkdtemp(prefix="roeh-"))
    disk, camera = small_disk(directory), Camera()
    camera.start()
    try:
        with running_broker("embedded") as broker:
            harbour = Harbour(directory, broker.port, camera, disk)
            with running_node(harbour.config_path) as harbour.node:
                harbour.node.wait_until(lambda: harbour.arrivals.alerts)
                yield harbour
                harbour.arrivals.room.close()
                harbour.desk.connection.close()
    finally:
        camera.kill()
        if disk is not None:
            unmount(disk.point)
        shutil.rmtree(directory)


def small_disk(directory):
    try:
        return Disk(directory)
    except (subprocess.CalledProcessError, PermissionError):
        return None


def wait_for_condition(desk, condition):
    """The next health message that says so."""
    while (health := desk.next_message(HealthMessage)).condition != condition:
        pass
    return health


def test_a_camera_that_stops_makes_the_pole_blind_on_it_until_it_is_back(harbour):
    node, camera = harbour.node, harbour.camera
    node.wait_for_line("gate connected")
    node.wait_for_line("capture ok")
    said = len(node.said())
    capture = node.pid(Role.CAPTURE)
    camera.signal(signal.SIGSTOP)
    node.wait_for_line(r"capture blind .*\(.*capture: gate: ", since=said)
    health = wait_for_condition(harbour.desk, "blind")
    assert [name for name, state in health.processes.items() if state == "blind"] == ["capture"]
    assert health.details["capture"].startswith("gate: ")
    # The other camera sees on.
    harbour.arrivals.wait_for_more(2)
    said = len(node.said())
    camera.signal(signal.SIGCONT)
    node.wait_for_line("capture ok", since=said)
    assert node.pid(Role.CAPTURE) == capture
    assert "Traceback" not in node.said()


def test_alerts_wait_for_a_full_disk_and_none_is_lost(harbour):
    if harbour.disk is None:
        pytest.skip("needs root and a loop mount")
    node, arrivals = harbour.node, harbour.arrivals
    said = len(node.said())
    pids = node.pids()
    harbour.disk.fill()
    # What evidence names first is the recording or the alerts, whichever failed last.
    node.wait_for_line(
        r"evidence degraded .*detect degraded .*detect: alerts wait: no room", since=said
    )
    said = len(node.said())
    harbour.disk.free()
    node.wait_for_line("evidence ok .*detect ok", since=said)
    arrivals.wait_for_more(2)
    assert node.pids() == pids
    node.signal(signal.SIGTERM)
    assert node.ended() == 0
    stored = node.alerts()
    assert [alert.seq for alert in stored] == list(range(1, len(stored) + 1))
    wait_until(lambda: arrivals.seqs == {alert.seq for alert in stored}, PATIENCE_S)
    assert "Traceback" not in node.said()
