"""What capture hands to evidence: real sources, a real stream, an evidence that comes and goes."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
import threading

import av
import av.error
import numpy as np
import pytest

from roeh.capture.main import run
from roeh.capture.ring import GopRing, held_bytes
from roeh.capture.sender import GopSender
from roeh.core.clock import SystemClock
from roeh.core.config import parse_config
from roeh.core.delivery import Orders
from roeh.core.errors import MessageRefused, PeerRefused, SourceUnreadable, StorageFull
from roeh.core.gop import Discontinuity, StreamEnd
from roeh.core.ipc.stream import StreamClient, StreamServer
from roeh.core.paths import evidence_socket, segments_dir
from roeh.core.peers import Done, EndStream, GopStored, Role, Verb
from roeh.core.types import Size
from roeh.core.users import node_users
from tests.annex_b import annex_b, bars
from tests.apt import require_packages
from tests.coded_clips import decoded, numbers_in, write_coded_clip
from tests.gops import GopSource
from tests.process.children import Evidence
from tests.process.network_camera import PACKAGES, Camera, ReplayedCameras
from tests.process.test_recording import records
from tests.unit.source_conformance import number_in, numbered_pictures, write_clip
from tests.usb_camera import jpeg
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(60)

CLOCK = SystemClock()
NODE = """
[paths]
data_dir = "{directory}/data"
run_dir = "{directory}/run"
[evidence]
{evidence}
[[sensors]]
name = "gate"
source = {source}
lens = {{ width_px = {width}, height_px = {height}, fov_deg = 90 }}
{more}
"""


class Storing:
    """Evidence's end of the stream: keeps what comes, once; may be away, full or unwilling."""

    def __init__(self, config):
        self.gops = []
        self.ends = []
        self.reports = []
        self.asked = 0
        self.answers = []
        self._config = config
        self._server = None
        self._over = threading.Event()

    def start(self):
        self._over.clear()
        path = evidence_socket(self._config)
        path.parent.mkdir(exist_ok=True)
        users = node_users(self._config)
        self._server = StreamServer(path, users, self._handle, on_refused=lambda _: None)
        self._server.start()

    def stop(self):
        self._over.set()
        if self._server is not None:
            self._server.close()
            self._server = None

    @property
    def counters(self):
        return self.reports[-1].counters

    def _handle(self, role, verb, request):
        assert role is Role.CAPTURE
        if verb is Verb.PROCESS_REPORT:
            self.reports.append(request)
            return Done()
        if verb is Verb.ORDERS_TAKE:
            self._over.wait(request.wait_s)
            return Orders(())
        if verb is Verb.STREAM_END:
            assert isinstance(request, EndStream)
            self.ends.append((request.reason, len(self.gops)))
            return Done()
        self.asked += 1
        if self.answers and (answer := self.answers.pop(0)) is not None:
            raise answer(what="for the test", which="a group", remedy="none")
        known = [(gop.camera_id, gop.seq) for gop in self.gops]
        if (request.gop.camera_id, request.gop.seq) not in known:
            self.gops.append(request.gop)
        return GopStored(segment=1, fragment=request.gop.seq)


class Capturing:
    """The capture process's own main, in a thread."""

    def __init__(self, config):
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=run, args=(config, CLOCK, self._stop), kwargs={"period_s": 0.05}
        )
        self._thread.start()

    def stop(self):
        self._stop.set()
        self.wait()

    def wait(self):
        self._thread.join(20)
        assert not self._thread.is_alive()


@contextlib.contextmanager
def capturing(directory, source, *, evidence="", more="", size=(64, 48), is_there=True):
    """(capture reading that source, the evidence that stores what it sends)."""
    config = parse_config(
        NODE.format(
            directory=directory,
            source=source,
            evidence=evidence,
            more=more,
            width=size[0],
            height=size[1],
        ),
        name="node.toml",
    )
    storing = Storing(config)
    if is_there:
        storing.start()
    capture = Capturing(config)
    try:
        yield capture, storing
    finally:
        capture.stop()
        storing.stop()


def file_source(path, *, loop=False):
    return f'{{ kind = "file", path = "{path}", loop = {str(loop).lower()} }}'


