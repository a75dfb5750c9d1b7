"""Cameras behind GStreamer, on its own test picture: a real child, killed, stopped and lying."""

from __future__ import annotations

import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest

from roeh.bitstream.nal import split_length_prefixed
from roeh.core.clock import NS_PER_S, SystemClock
from roeh.core.config import (
    GstreamerSource,
    IrCutSection,
    LensSection,
    LightSection,
    MaskSection,
    SensorSection,
)
from roeh.core.errors import CameraMissing, ConfigError, LensError
from roeh.core.gop import Discontinuity, StreamEnd
from roeh.core.types import Size
from roeh.media.decode import PictureFormat
from roeh.sources.gstreamer.frames import GstreamerFrames
from roeh.sources.gstreamer.pipeline import Camera, build
from roeh.sources.gstreamer.process import ChildProgram, GstreamerProcess
from roeh.sources.gstreamer.protocol import ChildWords, FrameSkipped, FrameWritten
from roeh.sources.gstreamer.ring import SLOTS
from roeh.sources.protocol import SourceState, WantedVideo
from tests.apt import require_packages
from tests.process.test_capture_recording import capturing
from tests.unit import source_conformance as conformance
from tests.waiting import wait_until

PACKAGES = (
    "python3-gi",
    "gir1.2-gst-plugins-base-1.0",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-bad",
    "gstreamer1.0-plugins-ugly",
)
pytestmark = [pytest.mark.apt(" ".join(PACKAGES)), pytest.mark.timeout(60)]

GOP_S = 0.3
MASK = ((40.0, 30.0), (130.0, 50.0), (110.0, 150.0), (30.0, 120.0))


@pytest.fixture(autouse=True)
def _gstreamer():
    require_packages(*PACKAGES)


def sensor(*, lens=(320, 240), masks=(), light=None, **source):
    return SensorSection(
        name="gate",
        source=GstreamerSource(
            **({"element": "videotestsrc", "fps": 60.0, "stall_timeout_s": 0.4} | source)
        ),
        lens=LensSection(width_px=lens[0], height_px=lens[1], fov_deg=180),
        light=light or LightSection(),
        masks=tuple(MaskSection(name="window", polygon_px=mask) for mask in masks),
    )


def frames_of(section, clock=None, *, observer=lambda _: None, coded=None, program=None):
    return GstreamerFrames(
        section.source,
        sensor=section,
        clock=clock or SystemClock(),
        observer=observer,
        coded=coded,
        video=WantedVideo(bps=800_000, gop_s=GOP_S),
        jitter=random.Random(1),
        program=program,
    )


def build_live(clock, observer, coded):
    return frames_of(sensor(), clock, observer=observer, coded=coded)


def build_any(clock, paced, observer):
    return build_live(clock, observer, None)


