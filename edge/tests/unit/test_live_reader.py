"""What every live camera's reader does, whatever the camera does to it."""

from __future__ import annotations

import random
import threading

import pytest

from roeh.core.clock import SystemClock
from roeh.core.gop import StreamEnd
from roeh.core.types import Size
from roeh.media.compressed import CompressedFormat, CompressedPacket
from roeh.media.decode import PictureFormat
from roeh.sources.backoff import CAP_S, FIRST_S, Backoff
from roeh.sources.coded import CodedStream
from roeh.sources.live_reader import CameraAway, LiveFrames
from roeh.sources.protocol import SourceState
from tests.annex_b import annex_b, bars
from tests.unit.source_conformance import CodedLog
from tests.waiting import wait_until

SIZE = Size(64, 48)
CLOCK = SystemClock()


class NoWait(random.Random):
    """Tries again at once."""

    def uniform(self, low, high):
        del high
        return low / 1000


class Scripted:
    """A camera whose connections are functions, one after another; the last one again."""

    def __init__(self, *connections):
        self._connections = list(connections)
        self.open = self.most_open = 0

    def read(self, output):
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            one = self._connections.pop(0) if len(self._connections) > 1 else self._connections[0]
            one(output)
        finally:
            self.open -= 1


def frames_of(camera, *, observer=lambda _: None, coded=None, leave_s=3.0):
    return LiveFrames(
        camera,
        camera_id="gate",
        shown="the camera",
        clock=CLOCK,
        layout=PictureFormat(SIZE, "yuv420p"),
        observer=observer,
        coded=coded,
        jitter=NoWait(),
        leave_s=leave_s,
    )


def gives_one(output):
    output.give(CLOCK.mono_ns(), lambda out: out.fill(0), size=SIZE)
    output.leaving.wait()


def fails(output):
    raise ValueError("rtsp://viewer:s3cret@camera/live")


def test_a_mistake_in_reading_one_camera_is_told_and_it_is_tried_again(caplog):
    """Unforeseen in a thread it would end capture, and with it the other cameras."""
    told, stop = [], threading.Event()
    live = frames_of(Scripted(fails, gives_one), observer=told.append)
    for _ in live.frames(stop):
        stop.set()
    live.close()
    assert [notice.state for notice in told] == [SourceState.STALLED, SourceState.CONNECTED]
    assert not told[0].hangs
    assert "ValueError, test_live_reader.py:" in told[0].detail
    assert "s3cret" not in told[0].detail + caplog.text
    assert "ValueError at test_live_reader.py:" in caplog.text


def test_a_camera_whose_driver_hangs_is_not_read_twice_at_once():
    comes_back = threading.Event()
    entered = threading.Event()

    def hangs(output):
        del output
        entered.set()
        comes_back.wait()

    told, stop = [], threading.Event()
    camera = Scripted(hangs, gives_one)
    live = frames_of(camera, observer=told.append, leave_s=0.01)
    stopped = threading.Event()
    first = threading.Thread(target=lambda: list(live.frames(stopped)))
    first.start()
    entered.wait()
    stopped.set()
    first.join()

    def read_again():
        for _ in live.frames(stop):
            stop.set()

    again = threading.Thread(target=read_again)
    again.start()
    wait_until(lambda: told)
    assert "still hangs" in told[0].detail
    assert told[0].hangs
    comes_back.set()
    again.join()
    live.close()
    assert camera.most_open == 1
    assert told[-1].state is SourceState.CONNECTED


def test_a_stream_that_was_taken_for_ended_and_goes_on_is_ended_again():
    """A driver that seemed to hang comes back: the next gap is told like the first."""
    log = CodedLog()
    stream = CodedStream(log)
    stream.begin(CompressedFormat("h264", b"", SIZE), None)
    pictures = annex_b([bars(SIZE)] * 2, key_every=1)
    for index, content in enumerate(pictures):
        ticks = 1 + 1800 * index
        stream.take(CompressedPacket(content, dts=ticks, pts=ticks), SIZE, CLOCK.read())
        stream.end(StreamEnd.SOURCE_STALLED)
        stream.end(StreamEnd.SOURCE_STALLED)
    assert len(log.pictures) == 2
    assert log.ends == [StreamEnd.SOURCE_STALLED] * 2


class Longest:
    """A jitter that waits for as long as it may."""

    def uniform(self, low, high):
        del low
        return high


@pytest.mark.parametrize(
    ("works_for_s", "last_wait_s"), [(0.0, CAP_S), (0.1, CAP_S), (3.0, FIRST_S), (60.0, FIRST_S)]
)
def test_what_works_for_a_moment_each_time_is_asked_less_and_less_often(works_for_s, last_wait_s):
    backoff = Backoff(Longest())
    for _ in range(20):
        waited_s = backoff.next_s()
        backoff.worked(works_for_s)
    assert waited_s == last_wait_s


def test_a_camera_that_gives_one_picture_a_connection_waits_longer_each_time():
    def gives_one_and_ends(output):
        output.give(CLOCK.mono_ns(), lambda out: out.fill(0), size=SIZE)
        raise CameraAway("gone")

    limits, stop = [], threading.Event()

    class Noted(random.Random):
        def uniform(self, low, high):
            limits.append(high)
            if len(limits) == 5:
                stop.set()
            return low

    live = frames_of(Scripted(gives_one_and_ends))
    live._jitter = Noted()
    list(live.frames(stop))
    live.close()
    assert limits[:5] == [0.5, 1.0, 2.0, 4.0, 8.0]
