"""Network cameras that misbehave: stamps, sizes, codecs, losses, and servers that are none."""

from __future__ import annotations

import random
import socket
import struct
import threading
from itertools import pairwise

import numpy as np
import pytest

from roeh.bitstream.nal import from_annex_b
from roeh.core.clock import NS_PER_S, SystemClock
from roeh.core.config import RtspSource
from roeh.core.gop import Discontinuity
from roeh.core.types import Size
from roeh.sources.network.rtsp import RtspFrames
from roeh.sources.protocol import SourceState
from tests.annex_b import annex_b, bars, shows_the_bars
from tests.apt import require_packages
from tests.process.network_camera import PACKAGES, ReplayedCameras
from tests.process.test_source_rtsp import Heard
from tests.waiting import wait_until

pytestmark = [pytest.mark.apt(" ".join(PACKAGES)), pytest.mark.timeout(30)]

CLOCK = SystemClock()
SMALL, LARGE, SQUARE = Size(320, 240), Size(640, 480), Size(320, 320)
STEP_NS = NS_PER_S // 50


def stained(count):
    """Pictures so full of change that a key picture takes many packets."""
    noise = np.random.default_rng(5).integers(0, 255, (30, 40, 3), np.uint8)
    wide = noise.repeat(8, 0).repeat(8, 1)
    return [np.roll(wide, 8 * index, axis=1) for index in range(count)]


@pytest.fixture(scope="module")
def cameras(tmp_path_factory):
    require_packages(*PACKAGES)
    replayed = ReplayedCameras(tmp_path_factory.mktemp("cameras"))
    steady = annex_b([bars(SMALL)] * 30)
    replayed.add("h264", steady, rate=50, loops=True)
    h265 = annex_b([bars(SMALL)] * 30, codec="h265")
    replayed.add("h265", h265, codec="h265", rate=50, loops=True)
    replayed.add("grows", steady[:15] + annex_b([bars(LARGE)] * 100), rate=50)
    replayed.add("turns", steady[:25] + annex_b([bars(SQUARE)] * 100), rate=50)
    many = steady * 3
    for name, stamps_ns in {
        "stuck": [0] * 90,
        "missing": [-1] * 90,
    }.items():
        replayed.add(name, many, rate=50, stamps_ns=stamps_ns)
    # A third of a second before the 32 bits of a stamp in 90 kHz run over.
    replayed.add("wraps", many, rate=50, timestamp_offset=2**32 - 30_000)
    # Ten seconds from key to key, sent twenty times as fast, joined in the middle.
    long = annex_b([bars(SMALL, 90)] * 250 + [bars(SMALL)] * 100, key_every=250)
    replayed.add("long", long[125:], rate=500)
    for extra in ("audio", "audio-first", "second-video"):
        replayed.add(extra, steady, rate=50, loops=True, extra=extra)
    coded = annex_b(stained(40), key_every=10)
    replayed.add("lossy", coded, rate=50, loops=True, drop={"every": 23, "after": 20, "most": 2})
    replayed.start()
    yield replayed
    replayed.close()


class Watched:
    """What a camera gave until it was enough."""

    def __init__(self, url, is_enough, *, coded=None, lens_size=SMALL, **more):
        self.notices, self.frames, self.arrivals_ns = [], [], []
        self._stop = threading.Event()
        self._is_enough = is_enough
        section = RtspSource(url=url, **({"stall_timeout_s": 1.0} | more))
        source = RtspFrames(
            section,
            camera_id="gate",
            clock=CLOCK,
            lens_size=lens_size,
            observer=self._observe,
            coded=coded,
            jitter=random.Random(1),
        )
        with source:
            for frame in source.frames(self._stop):
                self.frames.append(frame)
                self.arrivals_ns.append(CLOCK.mono_ns())
                self._look()

    @property
    def states(self):
        return [notice.state for notice in self.notices]

    @property
    def times_ns(self):
        return [frame.info.t_mono_ns for frame in self.frames]

    def _observe(self, notice):
        self.notices.append(notice)
        self._look()

    def _look(self):
        if self._is_enough(self):
            self._stop.set()


class Recorded(Heard):
    """What is told of the compressed pictures, and when."""

    def __init__(self):
        super().__init__()
        self.arrivals_ns = []

    def picture(self, picture):
        super().picture(picture)
        self.arrivals_ns.append(CLOCK.mono_ns())


def frames(count):
    return lambda watched: len(watched.frames) >= count


def pictures(heard, count):
    return lambda watched: len(heard.pictures) >= count


def stalled(watched):
    return SourceState.STALLED in watched.states


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_h265_is_shown_and_recorded_as_it_comes(cameras, transport, caplog):
    heard = Heard()
    watched = Watched(cameras.url("h265"), pictures(heard, 12), coded=heard, transport=transport)
    # Over UDP nobody notices what is lost.
    assert ("H.265 over UDP" in caplog.text) == (transport == "udp")
    assert all(shows_the_bars(frame) for frame in watched.frames)
    assert heard.begun == [("hevc", True)]
    assert [picture.is_key for picture in heard.pictures[:11]] == [True, *[False] * 4] * 2 + [True]