MASK = """
[[sensors.masks]]
name = "window"
polygon_px = [[20, 10], [40, 10], [40, 30], [20, 30]]
"""


def test_a_file_of_h264_is_handed_over_as_it_is(tmp_path):
    pictures = numbered_pictures(25)
    clip = write_coded_clip(tmp_path / "clip.mp4", pictures, b_frames=2, fps=50)
    with capturing(tmp_path, file_source(clip)) as (capture, storing):
        capture.wait()
    assert [numbers_in(gop) for gop in storing.gops] == [
        [*range(10)],
        [*range(10, 20)],
        [*range(20, 25)],
    ]
    assert storing.ends == [(StreamEnd.SOURCE_ENDED, 3)]
    assert {gop.camera_id for gop in storing.gops} == {"gate"}
    assert len({gop.capture_id for gop in storing.gops}) == 1
    assert not any(gop.is_masked for gop in storing.gops)


def test_another_codec_is_encoded_every_frame_of_it(tmp_path):
    clip = write_clip(tmp_path / "clip.avi", numbered_pictures(25), codec="mpeg4", fps=20)
    with capturing(tmp_path, file_source(clip), evidence="encode_gop_s = 0.5") as run_of:
        capture, storing = run_of
        capture.wait()
    assert [number for gop in storing.gops for number in numbers_in(gop)] == [*range(25)]
    assert [len(gop.units) for gop in storing.gops] == [10, 10, 5]
    assert storing.ends == [(StreamEnd.SOURCE_ENDED, 3)]
    for earlier, later in itertools.pairwise(storing.gops):
        assert (later.discontinuity, later.t_first_mono_us) == (None, earlier.t_end_mono_us)


def test_the_end_of_one_camera_is_told_while_another_goes_on(tmp_path):
    short = write_clip(tmp_path / "short.avi", numbered_pictures(5), codec="mpeg4")
    long = write_coded_clip(tmp_path / "long.mp4", numbered_pictures(20))
    other = (
        f'[[sensors]]\nname = "yard"\nsource = {file_source(long, loop=True)}\n'
        "lens = { width_px = 64, height_px = 48, fov_deg = 90 }"
    )
    with capturing(tmp_path, file_source(short), more=other) as (_, storing):
        wait_until(lambda: storing.ends)
    assert storing.ends[0][0] is StreamEnd.SOURCE_ENDED
    (gop,) = [gop for gop in storing.gops if gop.camera_id == "gate"]
    assert numbers_in(gop) == [*range(5)]


def test_a_camera_that_cannot_be_opened_is_blind_and_the_others_go_on(tmp_path, caplog):
    clip = write_coded_clip(tmp_path / "long.mp4", numbered_pictures(20), fps=50)
    other = (
        f'[[sensors]]\nname = "yard"\nsource = {file_source(clip, loop=True)}\n'
        "lens = { width_px = 64, height_px = 48, fov_deg = 90 }"
    )
    with capturing(tmp_path, file_source(tmp_path / "missing.mp4"), more=other) as (_, storing):
        wait_until(lambda: len(storing.gops) >= 2)
        report = wait_until(
            lambda: next((one for one in storing.reports if one.state == "blind"), None)
        )
    assert {gop.camera_id for gop in storing.gops} == {"yard"}
    assert "gate: no such file" in report.detail
    assert "gate: SOURCE_UNREADABLE: no such file" in caplog.text


def test_when_no_camera_can_be_opened_each_is_told(tmp_path, caplog):
    other = (
        f'[[sensors]]\nname = "yard"\nsource = {file_source(tmp_path / "neither.mp4")}\n'
        "lens = { width_px = 64, height_px = 48, fov_deg = 90 }"
    )
    config = parse_config(
        NODE.format(
            directory=tmp_path,
            source=file_source(tmp_path / "missing.mp4"),
            evidence="",
            more=other,
            width=64,
            height=48,
        ),
        name="node.toml",
    )
    with pytest.raises(SourceUnreadable, match=r"missing\.mp4"):
        run(config, CLOCK, threading.Event())
    assert "yard: SOURCE_UNREADABLE: no such file" in caplog.text
    assert "missing.mp4" not in caplog.text


