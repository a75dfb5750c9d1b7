"""What one picture tells of a camera, and how a node that runs is asked."""

import socket

import cv2
import msgspec
import numpy as np
import pytest

from roeh.core.clock import SystemClock
from roeh.core.config import parse_config
from roeh.core.config.schema import PathsSection
from roeh.core.errors import EvidenceRefused, LensError
from roeh.core.paths import frames_socket
from roeh.core.peers import CameraHealth, NodeStatus
from roeh.core.types import ProcessReport
from roeh.custody.link import evidence_link
from roeh.custody.newest_picture import newest_picture
from roeh.doctor.cameras import check_lenses
from roeh.doctor.codes import Code
from roeh.doctor.pictures import judge_picture
from roeh.doctor.running import is_bound
from roeh.doctor.sensors import check_sources, judge_running
from roeh.sources.one_picture import live_picture
from tests.lives import PoleLife

SIDE_PX = 640
SYSTEM_CLOCK = SystemClock()


def section(source='{ kind = "composed" }', lens="", masks=""):
    text = (
        f"[[sensors]]\nname = 'north'\nsource = {source}\n"
        f"lens = {{ width_px = {SIDE_PX}, height_px = {SIDE_PX}, fov_deg = 180{lens} }}\n{masks}"
    )
    return parse_config(text, name="node.toml")


NORTH = section().sensors[0]


@pytest.fixture(scope="module")
def street():
    return live_picture(NORTH, clock=SYSTEM_CLOCK, heading_deg=0.0, patience_s=20.0)


def code_of(picture, sensor=NORTH):
    (outcome,) = judge_picture(picture, sensor)
    return outcome.code.word if outcome.code else outcome.verdict


def blurred(picture, sigma_px):
    return cv2.GaussianBlur(picture, (0, 0), sigma_px)


def test_a_street_is_neither_dark_nor_covered_nor_blurred(street):
    assert code_of(street) == "OK"


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda picture: picture // 12, "CAMERA-DARK"),
        (lambda picture: np.full_like(picture, 250), "CAMERA-BRIGHT"),
        (lambda picture: np.full_like(picture, 120), "CAMERA-COVERED"),
        (lambda picture: blurred(picture, 6.0), "CAMERA-BLURRED"),
    ],
)
def test_what_is_wrong_with_a_picture_is_told(street, spoil, expected):
    assert code_of(spoil(street)) == expected


def test_noise_on_a_covered_lens_is_no_street():
    noise = np.random.default_rng(1).normal(90, 12, (SIDE_PX, SIDE_PX, 1))
    assert code_of(np.repeat(noise, 3, axis=2).clip(0, 255).astype(np.uint8)) == "CAMERA-COVERED"


def test_a_mask_is_not_taken_for_darkness(street):
    upper = "[[0, 0], [640, 0], [640, 400], [0, 400]]"
    masks = f"[[sensors.masks]]\nname = 'all-but-a-bit'\npolygon_px = {upper}"
    sensor = section(masks=masks).sensors[0]
    masked = street.copy()
    masked[:401] = 0
    assert code_of(masked, sensor) == "OK"


@pytest.mark.parametrize(
    ("source", "lens", "expected"),
    [
        ('{ kind = "picamera2" }', "", "LENS-NOMINAL"),
        ('{ kind = "picamera2" }', ", focal_px = [204.1, 204.3]", "OK"),
        ('{ kind = "composed" }', "", "OK"),
    ],
)
def test_a_lens_that_nobody_measured_is_told(source, lens, expected):
    (outcome,) = check_lenses(section(source, lens), SYSTEM_CLOCK)
    assert (outcome.code.word if outcome.code else outcome.verdict) == expected


def status(age_us, detail=""):
    report = ProcessReport(process="capture", state="ok", detail=detail, t_mono_us=1, counters={})
    return NodeStatus(
        t_mono_us=1, boot_id="x", reports=(report,), alerts_stored=0, outbox_rows=0,
        outbox_bytes=0, outbox_oldest_age_us=0, outbox_evicted=0, outbox_refused=0,
        storage_state="ok", cameras=(CameraHealth("north", age_us),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("age_us", "detail", "expected"),
    [
        (1_200_000, "", "OK"),
        (90_000_000, "", "CAMERA-SILENT"),
        (90_000_000, "north: the camera was taken away; south: slow", "CAMERA-SILENT"),
        (None, "", "CAMERA-UNKNOWN"),
    ],
)
def test_a_node_that_runs_is_asked_and_its_camera_left_alone(age_us, detail, expected):
    outcome = judge_running("north", status(age_us, detail))
    assert (outcome.code.word if outcome.code else outcome.verdict) == expected
    if detail:
        assert "was taken away" in outcome.what
        assert "slow" not in outcome.what


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])
def test_who_listens_is_found_without_their_hearing_of_it(tmp_path, kind):
    path = tmp_path / "here.sock"
    assert not is_bound(path)
    with socket.socket(socket.AF_UNIX, kind) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(0.0)
        assert is_bound(path)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert not is_bound(path)


def test_a_camera_that_the_node_has_is_not_opened(tmp_path):
    # A path that is no camera: whoever opened it would say so.
    config = msgspec.structs.replace(
        section(f'{{ kind = "v4l2", device = "{tmp_path}/no-camera" }}'),
        paths=PathsSection(data_dir=f"{tmp_path}/data", run_dir=f"{tmp_path}"),
    )
    assert next(check_sources(config, SYSTEM_CLOCK)).code is Code.CAMERA_SILENT
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as frames:
        frames.bind(str(frames_socket(config)))
        frames.listen()
        (outcome,) = check_sources(config, SYSTEM_CLOCK)
    assert outcome.code is Code.CAMERA_UNKNOWN
    assert "the node has it" in outcome.what


def small(sensor):
    """The sensor with the lens of the recorded pictures."""
    lens = msgspec.structs.replace(sensor.lens, width_px=160, height_px=96)
    return msgspec.structs.replace(sensor, lens=lens)


def test_the_newest_recorded_picture_is_had_without_the_camera(tmp_path):
    life = PoleLife(tmp_path)
    life.start()
    life.record(6, "north")
    life.stop()
    north, south = (small(sensor) for sensor in life.config.sensors)
    with evidence_link(life.config, life.clock) as link:
        picture = newest_picture(link, life.config, north, life.clock)
        assert picture.shape == (96, 160, 3)
        assert picture.std() > 5
        with pytest.raises(EvidenceRefused, match="nothing was recorded"):
            newest_picture(link, life.config, south, life.clock)
        with pytest.raises(LensError):
            newest_picture(link, life.config, life.config.sensors[0], life.clock)


def test_a_recording_that_was_cut_off_is_refused_and_not_a_crash(tmp_path):
    life = PoleLife(tmp_path)
    life.start()
    life.record(3, "north")
    life.stop()
    (segment,) = (life.data / "segments" / "north").iterdir()
    segment.write_bytes(segment.read_bytes()[:-500])
    with (
        evidence_link(life.config, life.clock) as link,
        pytest.raises(EvidenceRefused, match="cannot be shown"),
    ):
        newest_picture(link, life.config, small(life.config.sensors[0]), life.clock)