def test_a_stream_that_grows_goes_on_scaled_and_is_recorded_as_a_new_format(cameras):
    heard = Heard()
    watched = Watched(cameras.url("grows"), pictures(heard, 30), coded=heard)
    assert watched.states == [SourceState.CONNECTED]
    assert all(shows_the_bars(frame) for frame in watched.frames)
    assert watched.times_ns[-1] > heard.pictures[15].at.t_mono_ns
    sizes = [(one.codec_config.width_px, one.codec_config.height_px) for one in heard.pictures[:25]]
    assert sizes == [(320, 240)] * 15 + [(640, 480)] * 10
    said = {index: one.discontinuity for index, one in enumerate(heard.pictures)}
    assert {index: why for index, why in said.items() if why} == {15: Discontinuity.FORMAT_CHANGED}


def test_a_stream_that_takes_another_shape_is_blind_until_it_is_back(cameras):
    def is_back(watched):
        return SourceState.RECONNECTED in watched.states and len(watched.frames) > 12

    watched = Watched(cameras.url("turns"), is_back)
    assert watched.states[:3] == [
        SourceState.CONNECTED,
        SourceState.STALLED,
        SourceState.RECONNECTED,
    ]
    assert "another shape than its lens (320x320" in watched.notices[1].detail
    assert "lens for 320x240" in watched.notices[1].detail
    assert all(shows_the_bars(frame) for frame in watched.frames)
    assert all(later > earlier for earlier, later in pairwise(watched.times_ns))


@pytest.mark.parametrize("name", ["stuck", "missing", "wraps"])
def test_whatever_the_stamps_say_a_frame_s_time_is_about_its_arrival(cameras, name):
    heard = Recorded()
    watched = Watched(cameras.url(name), pictures(heard, 30), coded=heard)
    assert watched.states == [SourceState.CONNECTED]
    check_times(watched, heard)
    assert {one.discontinuity for one in heard.pictures} == {None}
    if name == "wraps":
        shown = [one.pts for one in heard.pictures if one.pts is not None]
        assert set(np.diff(shown)) == {1800}


def check_times(watched, heard):
    """Times grow, and frames and what is recorded are of about when they came."""
    times_ns = np.array(watched.times_ns)
    assert np.all(np.diff(times_ns) > 0)
    ages_ns = np.array(watched.arrivals_ns) - times_ns
    assert ages_ns.min() >= 0
    assert ages_ns.max() < 0.3 * NS_PER_S
    coded_ns = np.array([picture.at.t_mono_ns for picture in heard.pictures])
    assert np.abs(np.array(heard.arrivals_ns) - coded_ns).max() < 0.3 * NS_PER_S


def test_who_joins_a_long_group_waits_for_its_end_and_shows_no_half_of_it(cameras):
    """A camera with ten seconds from key to key: 125 pictures pass that cannot be decoded."""
    watched = Watched(cameras.url("long"), frames(5))
    assert watched.states == [SourceState.CONNECTED]
    assert all(shows_the_bars(frame) for frame in watched.frames)


@pytest.mark.parametrize("name", ["audio", "audio-first", "second-video"])
def test_of_a_camera_with_more_streams_the_first_video_is_taken(cameras, name):
    watched = Watched(cameras.url(name), frames(5))
    assert watched.states == [SourceState.CONNECTED]
    assert all(shows_the_bars(frame) for frame in watched.frames)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_lost_packet_closes_the_gate_until_the_next_key_picture(cameras, transport):
    """Losses hit key pictures, which take many packets: what the decoder makes up is grey."""
    truth = [picture[::8, ::8].astype(int) for picture in stained(40)]
    watched = Watched(cameras.url("lossy"), frames(30), transport=transport)
    assert watched.states == [SourceState.CONNECTED]
    for frame in watched.frames:
        picture = frame.read().bgr()[::8, ::8].astype(int)
        assert min(np.abs(picture - one).mean() for one in truth) < 12
    assert np.diff(watched.times_ns).max() > 4 * STEP_NS, "no gate was closed"


class ScriptedServer:
    """Listens and answers each request of each client with the next of its answers.

    None says nothing, and keeps the connection; b"" hangs up.
    """

    def __init__(self, *answers):
        self._answers = answers
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self._listening.getsockname()[1]}/live"
        self.requests = []
        self.tries = 0
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for client in self._open:
            client.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self._open.append(client)
            self.tries += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            for answer in self._answers:
                request = client.recv(65536)
                self.requests.append(request)
                if answer is None:
                    return
                if not answer:
                    client.close()
                    return
                number = request.partition(b"CSeq: ")[2].partition(b"\r")[0]
                client.sendall(answer.replace(b"NUMBER", number))
        except OSError:
            return


