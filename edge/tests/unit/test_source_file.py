"""Video files as sources, and every way in which a file can be wrong."""

from __future__ import annotations

import threading
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.errors import LensError, SourceUnreadable
from roeh.core.types import Size
from roeh.media.decode import PictureFormat
from roeh.sources.file import FileFrames
from roeh.sources.footage import probe
from roeh.sources.protocol import SourceNotice, SourceState
from tests.unit import source_conformance as conformance
from tests.unit.source_conformance import number_in, numbered_pictures, write_clip

STOP = threading.Event()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", numbered_pictures(12))


@pytest.fixture
def build(clip):
    return lambda clock, paced, observer: FileFrames(
        str(clip), camera_id="gate", clock=clock, paced=paced, observer=observer
    )


def test_order_and_format(build):
    conformance.check_order_and_format(build)


def test_same_times_twice(build):
    conformance.check_same_times_twice(build)


def test_paced_frames_wait_until_they_are_due(build):
    conformance.check_paced_waits(build)


def test_stop_before_start(build):
    conformance.check_stop_before_start(build)


def test_end(build):
    conformance.check_end(build, 12)


def test_released(build):
    conformance.check_released(build)


def unpaced(path, **more):
    return FileFrames(str(path), camera_id="gate", clock=SimulatedClock(), paced=False, **more)


def test_pictures_are_those_of_the_file(clip):
    with unpaced(clip) as source:
        assert source.format == PictureFormat(Size(64, 48), "yuv420p")
        assert [number_in(frame.read().bgr()) for frame in source.frames(STOP)] == list(range(12))


def test_a_loop_goes_on_without_a_step_in_time(clip):
    stop = threading.Event()
    with unpaced(clip, loop=True) as source:
        seen = []
        for frame in source.frames(stop):
            seen.append((number_in(frame.read().bgr()), frame.info.seq, frame.info.t_mono_ns))
            if len(seen) == 30:
                stop.set()
    assert [number for number, _, _ in seen] == [*range(12), *range(12), *range(6)]
    assert [seq for _, seq, _ in seen] == list(range(30))
    assert np.ptp(np.diff([t for _, _, t in seen])) < 1000


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".avi"])
def test_a_truncated_file_gives_what_can_be_decoded_and_says_so(tmp_path, suffix):
    noise = np.random.default_rng(3).integers(0, 255, (40, 96, 128, 3), np.uint8)
    whole = write_clip(tmp_path / f"whole{suffix}", list(noise))
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    notices: list[SourceNotice] = []
    with unpaced(cut, observer=notices.append) as source:
        count = sum(1 for _ in source.frames(STOP))
    assert 5 <= count <= 35
    assert notices[-1].state is SourceState.ENDED
    if suffix != ".ts":  # a transport stream does not say how long it is meant to be
        assert "cut off" in notices[-1].detail


def test_an_mp4_without_its_index_is_refused_in_one_line(tmp_path, clip):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[:1500])
    with pytest.raises(SourceUnreadable, match="video") as refused:
        unpaced(cut).__enter__()
    assert "\n" not in refused.value.line()
    assert "cut.mp4" in refused.value.line()


def not_video(tmp_path, kind):
    path = tmp_path / kind
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text.txt":
        path.write_text("hello world\n" * 500)
    elif kind == "directory":
        path.mkdir()
    elif kind == "noise.mp4":
        path.write_bytes(np.random.default_rng(1).bytes(20_000))
    elif kind == "sound.wav":
        with av.open(str(path), "w") as container:
            stream = container.add_stream("pcm_s16le", rate=8000)
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
            sound.sample_rate = 8000
            container.mux(stream.encode(sound))
    elif kind == "playlist.m3u8":
        path.write_text("#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/secret.ts\n")
    return path


@pytest.mark.parametrize(
    "kind",
    ["empty", "text.txt", "directory", "noise.mp4", "sound.wav", "missing", "playlist.m3u8"],
)
def test_what_is_not_video_is_refused_in_one_line(tmp_path, kind):
    path = not_video(tmp_path, kind)
    with pytest.raises(SourceUnreadable) as refused:
        unpaced(path).__enter__()
    assert str(path) in refused.value.line()
    assert "\n" not in refused.value.line()


