"""The cameras of the machine: which there are, and taking them away."""

import subprocess
from pathlib import Path

from tests.waiting import wait_until

#: Where libcamera's virtual pipeline reads which cameras there are, when it starts.
_CONFIGURATION = Path("/usr/share/libcamera/pipeline/virtual/virtual.yaml")

#: Frames for detection and pictures for the record have these sizes.
FRAMES_PX = (640, 480)
RECORDED_PX = (800, 600)
#: The one that is unplugged, as picamera2 counts: it sorts them by name, the last one first.
UNPLUGGED_NUMBER = 1

_CAMERA = """
"{name}":
  supported_formats:
  - width: 640
    height: 480
    frame_rates: [5, 30]
  - width: 800
    height: 600
    frame_rates: [5, 30]
  test_pattern: "bars"
  location: CameraLocationFront
  model: "Virtual Video Device"
"""


def plug_cameras_in():
    """Two virtual cameras, from libcamera's next start on."""
    _write("Virtual0", "Virtual9")


def unplug_camera():
    """One less: number `UNPLUGGED_NUMBER` is not there any more.

    Another has to stay: libcamera 0.4's virtual pipeline, once it found no camera at all, finds
    none again for as long as its process lives.
    """
    _write("Virtual9")


def _write(*names):
    _CONFIGURATION.parent.mkdir(parents=True, exist_ok=True)
    cameras = "".join(_CAMERA.format(name=name) for name in names)
    _CONFIGURATION.write_text(f"%YAML 1.1\n---{cameras}")


#: The kernel's test camera, a V4L2 device like a USB camera; loaded with conftest.py.
VIVID_DEVICE = "/dev/video0"
_VIVID = Path("/sys/bus/platform/drivers/vivid")
_VIVID_NAME = "vivid.0"


def load_vivid():
    """One camera and no other device of vivid's."""
    subprocess.run(["modprobe", "vivid", "n_devs=1", "node_types=0x1"], check=True)
    wait_until(Path(VIVID_DEVICE).exists, 60.0)


def unplug_vivid():
    """The kernel takes the device from whoever has it open: their next call is ENODEV."""
    (_VIVID / "unbind").write_text(_VIVID_NAME)


def plug_vivid_in():
    """It is there again, under the same name; nothing happens where it was not away."""
    if not (_VIVID / _VIVID_NAME).exists():
        (_VIVID / "bind").write_text(_VIVID_NAME)