class LeapingServer(ScriptedServer):
    """Sends pictures whose stamps leap after 15; GStreamer would hold those back."""

    def __init__(self, leap_ticks):
        setup = OPTIONS.replace(b"Public", TRANSPORT + b"\r\nSession: 1\r\nPublic")
        super().__init__(OPTIONS, described(SDP), setup, setup)
        self._leap_ticks = leap_ticks

    def _serve(self, client):
        super()._serve(client)
        for number, content in enumerate(annex_b([bars(SMALL)] * 60)):
            stamp = 2**31 + number * 1800 + (self._leap_ticks if number >= 15 else 0)
            nals = [*from_annex_b(content)]
            try:
                for nal in nals:
                    client.sendall(self._packet(nal, stamp, is_last=nal is nals[-1]))
            except OSError:
                return
            CLOCK.wait(0.02)

    def _packet(self, nal, stamp, *, is_last):
        """One NAL unit as RTP (RFC 3550, 6184), interleaved in RTSP's connection."""
        self._sequence = getattr(self, "_sequence", 0) + 1
        marked = 96 | is_last << 7
        head = struct.pack(">BBHII", 0x80, marked, self._sequence & 0xFFFF, stamp % 2**32, 7)
        return struct.pack(">BBH", 0x24, 0, len(head) + len(nal)) + head + nal


@pytest.mark.parametrize("leap_s", [3 * 3600, -3600])
def test_a_leap_of_the_stamps_moves_no_frame_and_is_said_in_the_recording(leap_s):
    heard = Recorded()
    with LeapingServer(leap_s * 90_000) as server:
        watched = Watched(server.url, pictures(heard, 30), coded=heard)
    assert watched.states == [SourceState.CONNECTED]
    check_times(watched, heard)
    said = [(index, one.discontinuity) for index, one in enumerate(heard.pictures)]
    assert [one for one in said if one[1]] == [(15, Discontinuity.SOURCE_RESTARTED)]


OPTIONS = b"RTSP/1.0 200 OK\r\nCSeq: NUMBER\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\n"
REFUSAL = (
    b'RTSP/1.0 401 Unauthorized\r\nCSeq: NUMBER\r\nWWW-Authenticate: Basic realm="camera"\r\n\r\n'
)
TRANSPORT = b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
SDP = (
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=live\r\nt=0 0\r\n"
    b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
)
AUDIO_SDP = SDP.replace(b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000", b"m=audio 0 RTP/AVP 0")


def described(sdp):
    head = b"RTSP/1.0 200 OK\r\nCSeq: NUMBER\r\nContent-Type: application/sdp\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(sdp) + sdp


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([bytes(range(256)) * 40], "hangs up or does not answer as RTSP"),
        ([b"HTTP/1.0 200 OK\r\n\r\nhello\r\n\r\n"], "no answer in time"),
        ([None], "no answer in time"),
        ([OPTIONS, None], "no answer in time"),
        ([b""], "hangs up"),
        ([OPTIONS, described(SDP), b""], "hangs up"),
        ([OPTIONS, described(AUDIO_SDP), b""], "no video"),
        ([OPTIONS, described(b"\xff\x00 nonsense")], "no video"),
        ([OPTIONS, b"RTSP/1.0 404 Not Found\r\nCSeq: NUMBER\r\n\r\n"], "no stream of that name"),
        ([OPTIONS, b"RTSP/1.0 503 Busy\r\nCSeq: NUMBER\r\n\r\n"], "cannot serve"),
        ([OPTIONS, REFUSAL, REFUSAL], "refuses the user name or password"),
    ],
)
def test_what_is_wrong_with_a_server_is_said_in_plain_words(answers, reason):
    with ScriptedServer(*answers) as server:
        watched = Watched(server.url, stalled, stall_timeout_s=0.3)
    (notice,) = watched.notices
    assert reason in notice.detail
    assert server.url in notice.detail


def test_a_refused_password_is_not_tried_so_often_that_the_account_is_locked():
    with ScriptedServer(OPTIONS, REFUSAL, REFUSAL, REFUSAL) as server:
        url = server.url.replace("rtsp://", "rtsp://viewer:wr0ng@")
        stop = threading.Event()
        told = []
        source = RtspFrames(
            RtspSource(url=url, stall_timeout_s=0.3),
            camera_id="gate",
            clock=CLOCK,
            lens_size=SMALL,
            observer=told.append,
            jitter=random.Random(1),
        )
        with source:
            reading = threading.Thread(target=lambda: list(source.frames(stop)))
            reading.start()
            wait_until(lambda: told)
            # The wait before the next try is at least 15 s; a quick one would come at once.
            CLOCK.wait(0.3)
            stop.set()
            reading.join()
        attempts = sum(b"Authorization: " in one for one in server.requests)
    assert server.tries == 1
    assert attempts <= 1