def children():
    """The numbers of GStreamer's children of this process."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            is_child = b"gstreamer/child" in command or b"gstreamer_child" in command
            if is_child and b"run" in command:
                found.append(int(pid))
    return found


def signal_child(number):
    for pid in children():
        os.kill(pid, number)


def test_frames_have_the_announced_format_and_come_in_order():
    conformance.check_order_and_format(build_any)


def test_told_to_stop_before_it_began_it_gives_nothing():
    conformance.check_stop_before_start(build_any)


def test_left_in_the_middle_it_gives_back_files_threads_and_children():
    conformance.check_released(build_any)
    assert children() == []


def test_a_frame_s_time_is_when_it_was_taken():
    conformance.check_live_times(build_live)


def test_kept_frames_keep_their_pixels_and_starve_nobody():
    conformance.check_kept_frames(build_live, count=2 * SLOTS)


def test_a_hanging_child_is_told_killed_and_started_again():
    stalled = conformance.check_stall_and_recovery(
        build_live, lambda: signal_child(signal.SIGSTOP), lambda: None
    )
    assert "no picture for 0.4 s" in stalled.detail


def test_a_killed_child_is_told_and_started_again():
    stalled = conformance.check_stall_and_recovery(
        build_live, lambda: signal_child(signal.SIGKILL), lambda: None
    )
    assert "SIGKILL" in stalled.detail


def test_a_stop_ends_within_a_tenth_of_a_second():
    conformance.check_stops_in_time(build_live, lambda: signal_child(signal.SIGSTOP))


def test_coded_pictures_come_beside_the_frames_at_the_same_times():
    pictures = conformance.check_coded_pictures(build_live, gop_s=GOP_S, count=30)
    assert not any(picture.is_masked for picture in pictures)
    log = conformance.CodedLog()
    with conformance.Watched(build_live, coded=log) as watched:
        watched.await_frames(10)
        wait_until(lambda: len(log.pictures) > 10)
    frame_times = {info.t_mono_ns for info in watched.infos}
    coded_times = {picture.at.t_mono_ns for picture in log.pictures}
    # Both branches take the same buffers with the same stamps.
    assert len(frame_times & coded_times) > 5
    first, last = watched.infos[0], watched.infos[-1]
    lasted_s = (last.t_mono_ns - first.t_mono_ns) / NS_PER_S
    assert lasted_s == pytest.approx((last.seq - first.seq) / 60, abs=0.02)


def test_masks_are_black_in_every_recorded_picture_and_nowhere_else():
    section = sensor(masks=(MASK,), record_width_px=640, record_height_px=480)
    log = conformance.CodedLog()
    with frames_of(section, coded=log) as source:
        wait_until_coded(source, log, 12)
    assert all(picture.is_masked for picture in log.pictures)
    inside = np.zeros((480, 640), bool)
    inside[130:210, 100:200] = True
    outside = np.ones((480, 640), bool)
    outside[40:320, 40:280] = False
    for grey in decoded(log.pictures[:12]):
        assert grey.shape == (480, 640)
        assert grey[inside].max() < 24
        assert grey[outside].mean() > 60


def wait_until_coded(source, log, count):
    stop = threading.Event()
    for _ in source.frames(stop):
        if len(log.pictures) >= count:
            stop.set()


def decoded(pictures):
    decoder = av.CodecContext.create("h264", "r")
    for picture in pictures:
        nals = split_length_prefixed(picture.nal_units)
        for frame in decoder.decode(av.Packet(b"".join(b"\0\0\0\1" + nal for nal in nals))):
            yield frame.to_ndarray(format="gray")


def test_capture_records_it_masked_and_says_why_a_gap_is_there(tmp_path):
    source = '{ kind = "gstreamer", element = "videotestsrc", fps = 60.0 }'
    more = f"[[sensors.masks]]\nname = 'window'\npolygon_px = {[list(one) for one in MASK]}\n"
    evidence = "encode_gop_s = 0.5\nrefuse_unmasked = true"
    size = (320, 240)
    with capturing(tmp_path, source, evidence=evidence, more=more, size=size) as (_, storing):
        wait_until(lambda: len(storing.gops) >= 2)
        signal_child(signal.SIGKILL)
        reason, before = wait_until(lambda: storing.ends)[0]
        wait_until(lambda: len(storing.gops) > before)
    assert reason is StreamEnd.SOURCE_STALLED
    assert storing.gops[before].discontinuity is Discontinuity.SOURCE_RECONNECTED
    assert all(gop.is_masked for gop in storing.gops)
    assert storing.gops[1].discontinuity is None
    assert len(storing.gops[1].units) == pytest.approx(30, abs=4)


def test_odd_sides_come_as_bgr_with_every_pixel():
    section = sensor(lens=(321, 241))
    with frames_of(section) as source:
        assert source.format == PictureFormat(Size(321, 241), "bgr24")
        (frame,) = conformance.take_frames(source, 1)
        pixels = frame.read().pixels
    assert pixels.shape == (241, 321, 3)
    # The pattern's bars: as many colours as bars in the upper half.
    assert len(np.unique(pixels[100] // 64, axis=0)) >= 6


def process_of(camera, **changed):
    pipeline = build(camera, None, encoder="", mask_at=None)
    return GstreamerProcess(
        msgspec.structs.replace(pipeline, **changed), camera.layout, program=ChildProgram()
    )


def camera_of(**source):
    section = sensor(**source)
    size = Size(section.lens.width_px, section.lens.height_px)
    return Camera(section.source, section.light, PictureFormat.of_video(size))


def messages_of(child, until):
    """All messages up to the first one for which `until` holds."""
    told = []
    while not told or not until(told[-1]):
        messages = child.receive(5.0)
        assert messages is not None, child.ending()
        for message in messages:
            told.append(message)
            if until(message):
                break
    return told


def test_with_no_slot_free_the_newest_frame_is_left_out_and_counted():
    with process_of(camera_of(fps=60.0)) as child:
        told = messages_of(child, lambda message: isinstance(message, FrameSkipped))
        assert [one.slot for one in told[:-1]] == list(range(SLOTS))
        numbers = [one.number for one in told]
        assert numbers == sorted(set(numbers))
        lease = child.lease(3)
        del lease
        again = messages_of(child, lambda message: isinstance(message, FrameWritten))[-1]
        assert again.slot == 3
        assert again.number > numbers[-1]


def test_what_the_pipeline_really_gives_is_compared_with_what_was_asked():
    camera = camera_of()
    asked = build(camera, None, encoder="", mask_at=None).frames
    wrong = msgspec.structs.replace(asked, width=640, framerate=(10, 1))
    with process_of(camera, frames=wrong) as child:
        words = messages_of(child, lambda message: isinstance(message, ChildWords))[-1]
    assert words.is_unfit
    assert "gives video/x-raw 320 240 60/1 I420" in words.text
    assert "asked for video/x-raw 640 240 10/1 I420" in words.text


def test_an_error_on_the_bus_is_one_line():
    broken = "filesrc location=/nowhere/at/all ! fakesink videotestsrc ! queue name=arrivals"
    with process_of(camera_of(), description=f"{broken} ! appsink name=frames") as child:
        words = messages_of(child, lambda message: isinstance(message, ChildWords))[-1]
    assert not words.is_unfit
    assert words.text.startswith("filesrc0: Resource not found")
    assert "\n" not in words.text


def test_a_child_has_no_descriptor_and_no_secret_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("A_SECRET", "of ours")
    with (tmp_path / "secret").open("w") as file, socket.create_server(("127.0.0.1", 0)) as door:
        os.set_inheritable(file.fileno(), True)
        door.set_inheritable(True)
        ours = {str(Path(f"/proc/self/fd/{one.fileno()}").readlink()) for one in (file, door)}
        with process_of(camera_of()) as child:
            messages_of(child, lambda message: isinstance(message, FrameWritten))
            theirs = {str(one.readlink()) for one in Path(f"/proc/{child.pid}/fd").iterdir()}
            assert b"of ours" not in Path(f"/proc/{child.pid}/environ").read_bytes()
    assert not ours & theirs
    assert {one for one in theirs if one.startswith("/") and "memfd" not in one} == {"/dev/null"}


def test_a_start_that_finds_no_more_descriptors_keeps_none():
    def open_files():
        return len([*Path("/proc/self/fd").iterdir()])

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    program = ChildProgram(python=Path("/bin/false"))
    camera = camera_of()
    pipeline = build(camera, None, encoder="", mask_at=None)
    before = open_files()
    refused = 0
    for more in range(7):
        # Counted with the directory that is being listed.
        resource.setrlimit(resource.RLIMIT_NOFILE, (before - 1 + more, hard))
        try:
            GstreamerProcess(pipeline, camera.layout, b"a mask", program=program).close()
        except OSError:
            refused += 1
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert open_files() == before
    assert refused >= 5


PARENT = """
import os, signal, sys
from roeh.core.config import GstreamerSource, LightSection
from roeh.core.types import Size
from roeh.media.decode import PictureFormat
from roeh.sources.gstreamer.pipeline import Camera, build
from roeh.sources.gstreamer.process import ChildProgram, GstreamerProcess
layout = PictureFormat.of_video(Size(320, 240))
camera = Camera(GstreamerSource(element="videotestsrc"), LightSection(), layout)
pipeline = build(camera, None, encoder="", mask_at=None)
children = [GstreamerProcess(pipeline, layout, program=ChildProgram()) for _ in range(2)]
for child in children:
    while not list(child.receive(5.0)):
        pass
    print(child.pid, flush=True)
