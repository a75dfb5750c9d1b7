"""A network camera in a process of its own, to be started, silenced and killed."""

import json
import struct
import subprocess
from pathlib import Path

from roeh.core.types import Size
from tests.ports import free_port

PACKAGES = (
    "gir1.2-gst-rtsp-server-1.0",
    "python3-gi",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-ugly",
)
SIZE = Size(320, 240)


def start_script(name, *arguments):
    """A script of GStreamer's in the system's own Python, once it listens."""
    command = ["/usr/bin/python3", str(Path(__file__).with_name(name)), *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout.readline() == "listening\n"
    return process


class ReplayedCameras:
    """Many cameras in one process, each sending pictures coded beforehand.

    `add` them, `start`, and close.
    """

    def __init__(self, directory):
        self._directory = directory
        self._port = free_port()
        self._process = None

    def add(self, name, pictures, *, codec="h264", stamps_ns=None, rate=25, **told):
        """A camera; `stamps_ns` of its pictures, -1 for none; more is in replayed_camera.py."""
        with (self._directory / f"{name}.stream").open("wb") as out:
            out.write(json.dumps({"codec": codec, "rate": rate} | told).encode() + b"\n")
            for index, content in enumerate(pictures):
                stamp_ns = index * 10**9 // rate if stamps_ns is None else stamps_ns[index]
                out.write(struct.pack(">qI", stamp_ns, len(content)) + content)

    def url(self, name):
        return f"rtsp://127.0.0.1:{self._port}/{name}"

    def start(self):
        self._process = start_script("replayed_camera.py", str(self._port), str(self._directory))

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


class Camera:
    """An RTSP camera in a process of its own, always on the same port."""

    def __init__(self, *login, codec="h264"):
        self.port = free_port()
        self.url = f"rtsp://127.0.0.1:{self.port}/live"
        self._login = login
        self.codec = codec
        self._process = None

    def start(self):
        size = (str(SIZE.width_px), str(SIZE.height_px))
        self._process = start_script(
            "rtsp_camera.py", str(self.port), *size, self.codec, *self._login
        )

    def signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process = None