def test_masks_are_black_in_what_is_recorded_of_drawn_pictures(tmp_path):
    source = '{ kind = "composed", people = 1, fps = 10.0 }'
    more = "stop_after_s = 0.7\n" + MASK.replace("20", "200").replace("40", "400")
    with capturing(tmp_path, source, more=more, size=(640, 640)) as (capture, storing):
        capture.wait()
    (gop,) = storing.gops
    assert gop.is_masked
    inside, beside = (slice(14, 26), slice(206, 394)), (slice(300, 340), slice(206, 394))
    for _, picture in decoded(gop):
        assert picture[inside].max() < 24
        assert picture[beside].mean() > 40


def test_masks_that_are_not_to_be_burnt_in_are_not_and_that_is_said(tmp_path, caplog):
    source = '{ kind = "composed", people = 0, fps = 10.0 }'
    more = "stop_after_s = 0.5\n" + MASK
    evidence = "mask_recording = false"
    with capturing(tmp_path, source, more=more, evidence=evidence, size=(640, 640)) as run_of:
        capture, storing = run_of
        capture.wait()
    assert not storing.gops[0].is_masked
    assert "WITHOUT its privacy masks" in caplog.text


def test_masks_on_a_camera_s_own_video_are_said_to_be_missing(tmp_path, caplog):
    clip = write_coded_clip(tmp_path / "clip.mp4", numbered_pictures(20), fps=50)
    with capturing(tmp_path, file_source(clip), more=MASK) as (capture, storing):
        capture.wait()
    assert len(storing.gops) == 2
    assert caplog.text.count("WITHOUT its privacy masks") == 1


def test_refusing_what_cannot_be_masked_records_nothing_and_says_so(tmp_path):
    clip = write_coded_clip(tmp_path / "clip.mp4", numbered_pictures(20), fps=50)
    with capturing(
        tmp_path, file_source(clip, loop=True), evidence="refuse_unmasked = true", more=MASK
    ) as (_, storing):
        report = wait_until(
            lambda: next((one for one in storing.reports if one.state == "degraded"), None)
        )
    assert "gate: NOT RECORDED: privacy masks" in report.detail
    assert (storing.gops, storing.ends) == ([], [])


def test_what_can_be_masked_is_recorded_also_when_refusing(tmp_path):
    clip = write_clip(tmp_path / "clip.avi", numbered_pictures(8), codec="mpeg4")
    with capturing(tmp_path, file_source(clip), evidence="refuse_unmasked = true", more=MASK) as (
        capture,
        storing,
    ):
        capture.wait()
    assert [gop.is_masked for gop in storing.gops] == [True]


def test_nothing_is_recorded_when_that_is_off(tmp_path):
    clip = write_coded_clip(tmp_path / "clip.mp4", numbered_pictures(5))
    with capturing(tmp_path, file_source(clip), evidence="record = false") as (capture, storing):
        capture.wait()
    assert storing.asked == 0
    assert not any(name.startswith("gops") for name in storing.counters)


def test_a_stop_sends_what_is_open_and_says_why_it_ends(tmp_path):
    clip = write_coded_clip(tmp_path / "clip.mp4", numbered_pictures(20), key_every=8)
    with capturing(tmp_path, file_source(clip, loop=True)) as (capture, storing):
        wait_until(lambda: storing.gops)
        capture.stop()
    assert storing.ends == [(StreamEnd.CAPTURE_STOPPED, len(storing.gops))]
    assert not storing.gops[-1].is_complete
    assert numbers_in(storing.gops[-1])[0] in {0, 8, 16}


def test_no_group_is_lost_while_evidence_is_away(tmp_path, caplog):
    clip = write_coded_clip(tmp_path / "clip.mp4", numbered_pictures(40), key_every=2, fps=40)
    with capturing(tmp_path, file_source(clip), is_there=False) as (capture, storing):
        storing.start()
        wait_until(lambda: len(storing.gops) >= 3)
        storing.stop()
        away_at = len(storing.gops)
        caplog.clear()
        wait_until(lambda: "no answer to gop.store" in caplog.text)
        storing.start()
        capture.wait()
    assert len(storing.gops) > away_at
    assert [gop.seq for gop in storing.gops] == [*range(1, 21)]
    assert [gop.discontinuity for gop in storing.gops[1:]] == [None] * 19
    assert [number for gop in storing.gops for number in numbers_in(gop)] == [*range(40)]


