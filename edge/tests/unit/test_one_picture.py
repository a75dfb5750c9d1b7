"""One picture of a camera: awaited for so long only, and read as its lens drew it."""

import socket

import cv2
import numpy as np
import pytest

from roeh.core.clock import SystemClock
from roeh.core.config import LensSection, RtspSource, SensorSection
from roeh.core.errors import CameraMissing, SourceUnreadable
from roeh.media.picture_file import read_picture
from roeh.sources.one_picture import live_picture

#: "Held upright: turn by 90 degrees", as a telephone writes it (Exif 2.3, tag 0x0112 is 6).
TURNED = bytes.fromhex(
    "ffe10022457869660000 4d4d002a00000008 0001 01120003000000010006 0000 00000000"
)


def test_a_camera_that_says_nothing_is_not_awaited_for_ever():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        section = SensorSection(
            name="gate",
            source=RtspSource(url=f"rtsp://127.0.0.1:{silent.getsockname()[1]}/"),
            lens=LensSection(width_px=320, height_px=240, fov_deg=180.0),
        )
        with pytest.raises(CameraMissing, match=r"no picture within 0\.3 s"):
            live_picture(section, clock=SystemClock(), heading_deg=0.0, patience_s=0.3)


def test_a_picture_is_as_the_lens_drew_it_whatever_its_header_says(tmp_path):
    encoded = cv2.imencode(".jpg", np.full((40, 60, 3), 90, np.uint8))[1].tobytes()
    path = tmp_path / "held.jpg"
    path.write_bytes(encoded[:2] + TURNED + encoded[2:])
    assert read_picture(path).shape == (40, 60, 3)
    assert read_picture(path, is_gray=True).shape == (40, 60)
    assert read_picture(path, is_turned=True).shape == (60, 40, 3)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8 and no more"])
def test_what_is_no_picture_is_refused(tmp_path, content):
    path = tmp_path / "odd.jpg"
    path.write_bytes(content)
    with pytest.raises(SourceUnreadable, match="not a picture"):
        read_picture(path)