os.kill(child.pid, signal.SIGSTOP)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_child_ends_with_its_parent_even_when_it_hangs():
    command = [sys.executable, "-c", PARENT]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    assert done.returncode == -signal.SIGKILL
    pids = done.stdout.split()
    assert len(pids) == 2
    wait_until(lambda: all(has_ended(int(pid)) for pid in pids))


def has_ended(pid):
    """Gone, or dead and not yet waited for by whoever adopted it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] == "Z"
    except FileNotFoundError:
        return True


LIAR = """
import json, socket, sys
if sys.argv[1] == "check":
    print(json.dumps({"missing": []}))
else:
    order = json.loads(sys.argv[2])
    link = socket.socket(fileno=order["socket"])
    link.sendall(bytes(range(7, 256)) * 9)
    link.recv(1)
"""


# It says far more than is kept, and goes on when it was read.
NOISY = """
import os, sys
if sys.argv[1] == "check":
    print('{"missing": []}')
else:
    for _ in range(3):
        os.write(2, b"a driver's warning" * 2000)
        for _ in range(500_000):
            if not os.lseek(2, 0, os.SEEK_CUR):
                break
    sys.exit("the driver gave up")
"""


@pytest.mark.parametrize(
    ("child", "words"),
    [(LIAR, "said nonsense (a message of kind 7)"), (NOISY, "ended (the driver gave up)")],
)
def test_a_child_that_lies_or_gives_up_is_told_with_its_words(tmp_path, child, words):
    script = tmp_path / "gstreamer_child_of_another_kind.py"
    script.write_text(child)
    program = ChildProgram(script=script)

    def build_other(clock, observer, coded):
        return frames_of(sensor(), clock, observer=observer, coded=coded, program=program)

    with conformance.Watched(build_other) as watched:
        stalled = watched.await_state(SourceState.STALLED)
    assert words in stalled.detail
    assert watched.infos == []
    assert children() == []


# A Jetson's plug-ins on a board without the encoder that they drive: it says so, or says nothing.
WITHOUT_ENCODER = """
import json, os, re, socket, struct, sys
if sys.argv[1] == "check":
    print(json.dumps({{"missing": []}}))
    sys.exit()