def test_the_report_counts_and_names_a_camera_with_long_groups(tmp_path):
    clip = write_coded_clip(tmp_path / "clip.mp4", numbered_pictures(48), fps=20, key_every=48)
    with capturing(tmp_path, file_source(clip, loop=True)) as (_, storing):
        report = wait_until(
            lambda: next((one for one in storing.reports if "key pictures" in one.detail), None)
        )
    assert report.state == "ok"
    assert "gate: up to 2.4 s between key pictures" in report.detail
    assert report.counters["gop_longest_gate_s"] == pytest.approx(2.4, abs=0.04)
    assert {
        "gops_sent_gate",
        "gops_dropped_gate",
        "ring_gate_bytes",
        "cpu_encode_gate_s",
        "frames_not_encoded_gate",
    } <= report.counters.keys()


def test_a_camera_without_key_pictures_is_said_not_to_be_recorded(tmp_path):
    noise = np.random.default_rng(3).integers(0, 255, (40, 240, 320, 3), np.uint8)
    clip = write_coded_clip(tmp_path / "clip.mp4", list(noise), fps=20, key_every=40)
    with capturing(
        tmp_path, file_source(clip, loop=True), evidence="ring_bytes = 1048576", size=(320, 240)
    ) as (_, storing):
        report = wait_until(
            lambda: next((one for one in storing.reports if one.state == "degraded"), None)
        )
    assert "gate: NOT RECORDED: no key picture within" in report.detail


def test_killing_evidence_loses_no_picture(tmp_path):
    """The real one, kill -9 in the middle: what the ring held is stored when it is back."""
    clip = write_coded_clip(tmp_path / "clip.mp4", numbered_pictures(60), key_every=4, fps=30)
    config = parse_config(
        NODE.format(
            directory=tmp_path,
            source=file_source(clip),
            evidence="",
            more="",
            width=64,
            height=48,
        ),
        name="node.toml",
    )
    evidence = Evidence(config)
    evidence.start()
    capture = Capturing(config)
    try:
        segments = segments_dir(config) / "gate"
        wait_until(lambda: segments.exists() and sum(map(pictures_in, segments.glob("*"))) > 12)
        evidence.kill()
        evidence.start()
        capture.wait()
        assert evidence.stop() == 0
        stored = [number for path in sorted(segments.glob("*.mp4")) for number in shown_in(path)]
    finally:
        capture.stop()
        evidence.close()
    assert stored == [*range(60)]
    assert len([*segments.glob("*.mp4")]) >= 2


def pictures_in(path):
    """How many pictures a segment holds that may still be written."""
    try:
        with av.open(str(path)) as container:
            return sum(packet.size > 0 for packet in container.demux(video=0))
    except av.error.FFmpegError:
        return 0


def shown_in(path):
    with av.open(str(path)) as container:
        return [number_in(f.to_ndarray(format="bgr24")) for f in container.decode(video=0)]


@pytest.fixture
def evidence(tmp_path):
    config = parse_config(
        NODE.format(
            directory=tmp_path,
            source='{ kind = "composed" }',
            evidence="",
            more="",
            width=64,
            height=48,
        ),
        name="node.toml",
    )
    storing = Storing(config)
    yield storing, evidence_socket(config)
    storing.stop()


@contextlib.contextmanager
def sending(path, ring):
    sender = GopSender("north", ring, StreamClient(path, Role.CAPTURE, CLOCK), CLOCK)
    sender.start()
    try:
        yield sender
    finally:
        sender.close(0.0)


