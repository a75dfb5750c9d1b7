"""What every source promises, as checks that the tests of each source run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from roeh.core.clock import Clock, SimulatedClock
from roeh.core.types import Frame
from roeh.sources.protocol import Source, SourceFrame, SourceNotice, SourceObserver, SourceState
from tests.waiting import wait_until

#: Builds the source under test against a clock, live or not, told to an observer.
Build = Callable[[Clock, bool, SourceObserver], Source]


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
