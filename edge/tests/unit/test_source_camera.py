"""Network cameras as far as no camera is needed: addresses, and one that is not there."""

from __future__ import annotations

import socket
import threading

import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.config import RtspSource
from roeh.core.errors import ConfigError
from roeh.core.types import Frame, Size
from roeh.sources.mailbox import KEPT_FRAMES, Mailbox
from roeh.sources.network.camera_address import camera_address
from roeh.sources.network.rtsp import RtspFrames
from roeh.sources.protocol import SourceFrame, SourceNotice, SourceState


@pytest.mark.parametrize(
    ("url", "opened", "shown"),
    [
        ("rtsp://cam/live", "rtsp://cam/live", "rtsp://cam/live"),
        ("rtsp://a:b@cam:8554/x?y=1", "rtsp://a:b@cam:8554/x?y=1", "rtsp://cam:8554/x"),
        ("rtsp://a:p%40ss@cam/x", "rtsp://a:p%40ss@cam/x", "rtsp://cam/x"),
        ("rtsp://a:p@ss@[::1]:5/x", "rtsp://a:p%40ss@[::1]:5/x", "rtsp://[::1]:5/x"),
        (
            "rtsp://cam/live/user=a&password=b",
            "rtsp://cam/live/user=a&password=b",
            "rtsp://cam/live",
        ),
    ],
)
def test_credentials_are_opened_but_not_shown(url, opened, shown):
    address = camera_address(RtspSource(url=url))
    assert address.opened == opened
    assert address.shown == shown
    assert repr(address) == f"CameraAddress({shown!r})"


def test_the_password_file_gives_user_and_password_or_the_password_alone(tmp_path):
    both, alone = tmp_path / "both", tmp_path / "alone"
    both.write_text("guard:s:c/\n")
    alone.write_text("s:c/\n")
    wanted = "rtsp://guard:s%3Ac%2F@cam/x"
    for url, path in (("rtsp://cam/x", both), ("rtsp://guard@cam/x", alone)):
        assert camera_address(RtspSource(url=url, password_file=str(path))).opened == wanted


@pytest.mark.parametrize("content", [None, "", "\n", "no-colon\n", "user:\n"])
def test_a_password_file_that_is_of_no_use_is_refused(tmp_path, content):
    path = tmp_path / "password"
    if content is not None:
        path.write_text(content)
    section = RtspSource(url="rtsp://cam/x", password_file=str(path))
    with pytest.raises(ConfigError, match="password") as refused:
        camera_address(section)
    assert str(path) in refused.value.line()
    assert "no-colon" not in refused.value.line()


def test_a_camera_that_is_not_there_is_told_once_and_waited_for():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"rtsp://u:secret@127.0.0.1:{nobody.getsockname()[1]}/live"
        stop = threading.Event()
        notices = []

        def observe(notice):
            notices.append(notice)
            stop.set()

        source = RtspFrames(
            RtspSource(url=url, stall_timeout_s=1.0),
            camera_id="gate",
            clock=SimulatedClock(),
            lens_size=Size(64, 48),
            observer=observe,
        )
        with source:
            assert list(source.frames(stop)) == []
    (notice,) = notices
    assert notice.state is SourceState.STALLED
    assert "refused" in notice.detail.lower()
    assert "secret" not in str(notice)


def frame_numbered(seq):
    info = Frame("gate", seq, seq, seq, 0, "boot", 2, 2, "bgr24")
    return SourceFrame(info, lambda out: out.fill(seq))


def test_a_mailbox_keeps_all_notices_and_the_newest_frames():
    mailbox = Mailbox()
    stalled = SourceNotice("gate", SourceState.STALLED, "silent", 0)
    mailbox.put(frame_numbered(0))
    mailbox.put(stalled)
    for seq in range(1, 8):
        mailbox.put(frame_numbered(seq))
    letters = mailbox.take(0.0)
    assert letters[0] is stalled
    assert [letter.info.seq for letter in letters[1:]] == [4, 5, 6, 7]
    assert len(letters) == KEPT_FRAMES + 1
    assert mailbox.take(0.0) == []
