"""The child that decodes: what it shows is right, what must not be seen is not, and nothing
that a segment does reaches further than the child."""

import contextlib
import io
import os
import random
import signal
import threading
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from roeh.bundle.rendering import Renderer, RenderLimits
from roeh.core.config import ComposedSource, LensSection, SensorSection
from roeh.core.errors import RenderFailed
from roeh.core.rendering import (
    FragmentInput,
    Masks,
    PreviewOrder,
    RedactOrder,
    SegmentInput,
    StillOrder,
    dewarp_of,
)
from roeh.core.retrieval import Region
from roeh.core.views import ViewChoice
from tests.recorded_segments import (
    GOP_US,
    PICTURE_US,
    START_US,
    index_of,
    opened,
    recorded,
    without_loss,
)

WHOLE = {"from_utc_us": START_US, "to_utc_us": START_US + 3 * GOP_US}


def grey_steps(count=30, width=160, height=96):
    """Pictures whose number can be read off their brightness."""
    return [np.full((height, width, 3), 20 + 7 * number, np.uint8) for number in range(count)]


def decoded(mp4):
    with av.open(io.BytesIO(mp4)) as container:
        return [
            (round(frame.time, 3), frame.to_ndarray(format="bgr24"))
            for frame in container.decode(video=0)
        ]


def still(segment, at_utc_us, **more):
    content, index = segment
    order = StillOrder(segments=(index,), at_utc_us=at_utc_us, **more)
    with opened(content) as descriptors:
        return Renderer().still(order, descriptors)


def preview(segments, **more):
    order = PreviewOrder(segments=tuple(index for _, index in segments), **{**WHOLE, **more})
    with opened(*(content for content, _ in segments)) as descriptors:
        return b"".join(Renderer().preview(order, descriptors))


def redacted(segment, path, **more):
    content, index = segment
    order = RedactOrder(segments=(index,), **{**WHOLE, "regions": (), **more})
    output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with opened(content) as descriptors:
            return Renderer().redact(order, descriptors, output)
    finally:
        os.close(output)


def open_descriptors():
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("after_us", [0, 49_999])
def test_a_still_is_the_last_picture_at_that_time(after_us):
    pictures = grey_steps()
    shown = still(without_loss(pictures), START_US + 13 * PICTURE_US + after_us)
    assert shown.finished.from_utc_us == START_US + 13 * PICTURE_US
    jpeg = cv2.imdecode(np.frombuffer(shown.content, np.uint8), cv2.IMREAD_COLOR)
    assert jpeg.shape == (96, 160, 3)
    assert abs(int(jpeg.mean()) - int(pictures[13].mean())) <= 3


def test_a_still_before_the_recording_is_its_first_picture_and_is_made_smaller():
    shown = still(recorded("h265", b_frames=2), START_US - 5, max_side_px=80)
    assert (shown.finished.width_px, shown.finished.height_px) == (80, 48)
    assert shown.finished.from_utc_us == START_US


def test_a_preview_holds_the_span_and_shows_a_pause_as_an_empty_picture():
    pictures = grey_steps()
    first = without_loss(pictures[:10])
    content, _ = without_loss(pictures[20:])
    later = content, index_of(content, START_US + 3 * GOP_US)
    shown = decoded(preview([first, later], fps=5, to_utc_us=START_US + 4 * GOP_US))
    times = [time_s for time_s, _ in shown]
    assert times[0] == 0.0
    assert times[5] == pytest.approx(1.0, abs=0.01)  # the empty one
    assert times[6] == pytest.approx(3.0, abs=0.01)
    assert len(times) == 11
    assert shown[5][1].mean() == pytest.approx(37, abs=4)
    assert shown[6][1].mean() == pytest.approx(pictures[20].mean(), abs=4)