def test_stamps_that_repeat_or_leap_still_grow(tmp_path):
    clip = write_clip(
        tmp_path / "wild.mkv", numbered_pictures(6), stamps=[-3, 0, 10, 20, 5000, 5010]
    )
    with unpaced(clip) as source:
        times_s = [frame.info.t_mono_ns / 1e9 for frame in source.frames(STOP)]
    steps = np.diff(times_s)
    assert (steps > 0).all()
    # Variable pace is kept; the leap of eight minutes is a splice of one frame's time.
    assert steps[1:3] == pytest.approx([1.0, 1.0], abs=0.01)
    assert steps[3] < 1.1
    assert steps[4] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [
        ("libx264", "yuv420p10le"),
        ("libx264", "yuv444p"),
        ("libx264", "yuvj420p"),
        ("mpeg4", "yuv420p"),
        ("ffv1", "bgr0"),
        ("ffv1", "gray"),
        ("mjpeg", "yuvj420p"),
    ],
)
def test_any_layout_comes_out_in_the_same_levels(tmp_path, codec, pixel_format):
    clip = write_clip(
        tmp_path / "clip.mkv", numbered_pictures(4), codec=codec, pixel_format=pixel_format
    )
    with unpaced(clip) as source:
        assert source.format.pixel_format == "yuv420p"
        frames = [frame.read() for frame in source.frames(STOP)]
    assert [number_in(frame.bgr()) for frame in frames] == [0, 1, 2, 3]
    bright, dark = frames[3].bgr().astype(float)[44, [5, 60]]
    assert bright == pytest.approx([220] * 3, abs=8)
    assert dark == pytest.approx([40] * 3, abs=8)


def test_odd_sizes_keep_every_pixel_as_bgr(tmp_path):
    pictures = [cv2.resize(picture, (65, 49)) for picture in numbered_pictures(3)]
    clip = write_clip(tmp_path / "odd.mkv", pictures, codec="ffv1", pixel_format="bgr0")
    with unpaced(clip) as source:
        assert source.format == PictureFormat(Size(65, 49), "bgr24")
        frames = [frame.read().bgr() for frame in source.frames(STOP)]
    assert np.array_equal(frames[2], pictures[2])


def test_a_picture_of_the_lens_s_aspect_is_scaled_to_it(clip):
    with unpaced(clip, lens_size=Size(128, 96)) as source:
        assert source.format.size == Size(128, 96)
        assert number_in(next(source.frames(STOP)).read().bgr()) == 0


def test_a_picture_of_another_aspect_names_both_sizes(clip):
    with pytest.raises(LensError, match=r"64x48 .* 128x128"):
        unpaced(clip, lens_size=Size(128, 128)).__enter__()


def turned(clip: Path, path: Path) -> Path:
    """The clip with the mark a telephone makes: show it a quarter turn clockwise."""
    content = bytearray(clip.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    quarter = [0, 0x10000, 0, -0x10000, 0, 0, 48 << 16, 0, 0x40000000]
    content[matrix : matrix + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in quarter)
    path.write_bytes(content)
    return path


def test_a_turned_video_is_set_upright(tmp_path, clip):
    with unpaced(clip) as lying, unpaced(turned(clip, tmp_path / "turned.mp4")) as upright:
        assert upright.format.size == Size(48, 64)
        for one, other in zip(lying.frames(STOP), upright.frames(STOP), strict=True):
            expected = cv2.rotate(one.read().bgr(), cv2.ROTATE_90_CLOCKWISE)
            assert np.abs(expected.astype(int) - other.read().bgr()).max() <= 2


def test_probe_tells_size_rate_and_length(clip):
    facts = probe(str(clip))
    assert (facts.size, facts.fps) == (Size(64, 48), 10.0)
    assert facts.duration_s == pytest.approx(1.2)
