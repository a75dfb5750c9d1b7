"""What every source promises, as checks that the tests of each source run."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from roeh.bitstream.nal import is_parameter_set, split_length_prefixed
from roeh.core.clock import NS_PER_S, Clock, SimulatedClock
from roeh.core.gop import TICKS_PER_S, Discontinuity, StreamEnd
from roeh.core.types import Frame
from roeh.media.frames import UInt8Image
from roeh.sources.coded import CodedObserver, CodedPicture
from roeh.sources.protocol import Source, SourceFrame, SourceNotice, SourceObserver, SourceState
from tests.clocks import SynchronisedClock
from tests.waiting import wait_until

#: Builds the source under test against a clock, live or not, told to an observer.
Build = Callable[[Clock, bool, SourceObserver], Source]
#: Builds a live source on the real clock: told to an observer, coded pictures to another.
BuildLive = Callable[[Clock, SourceObserver, CodedObserver | None], Source]

#: A picture may be as old as this when it is given: buffers of a driver, a busy machine.
MAX_AGE_NS = 2 * NS_PER_S
#: Within which a stop ends, and what a busy machine adds.
STOP_NS = NS_PER_S // 10
BUSY_NS = NS_PER_S // 2


def write_clip(
    path: Path,
    pictures: list[np.ndarray],
    *,
    fps: int = 10,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    stamps: list[int] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """A video file of those pictures (BGR); `stamps` in frames replace even spacing."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixel_format
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "bf": "0", "g": "10"}
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            frame.pts = index if stamps is None else stamps[index]
            frame.time_base = Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def numbered_pictures(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Pictures that can be told apart after compression: `number_in` reads them back."""
    pictures = []
    for number in range(count):
        picture = np.full((height, width, 3), 40, np.uint8)
        for bit in range(6):
            if number >> bit & 1:
                left = bit * width // 6
                picture[height // 2 :, left : left + width // 6] = 220
        picture[: height // 2] = (30, 160, 60)
        pictures.append(picture)
    return pictures


def number_in(bgr: np.ndarray) -> int:
    """Which of the `numbered_pictures` this is."""
    height, width = bgr.shape[:2]
    row = bgr[height * 3 // 4, :, 1]
    return sum(1 << bit for bit in range(6) if row[bit * width // 6 + width // 12] > 130)


def take_frames(source: Source, count: int) -> list[SourceFrame]:
    """The first frames; stops as a process would, by the stop."""
    stop = threading.Event()
    taken = []
    for frame in source.frames(stop):
        taken.append(frame)
        if len(taken) == count:
            stop.set()
    return taken


def check_order_and_format(build: Build, count: int = 6) -> None:
    """Frames come in order, each with the format that was announced, and pixels to match."""
    clock = SimulatedClock(t_mono_ns=5_000_000_000)
    with build(clock, False, lambda _: None) as source:
        announced = source.format
        stop = threading.Event()
        last: Frame | None = None
        for number, frame in enumerate(source.frames(stop)):
            info = frame.info
            assert info.camera_id == source.camera_id
            assert (info.width_px, info.height_px) == (
                announced.size.width_px,
                announced.size.height_px,
            )
            assert info.pixel_format == announced.pixel_format
            assert info.t_mono_ns >= 5_000_000_000
            reading = clock.read()
            assert info.boot_id == reading.boot_id
            assert info.t_utc_ns - info.t_mono_ns == reading.t_utc_ns - reading.t_mono_ns
            if last is not None:
                assert info.seq > last.seq
                assert info.t_mono_ns > last.t_mono_ns
            last = info
            pixels = frame.read()
            assert pixels.pixels.shape == announced.shape()
            slot = np.zeros(announced.shape(), np.uint8)
            frame.pixels_into(slot)
            assert np.array_equal(slot, pixels.pixels)
            assert slot.any()
            with pytest.raises(ValueError, match="contiguous"):
                frame.pixels_into(np.zeros((3, 3), np.uint8))
            if number + 1 == count:
                stop.set()
        assert last is not None


def check_same_times_twice(build: Build, count: int = 6) -> None:
    """Not paced, the same footage gives the same frames with the same times and pixels."""
    runs = []
    for _ in range(2):
        stop = threading.Event()
        with build(SimulatedClock(), False, lambda _: None) as source:
            run = []
            for frame in source.frames(stop):
                run.append((frame.info, frame.read().pixels.tobytes()))
                if len(run) == count:
                    stop.set()
        runs.append(run)
    assert runs[0] == runs[1]


def check_paced_waits(build: Build, count: int = 4) -> None:
    """Live, each frame is given when it is due on the clock, not before."""
    clock = SimulatedClock()
    with build(clock, True, lambda _: None) as source:
        stop = threading.Event()
        for number, frame in enumerate(source.frames(stop)):
            assert clock.mono_ns() >= frame.info.t_mono_ns
            assert clock.mono_ns() - frame.info.t_mono_ns < 1_000_000
            if number + 1 == count:
                stop.set()
        assert clock.mono_ns() >= (count - 1) * 0.9 * 1e9 / source.fps


def check_stop_before_start(build: Build) -> None:
    """Told to stop before it began, a source gives nothing."""
    stop = threading.Event()
    stop.set()
    with build(SimulatedClock(), True, lambda _: None) as source:
        assert list(source.frames(stop)) == []


def check_end(build: Build, count: int) -> None:
    """A source that ends says so once, after its last frame."""
    notices: list[SourceNotice] = []
    with build(SimulatedClock(), False, notices.append) as source:
        frames = list(source.frames(threading.Event()))
    assert len(frames) == count
    assert [notice.state for notice in notices] == [SourceState.CONNECTED, SourceState.ENDED]
    assert all(notice.detail and "\n" not in notice.detail for notice in notices)


def check_released(build: Build) -> None:
    """Left in the middle, a source gives its files and threads back."""
    open_files = Path("/proc/self/fd")

    def released(most):
        # A network camera's reader may still be in a read when its source is left.
        return threading.active_count() <= most[1] and len(list(open_files.iterdir())) <= most[0]

    threads = threading.active_count()
    with build(SimulatedClock(), False, lambda _: None) as source:
        take_frames(source, 1)
    wait_until(lambda: threading.active_count() <= threads)
    before = len(list(open_files.iterdir())), threads
    for _ in range(3):
        with build(SimulatedClock(), False, lambda _: None) as source:
            take_frames(source, 2)
    wait_until(lambda: released(before))


class CodedLog:
    """A `CodedObserver` that keeps what it is told."""

    def __init__(self) -> None:
        self.pictures: list[CodedPicture] = []
        self.ends: list[StreamEnd] = []
        self.begun: list[tuple[str, bool]] = []
        self.damages = 0

    def picture(self, picture: CodedPicture) -> None:
        self.pictures.append(picture)

    def damaged(self) -> None:
        self.damages += 1

    def ended(self, reason: StreamEnd) -> None:
        self.ends.append(reason)

    def begins(self, codec: str, *, is_coded: bool) -> None:
        self.begun.append((codec, is_coded))


class Watched:
    """A live source that is read in a thread of its own, as capture does, from `with` to `with`."""

    def __init__(self, build: BuildLive, *, coded: CodedObserver | None = None) -> None:
        self.clock = SynchronisedClock()
        self.notices: list[SourceNotice] = []
        self.infos: list[Frame] = []
        self.ages_ns: list[int] = []
        self.failure: Exception | None = None
        self.last_pixels: UInt8Image | None = None
        self._source = build(self.clock, self.notices.append, coded)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Watched:
        self._source.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self._source.__exit__(None, None, None)

    def stop(self) -> int:
        """Tell it to stop; nanoseconds until it had."""
        before_ns = self.clock.mono_ns()
        self._stop.set()
        self._thread.join(10.0)
        assert not self._thread.is_alive(), "the source does not stop"
        return self.clock.mono_ns() - before_ns

    def states(self) -> list[SourceState]:
        """What was told so far."""
        return [notice.state for notice in self.notices]

    def await_frames(self, more: int) -> None:
        """Until so many more frames came."""
        wanted = len(self.infos) + more
        wait_until(lambda: len(self.infos) >= wanted or self.failure)
        assert self.failure is None, self.failure

    def await_state(self, state: SourceState, times: int = 1) -> SourceNotice:
        """Until that was told so often."""
        wait_until(lambda: self.states().count(state) >= times or self.failure)
        assert self.failure is None, self.failure
        return [notice for notice in self.notices if notice.state is state][times - 1]

    def _read(self) -> None:
        try:
            for frame in self._source.frames(self._stop):
                self.ages_ns.append(self.clock.mono_ns() - frame.info.t_mono_ns)
                self.last_pixels = frame.read().pixels
                self.infos.append(frame.info)
        except Exception as failure:  # noqa: BLE001 - the test that waits tells it
            self.failure = failure


def check_live_times(build: BuildLive, count: int = 8) -> None:
    """A live picture's time is when it was seen: just past, growing, this boot's."""
    with Watched(build) as watched:
        watched.await_frames(count)
    times = [info.t_mono_ns for info in watched.infos]
    assert all(early < late for early, late in itertools.pairwise(times))
    assert all(0 <= age_ns < MAX_AGE_NS for age_ns in watched.ages_ns)
    numbers = [info.seq for info in watched.infos]
    assert all(early < late for early, late in itertools.pairwise(numbers))
    assert {info.boot_id for info in watched.infos} == {watched.clock.read().boot_id}
    assert watched.states() == [SourceState.CONNECTED]


def check_stall_and_recovery(
    build: BuildLive, stall: Callable[[], None], go_on: Callable[[], None], *, coded: bool = True
) -> SourceNotice:
    """A silent camera is told with its reason, tried again, and told when it is back.

    Args:
        build: the source, its `stall_timeout_s` short.
        stall: makes the camera silent.
        go_on: ends that.
        coded: whether the source gives coded pictures.

    Returns:
        What was told of the stall.
    """
    log = CodedLog()
    with Watched(build, coded=log if coded else None) as watched:
        watched.await_frames(3)
        if coded:
            wait_until(lambda: log.pictures)
        stall()
        stalled = watched.await_state(SourceState.STALLED)
        assert stalled.detail
        assert "\n" not in stalled.detail
        before = watched.infos[-1]
        if coded:
            wait_until(lambda: log.ends)
            assert log.ends[0] is StreamEnd.SOURCE_STALLED
        told = len(log.pictures)
        go_on()
        watched.await_state(SourceState.RECONNECTED)
        watched.await_frames(3)
        if coded:
            wait_until(lambda: len(log.pictures) > told)
            first = next(one for one in log.pictures[told:] if one.discontinuity is not None)
            assert first.is_key
            assert first.discontinuity is Discontinuity.SOURCE_RECONNECTED
    later = watched.infos[-1]
    assert later.seq > before.seq
    assert later.t_mono_ns > before.t_mono_ns
    kinds = [state for state in watched.states() if state is not SourceState.STALLED]
    assert kinds == [SourceState.CONNECTED, SourceState.RECONNECTED]
    return stalled


def check_stops_in_time(build: BuildLive, stall: Callable[[], None]) -> None:
    """A stop ends within a tenth of a second, also while the camera is silent."""
    with Watched(build) as watched:
        watched.await_frames(2)
        assert watched.stop() < STOP_NS + BUSY_NS
    with Watched(build) as watched:
        watched.await_frames(2)
        stall()
        watched.await_state(SourceState.STALLED)
        assert watched.stop() < STOP_NS + BUSY_NS


def check_kept_frames(build: BuildLive, count: int = 12) -> None:
    """Frames that are kept keep their pixels, and starve nobody."""
    with build(SynchronisedClock(), lambda _: None, None) as source:
        kept = take_frames(source, count)
        assert len(kept) == count
        pictures = [frame.read().pixels for frame in kept]
        assert all(picture.any() for picture in pictures)
        again = [frame.read().pixels for frame in kept]
        for first, second in zip(pictures, again, strict=True):
            assert np.array_equal(first, second)


def check_coded_pictures(build: BuildLive, *, gop_s: float, count: int = 12) -> list[CodedPicture]:
    """Coded pictures begin with a key, carry what a decoder needs, and their times grow.

    Args:
        build: the source; its pictures are to come fast.
        gop_s: the seconds asked for from one key picture to the next.
        count: pictures to look at; more than a group.

    Returns:
        The pictures.
    """
    log = CodedLog()
    with Watched(build, coded=log) as watched:
        wait_until(lambda: len(log.pictures) >= count or watched.failure)
        now_ns = watched.clock.mono_ns()
    assert watched.failure is None
    assert log.damages == 0
    assert log.begun[0][1]
    pictures = log.pictures[:count]
    assert pictures[0].is_key
    config = pictures[0].codec_config
    for picture in pictures:
        assert picture.codec_config == config
        assert picture.nal_units
    sets = split_length_prefixed(pictures[0].nal_units)
    assert any(is_parameter_set(config.codec, nal) for nal in sets)
    assert all(is_parameter_set(config.codec, nal) for nal in config.parameter_sets)
    stamps = [picture.pts if picture.dts is None else picture.dts for picture in pictures]
    assert all(early < late for early, late in itertools.pairwise(stamps))
    times = [picture.at.t_mono_ns for picture in pictures]
    assert all(early < late for early, late in itertools.pairwise(times))
    assert 0 <= now_ns - times[-1] < MAX_AGE_NS + count * NS_PER_S
    # Both clocks tell of the same pictures.
    lasted_s = (stamps[-1] - stamps[0]) / TICKS_PER_S
    assert abs(lasted_s - (times[-1] - times[0]) / NS_PER_S) < 0.1
    keys = [picture.at.t_mono_ns for picture in pictures if picture.is_key]
    assert len(keys) >= 2, "no second key picture"
    for early, late in itertools.pairwise(keys):
        assert 0.5 * gop_s < (late - early) / NS_PER_S < 1.6 * gop_s + 0.2
    return pictures