def fisheye_pictures(count=10, side=240):
    """What lies north of a camera that looks down is bright, what lies south is dim."""
    picture = np.full((side, side, 3), 60, np.uint8)
    picture[: side // 2] = 220
    return [picture] * count


def looking(layout, **angles):
    sensor = SensorSection(
        name="dome",
        source=ComposedSource(),
        lens=LensSection(width_px=480, height_px=480, fov_deg=185.0),
    )
    return dewarp_of(sensor, 90.0, ViewChoice(layout=layout, **angles), "view, not the original")


def test_a_view_of_a_fisheye_looks_where_it_is_told_and_is_labelled():
    segment = without_loss(fisheye_pictures())
    # The pole's mark points east: what lies ahead of it is bright.
    for bearing_deg, level in ((90.0, 220), (270.0, 60)):
        view = looking("ptz", bearing_deg=bearing_deg, elevation_deg=-30.0)
        shown = still(segment, START_US, view=view, max_side_px=640)
        jpeg = cv2.imdecode(np.frombuffer(shown.content, np.uint8), cv2.IMREAD_COLOR)
        assert shown.finished.is_view
        assert shown.finished.width_px == jpeg.shape[1] == 640
        assert jpeg.shape[0] > 360  # words stand beneath
        assert abs(int(np.median(jpeg[:360])) - level) <= 4


def test_a_mask_is_black_in_a_view_too():
    north = Masks(480, 480, (((0, 0), (480, 0), (480, 240), (0, 240)),))
    view = looking("ptz", bearing_deg=90.0, elevation_deg=-30.0)
    shown = still(without_loss(fisheye_pictures()), START_US, view=view, masks=north)
    jpeg = cv2.imdecode(np.frombuffer(shown.content, np.uint8), cv2.IMREAD_COLOR)
    assert jpeg[: jpeg.shape[1] * 9 // 16].max() <= 8


def test_what_a_camera_of_another_shape_recorded_is_shown_as_it_is_and_said_not_to_be_a_view():
    shown = still(without_loss(grey_steps()), START_US, view=looking("panorama"))
    assert not shown.finished.is_view
    assert (shown.finished.width_px, shown.finished.height_px) == (160, 96)


def test_a_preview_of_a_view_plays():
    shown = decoded(preview([without_loss(fisheye_pictures(10))], view=looking("panorama"), fps=5))
    assert len(shown) == 5
    height, width, _ = shown[0][1].shape
    assert width == 1280
    assert height > 320  # bearings above, words beneath
    middle = shown[0][1][height // 2]
    assert middle[700:1200].min() > 200  # east
    assert middle[60:560].max() < 90


def test_a_preview_is_no_larger_than_asked_and_no_longer_than_a_minute():
    pictures = grey_steps(10, 640, 400)
    content, _ = without_loss(pictures)
    many = [(content, index_of(content, START_US + n * GOP_US)) for n in range(70)]
    shown = preview(many, height_px=40, to_utc_us=START_US + 70 * GOP_US, fps=1)
    frames = decoded(shown)
    assert frames[0][1].shape == (40, 64, 3)
    assert (len(frames), frames[-1][0]) == (60, 59.0)


MASK = Masks(
    width_px=320, height_px=192, polygons_px=(((40, 40), (120, 40), (120, 160), (40, 160)),)
)


@pytest.fixture(scope="module")
def two_scenes():
    """Two recordings that differ in one part of the picture alone."""
    random_pixels = np.random.default_rng(7)
    background = random_pixels.integers(0, 255, (192, 320, 3), np.uint8)
    background = cv2.resize(background[::8, ::8], (320, 192), interpolation=cv2.INTER_LINEAR)
    scenes = []
    for shade in (30, 220):
        pictures = [np.roll(background, 3 * number, axis=1) for number in range(10)]
        for number, picture in enumerate(pictures):
            picture[48:152, 48 + number : 104 + number] = shade
        scenes.append(without_loss(pictures))
    assert scenes[0][0] != scenes[1][0]
    return scenes


def test_nothing_behind_a_mask_is_in_a_still_or_a_preview(two_scenes):
    one, other = (still(scene, START_US, max_side_px=100, masks=MASK) for scene in two_scenes)
    assert one.content == other.content
    one, other = (preview([scene], height_px=96, masks=MASK) for scene in two_scenes)
    assert one == other
    _, picture = decoded(one)[5]
    assert picture[24:76, 24:56].max() <= 12
    assert picture[5:15].mean() > 40


def test_nothing_of_a_region_is_in_a_redacted_copy(two_scenes, tmp_path):
    region = Region("street", 44, 44, 116, 156)
    copies = []
    for number, scene in enumerate(two_scenes):
        path = tmp_path / f"{number}.mp4"
        finished = redacted(scene, path, regions=(region,))
        assert finished.obscured == (Region("street", 32, 32, 128, 160),)
        assert (finished.pictures, finished.size_bytes) == (10, path.stat().st_size)
        copies.append(path.read_bytes())
    assert copies[0] == copies[1]
    _, picture = decoded(copies[0])[4]
    # Neither a hole nor what was there: the colours of its surroundings.
    inside = picture[48:144, 48:112]
    assert 40 < inside.mean() < 215
    outside = picture[:, 140:]
    assert outside.std() > 15


def test_masks_are_black_in_a_redacted_copy_and_regions_beside_them_do_not_show_them(
    two_scenes, tmp_path
):
    beside = Region("street", 120, 48, 160, 144)
    copies = []
    for number, scene in enumerate(two_scenes):
        path = tmp_path / f"{number}.mp4"
        redacted(scene, path, regions=(beside,), masks=MASK)
        copies.append(path.read_bytes())
    assert copies[0] == copies[1]


def test_damaged_groups_are_passed_over_and_counted():
    content, index = recorded()
    second = index.fragments[1]
    broken = bytearray(content)
    broken[second.offset_bytes : second.offset_bytes + second.size_bytes] = bytes(second.size_bytes)
    order = StillOrder(segments=(index,), at_utc_us=START_US + GOP_US)
    with opened(bytes(broken)) as descriptors, pytest.raises(RenderFailed, match="1 groups"):
        Renderer().still(order, descriptors)
    shown = decoded(preview([(bytes(broken), index)]))
    assert len(shown) == 20


@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_bytes_are_the_caller_goes_on(seed):
    """A hundred mutated segments in four orders."""
    choose = random.Random(seed)
    content, index = recorded("h265" if seed % 2 else "h264", b_frames=2)
    mutants = [mutated(content, choose) for _ in range(25)]
    indexes = tuple(index_of(content, START_US + n * 3 * GOP_US) for n in range(25))
    order = PreviewOrder(segments=indexes, from_utc_us=START_US, to_utc_us=START_US + 80_000_000)
    before = open_descriptors()
    with opened(*mutants) as descriptors, contextlib.suppress(RenderFailed):
        for _ in Renderer().preview(order, descriptors):
            pass
    assert open_descriptors() == before
    assert still((content, index), START_US).finished.pictures == 1


def mutated(content, choose):
    changed = bytearray(content)
    match choose.randrange(4):
        case 0:
            return bytes(changed[: choose.randrange(len(changed))])
        case 1:
            for _ in range(choose.randrange(1, 40)):
                changed[choose.randrange(len(changed))] = choose.randrange(256)
        case 2:
            at = choose.randrange(len(changed))
            changed[at : at + 4] = choose.choice(
                [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"]
            )
        case _:
            at = choose.randrange(600)  # the header: sizes and parameter sets
            changed[at] ^= 1 << choose.randrange(8)
    return bytes(changed)


def test_a_picture_that_takes_too_much_memory_ends_the_child_alone():
    content, index = without_loss([np.zeros((4096, 4096, 3), np.uint8)])
    order = StillOrder(segments=(index,), at_utc_us=START_US)
    few = RenderLimits(memory_bytes=120 * 1024 * 1024)
    with opened(content) as descriptors:
        with pytest.raises(RenderFailed):
            Renderer(few).still(order, descriptors)
        assert Renderer().still(order, descriptors).finished.width_px == 1280


def test_a_segment_of_an_index_that_lies_is_damaged():
    content, _ = recorded()
    lies = SegmentInput((FragmentInput(5000, 60_000_000, START_US, START_US + GOP_US),))
    with pytest.raises(RenderFailed, match="cannot be decoded"):
        still((content, lies), START_US)


def test_a_child_that_is_killed_is_an_error_and_leaves_nothing_behind():
    content, _ = recorded()
    many = tuple(index_of(content, START_US + n * 3 * GOP_US) for n in range(20))
    order = PreviewOrder(segments=many, from_utc_us=START_US, to_utc_us=START_US + 60_000_000)
    before, others = open_descriptors(), children()
    with opened(*[content] * 20) as descriptors:
        pieces = Renderer().preview(order, descriptors)
        next(pieces)
        (child,) = children() - others
        os.kill(child, signal.SIGKILL)
        with pytest.raises(RenderFailed, match="SIGKILL"):
            list(pieces)
    assert not children() - others
    assert open_descriptors() == before


def test_a_visitor_who_goes_ends_the_child():
    content, _ = recorded()
    many = tuple(index_of(content, START_US + n * 3 * GOP_US) for n in range(20))
    order = PreviewOrder(segments=many, from_utc_us=START_US, to_utc_us=START_US + 60_000_000)
    others = children()
    with opened(*[content] * 20) as descriptors:
        with contextlib.closing(Renderer().preview(order, descriptors)) as pieces:
            next(pieces)
            assert len(children() - others) == 1
        assert not children() - others


def children():
    """Of this process, those of earlier tests too."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(number) for task in tasks for number in task.read_text().split()}


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("exec sleep 60", "not done within 1 s"),
        ("cat >/dev/null; echo nonsense; sleep 60", "answered nonsense"),
        ("cat >/dev/null; echo broken >&2; exit 3", "status 3 (broken)"),
        ("cat >/dev/null; kill -SEGV $$", "the decoder crashed"),
    ],
)
def test_a_child_that_misbehaves_is_ended_and_told_of(tmp_path, program, said):
    others = children()
    script = tmp_path / "child"
    script.write_text(f"#!/bin/sh\n{program}\n")
    script.chmod(0o755)
    content, index = recorded()
    order = StillOrder(segments=(index,), at_utc_us=START_US)
    renderer = Renderer(RenderLimits(wall_s=1), str(script))
    with opened(content) as descriptors, pytest.raises(RenderFailed) as failed:
        renderer.still(order, descriptors)
    assert said in str(failed.value)
    assert not children() - others


def test_a_segment_that_could_be_written_to_is_not_handed_over(tmp_path):
    content, index = recorded()
    path = tmp_path / "segment.mp4"
    path.write_bytes(content)
    order = StillOrder(segments=(index,), at_utc_us=START_US)
    with path.open("r+b") as writable, pytest.raises(RenderFailed, match="reading alone"):
        Renderer().still(order, [writable.fileno()])


def test_two_at_once_do_not_disturb_each_other():
    segment = recorded()
    shown = []
    threads = [
        threading.Thread(target=lambda: shown.append(still(segment, START_US).content))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shown) == 2
    assert shown[0] == shown[1]