def test_a_full_ring_keeps_the_newest_and_the_first_of_them_says_so(evidence):
    storing, path = evidence
    gops = GopSource().take(12)
    ring = GopRing(sum(held_bytes(gop) for gop in gops[-5:]))
    with sending(path, ring) as sender:
        for gop in gops:
            ring.put(gop)
        ring.put(StreamEnd.SOURCE_STALLED)
        held = ring.size_bytes
        dropped = ring.dropped
        storing.start()
        wait_until(lambda: storing.ends)
    assert sender.sent == len(storing.gops) == 12 - dropped
    assert 3 <= len(storing.gops) <= 5
    assert held <= sum(held_bytes(gop) for gop in gops[-5:])
    # The one that was being sent when the ring ran full may have stayed.
    seqs = [gop.seq for gop in storing.gops]
    for gop, before in zip(storing.gops, [0, *seqs], strict=False):
        expected = gops[gop.seq - 1].discontinuity
        if gop.seq != before + 1:
            expected = Discontinuity.RING_FULL
        assert gop.discontinuity is expected
    assert seqs[-1] == 12
    assert storing.ends == [(StreamEnd.SOURCE_STALLED, len(seqs))]


def test_a_full_disk_is_waited_for(evidence):
    storing, path = evidence
    storing.answers = [StorageFull]
    storing.start()
    gops = GopSource().take(2)
    ring = GopRing(1 << 20)
    with sending(path, ring) as sender:
        ring.put(gops[0])
        wait_until(lambda: "STORAGE_FULL" in sender.trouble)
        ring.put(gops[1])
        wait_until(lambda: len(storing.gops) == 2)
        wait_until(lambda: not sender.trouble)
    assert storing.gops == gops


@pytest.mark.parametrize(("error", "times"), [(MessageRefused, 1), (PeerRefused, 5)])
def test_what_is_refused_is_dropped_and_the_next_group_says_so(evidence, error, times):
    storing, path = evidence
    storing.answers = [None, *[error] * times]
    storing.start()
    ring = GopRing(1 << 20)
    with sending(path, ring):
        for gop in GopSource().take(3):
            ring.put(gop)
        wait_until(lambda: len(storing.gops) == 2)
    assert [(gop.seq, gop.discontinuity) for gop in storing.gops] == [
        (1, Discontinuity.CAPTURE_START),
        (3, Discontinuity.DAMAGED),
    ]
    assert ring.dropped == 1


def test_closing_does_not_wait_longer_than_asked_for_an_evidence_that_is_away(evidence):
    _, path = evidence
    ring = GopRing(1 << 20)
    ring.put(GopSource().next())
    began_ns = CLOCK.mono_ns()
    with sending(path, ring) as sender:
        sender.close(0.3)
    assert CLOCK.mono_ns() - began_ns < 2e9
    assert ring.size_bytes > 0


@pytest.fixture
def camera_of():
    require_packages(*PACKAGES)
    with contextlib.ExitStack() as killing:

        def start(codec):
            camera = Camera(codec=codec)
            killing.callback(camera.kill)
            camera.start()
            return camera

        yield start


@pytest.mark.apt(" ".join(PACKAGES))
def test_a_network_camera_that_re_orders_its_pictures(tmp_path, camera_of):
    """RTP tells only when each is shown; what is recorded tells both, and rightly."""
    source = f'{{ kind = "rtsp", url = "{camera_of("h264-reordered").url}" }}'
    with capturing(tmp_path, source, size=(320, 240)) as (_, storing):
        wait_until(lambda: len(storing.gops) >= 3, 30)
    for gop in storing.gops[1:3]:
        assert any(unit.pts > unit.dts for unit in gop.units)
        assert all(unit.pts >= unit.dts for unit in gop.units)
        shown_s = [t_s for t_s, _ in decoded(gop)]
        assert len(shown_s) == len(gop.units)
        assert np.allclose(np.diff(shown_s), 0.02, atol=0.006)
    units = [unit for gop in storing.gops for unit in gop.units]
    assert all(later.dts > earlier.dts for earlier, later in itertools.pairwise(units))


@pytest.mark.apt(" ".join(PACKAGES))
def test_a_network_camera_without_h264_is_encoded(tmp_path, camera_of):
    source = f'{{ kind = "rtsp", url = "{camera_of("jpeg").url}" }}'
    evidence = "encode_gop_s = 0.5"
    with capturing(tmp_path, source, evidence=evidence, more=MASK, size=(320, 240)) as run_of:
        _, storing = run_of
        wait_until(lambda: len(storing.gops) >= 2, 30)
    for gop in storing.gops[:2]:
        assert gop.is_masked
        assert gop.t_end_mono_us - gop.t_first_mono_us == pytest.approx(5e5, rel=0.3)
        for _, picture in decoded(gop):
            assert picture[14:26, 24:36].max() < 24


