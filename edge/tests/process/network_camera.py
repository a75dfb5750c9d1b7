"""A network camera in a process of its own, to be started, silenced and killed."""

import socket
import subprocess
from pathlib import Path

from roeh.core.types import Size

PACKAGES = (
    "gir1.2-gst-rtsp-server-1.0",
    "python3-gi",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-ugly",
)
SIZE = Size(320, 240)


class Camera:
    """An RTSP camera in a process of its own, always on the same port."""

    def __init__(self, *login, codec="h264"):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"rtsp://127.0.0.1:{self.port}/live"
        self._login = login
        self._codec = codec
        self._process = None

    def start(self):
        script = Path(__file__).with_name("rtsp_camera.py")
        size = (str(SIZE.width_px), str(SIZE.height_px))
        command = ["/usr/bin/python3", str(script), str(self.port), *size, self._codec]
        self._process = subprocess.Popen(
            [*command, *self._login], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout.readline() == "listening\n"

    def signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process = None