order = json.loads(sys.argv[2])
if "nvv4l2h264enc" in order["description"]:
    if {is_silent}:
        to_encoder = "nvvidconv[^!]*![^!]*! nvv4l2h264enc[^!]*!"
        order["description"] = re.sub(
            to_encoder, "x264enc ! valve drop=true !", order["description"]
        )
    else:
        words = b"nvv4l2h264enc0: Cannot identify device"
        link = socket.socket(fileno=order["socket"])
        link.sendall(struct.pack("<BxHIQqq", 4, 0, len(words), 0, 0, 0) + words)
        link.recv(1)
        sys.exit()
os.execv(sys.executable, [sys.executable, {script!r}, "run", json.dumps(order)])
"""


@pytest.mark.parametrize(
    ("is_silent", "words"),
    [(False, "Cannot identify device"), (True, "nvv4l2h264enc gave no picture for 0.4 s")],
)
def test_an_encoder_without_its_hardware_is_given_up_for_software(tmp_path, is_silent, words):
    script = tmp_path / "gstreamer_child_without_encoder.py"
    real = str(ChildProgram().script)
    script.write_text(WITHOUT_ENCODER.format(script=real, is_silent=is_silent))
    program = ChildProgram(script=script)

    def build_without(clock, observer, coded):
        return frames_of(sensor(), clock, observer=observer, coded=coded, program=program)

    log = conformance.CodedLog()
    with conformance.Watched(build_without, coded=log) as watched:
        stalled = watched.await_state(SourceState.STALLED)
        wait_until(lambda: log.pictures)
    assert f"{words}, from now on x264enc encodes" in stalled.detail


def test_without_the_binding_the_packages_are_named():
    source = frames_of(sensor(), program=ChildProgram(python=Path(sys.executable)))
    with pytest.raises(CameraMissing, match="install the Debian packages python3-gi "):
        source.__enter__()


def test_a_jetson_s_elements_are_missed_by_name():
    source = frames_of(sensor(element="nvarguscamerasrc"))
    with pytest.raises(CameraMissing, match="no nvarguscamerasrc, nvvidconv"):
        source.__enter__()


def test_a_record_of_another_shape_is_refused_at_once():
    section = sensor(record_width_px=640, record_height_px=640)
    source = frames_of(section, coded=conformance.CodedLog())
    with pytest.raises(LensError, match="640x640, lens for 320x240"):
        source.__enter__()


def test_an_infrared_filter_cannot_follow_what_tells_no_exposure():
    section = sensor(light=LightSection(ir_cut=IrCutSection(filter_line=4)))
    with pytest.raises(ConfigError, match=r"sensor gate, light.ir_cut"), frames_of(section):
        pass