@pytest.mark.apt(" ".join(PACKAGES))
def test_a_network_camera_is_recorded_over_its_restart(tmp_path, camera_of):
    camera = camera_of("h264")
    source = f'{{ kind = "rtsp", url = "{camera.url}", stall_timeout_s = 1.0 }}'
    with capturing(tmp_path, source, size=(320, 240)) as (_, storing):
        wait_until(lambda: len(storing.gops) >= 3, 20)
        camera.kill()
        wait_until(lambda: storing.ends, 20)
        before = storing.ends[0][1]
        camera.start()
        wait_until(lambda: len(storing.gops) >= before + 2, 30)
    gops = storing.gops
    assert [gop.seq for gop in gops] == [*range(1, len(gops) + 1)]
    assert storing.ends[0][0] is StreamEnd.SOURCE_STALLED
    assert storing.ends[-1] == (StreamEnd.CAPTURE_STOPPED, len(gops))
    assert not gops[before - 1].is_complete
    expected = {0: Discontinuity.CAPTURE_START, before: Discontinuity.SOURCE_RECONNECTED}
    assert {i: gop.discontinuity for i, gop in enumerate(gops) if gop.discontinuity} == expected
    for gop in gops:
        assert len(decoded(gop)) == len(gop.units)
    assert {len(gop.units) for gop in gops if gop.is_complete} == {20}
    for gop in gops[1:2]:
        assert np.isclose((gop.t_end_mono_us - gop.t_first_mono_us) / 1e6, 0.4, atol=0.1)


@pytest.mark.apt(" ".join(PACKAGES))
def test_a_camera_that_changes_size_and_codec_is_stored_and_every_gap_has_its_reason(tmp_path):
    """H.264 that grows in flight, then H.265, then JPEG: as it comes, and encoded here."""
    require_packages(*PACKAGES)
    small, large = bars(Size(320, 240)), bars(Size(640, 480))
    (tmp_path / "streams").mkdir()
    cameras = ReplayedCameras(tmp_path / "streams")
    streams = {
        "h264": annex_b([small] * 20) + annex_b([large] * 80),
        "h265": annex_b([small] * 100, codec="h265"),
        "jpeg": [jpeg(small)] * 100,
    }
    source = f'{{ kind = "rtsp", url = "{cameras.url("live")}", stall_timeout_s = 1.0 }}'
    config = parse_config(
        NODE.format(
            directory=tmp_path,
            source=source,
            evidence="encode_gop_s = 0.5",
            more="",
            width=320,
            height=240,
        ),
        name="node.toml",
    )
    evidence = Evidence(config)
    evidence.start()
    capture = Capturing(config)
    segments = segments_dir(config) / "gate"
    try:
        for codec, wanted in (("h264", 2), ("h265", 3), ("jpeg", 4)):
            cameras.add("live", streams[codec], codec=codec, rate=50)
            cameras.start()
            wait_until(lambda count=wanted: len([*segments.glob("*.mp4")]) >= count, 20)
            cameras.close()
        capture.stop()
        assert evidence.stop() == 0
    finally:
        capture.stop()
        evidence.close()
    found = [shown_by(path) for path in sorted(segments.glob("*.mp4"))]
    assert found[:4] == [
        ("h264", 320, 240),
        ("h264", 640, 480),
        ("hevc", 320, 240),
        ("h264", 320, 240),
    ]
    command = [sys.executable, "-m", "roeh", "verify", config.paths.data_dir, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert {one["weight"] for one in report["findings"]} == {"not checked"}
    ends = [one.end_reason for one in records(config, "segment")]
    assert ends[:3] == ["format_changed", "source_stalled", "source_stalled"]
    assert [one.reason for one in records(config, "gap")] == ["source_stalled"] * 2


def shown_by(path):
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return container.streams.video[0].codec_context.name, frame.width, frame.height
