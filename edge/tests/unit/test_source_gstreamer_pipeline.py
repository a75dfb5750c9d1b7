"""The pipelines that GStreamer's child runs, and how its words are read."""

from __future__ import annotations

import contextlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roeh.core.clock import NS_PER_S
from roeh.core.config import GstreamerSource, LensSection, LightSection, SensorSection
from roeh.core.errors import LensError
from roeh.core.types import Box, Size
from roeh.media.decode import PictureFormat
from roeh.optics.configured import sensor_from
from roeh.sources.gstreamer.ground_region import ground_region
from roeh.sources.gstreamer.mask import OverlaidMask
from roeh.sources.gstreamer.pipeline import (
    HARDWARE_ENCODER,
    SOFTWARE_ENCODER,
    Camera,
    argus_properties,
    build,
    exposure_limit_ns,
    needed_elements,
    packages_of,
)
from roeh.sources.gstreamer.protocol import (
    CODED,
    FRAME,
    HEADER,
    SKIPPED,
    TROUBLE,
    UNFIT,
    ChildGarbage,
    ChildMessages,
    ChildWords,
    CodedGiven,
    FrameSkipped,
    FrameWritten,
)
from roeh.sources.protocol import WantedVideo

VIDEO = WantedVideo(bps=4_000_000, gop_s=2.0)
NVMM = "video/x-raw(memory:NVMM),format=NV12"


def jetson(width=1920, height=1080, *, light=None, metering=None, **source):
    section = GstreamerSource(camera=1, **source)
    layout = PictureFormat.of_video(Size(width, height))
    return Camera(section, light or LightSection(), layout, metering)


def branches(pipeline):
    """(source, frames, record) of a description, element by element."""
    before, *after = pipeline.description.split(" split. ! ")
    return [part.split(" ! ") for part in (before, *after)]


def test_a_jetson_s_picture_stays_in_its_own_memory_on_the_way_to_its_encoder():
    pipeline = build(jetson(), VIDEO, encoder=HARDWARE_ENCODER, mask_at=None)
    source, frames, record = branches(pipeline)
    assert source[0].startswith("nvarguscamerasrc sensor-id=1 aeantibanding=2 ")
    assert source[1] == f"{NVMM},width=1920,height=1080,framerate=10/1"
    assert source[2] == "tee name=split"
    assert frames[1:] == [
        "nvvidconv interpolation-method=1",
        "video/x-raw,format=I420,width=1920,height=1080",
        "appsink name=frames emit-signals=true sync=false async=false max-buffers=1 drop=true",
    ]
    assert record[1:] == [
        "nvv4l2h264enc bitrate=4000000 control-rate=1 iframeinterval=20 idrinterval=20"
        " insert-sps-pps=true profile=4",
        "h264parse config-interval=-1",
        "video/x-h264,stream-format=byte-stream,alignment=au",
        "appsink name=coded emit-signals=true sync=false async=false",
    ]


def test_masks_are_laid_over_before_either_encoder():
    small = jetson(record_width_px=1280, record_height_px=720)
    for encoder in (HARDWARE_ENCODER, SOFTWARE_ENCODER):
        *_, record = branches(build(small, VIDEO, encoder=encoder, mask_at=(40, 8)))
        assert record[1:4] == [
            "nvvidconv interpolation-method=1",
            "video/x-raw,format=I420,width=1280,height=720",
            "gdkpixbufoverlay name=mask offset-x=40 offset-y=8",
        ]
        after = [part.split()[0] for part in record[4:]]
        assert encoder in after
    assert record[4].startswith("x264enc tune=zerolatency ")
    assert "key-int-max=20" in record[4]


def test_the_camera_gives_the_larger_of_what_is_wanted_and_metering_goes_with_it():
    camera = jetson(
        960, 540, record_width_px=1920, record_height_px=1080, metering=Box(96, 240, 864, 540)
    )
    pipeline = build(camera, VIDEO, encoder=HARDWARE_ENCODER, mask_at=None)
    source, frames, record = branches(pipeline)
    assert "width=1920,height=1080" in source[1]
    assert 'aeregion="192 480 1728 1080 1"' in source[0]
    assert "width=960,height=540" in frames[2]
    assert record[1].startswith("nvv4l2h264enc")
    assert (pipeline.frames.width, pipeline.frames.height) == (960, 540)
    assert (pipeline.coded.width, pipeline.coded.height) == (1920, 1080)
    alone = build(camera, None, encoder="", mask_at=None)
    assert "width=960,height=540" in branches(alone)[0][1]
    assert alone.coded is None


def test_odd_sides_come_as_bgr_and_are_recorded_even():
    camera = jetson(1921, 1081)
    source, frames, record = branches(build(camera, VIDEO, encoder=SOFTWARE_ENCODER, mask_at=None))
    assert "width=1922,height=1082" in source[1]
    assert frames[1:5] == [
        "nvvidconv interpolation-method=1",
        "video/x-raw,format=BGRx,width=1921,height=1081",
        "videoconvert",
        "video/x-raw,format=BGR",
    ]
    assert record[2] == "video/x-raw,format=I420,width=1922,height=1082"


def test_what_has_to_be_there_is_named_by_its_package():
    test_picture = jetson(element="videotestsrc")
    needed = needed_elements(test_picture, is_coded=True, is_masked=True)
    assert packages_of(needed) == (
        "gstreamer1.0-plugins-base",
        "gstreamer1.0-plugins-bad",
        "gstreamer1.0-plugins-good",
    )
    needed = needed_elements(jetson(1921, 1081), is_coded=False, is_masked=False)
    assert needed == ("appsink", "nvarguscamerasrc", "nvvidconv", "videoconvert")


def test_a_record_of_another_shape_is_refused():
    with pytest.raises(LensError, match="640x640, lens for 1920x1080"):
        build(
            jetson(record_width_px=640, record_height_px=640),
            VIDEO,
            encoder=SOFTWARE_ENCODER,
            mask_at=None,
        )


@pytest.mark.parametrize(
    ("mains_hz", "max_exposure_s", "fps", "limit_us"),
    [
        (50, 0.04, 10, 40_000),
        (50, 0.039, 10, 30_000),
        (60, 0.04, 10, 33_333.333),
        (50, 0.04, 30, 30_000),
        (50, 0.005, 10, 5_000),
        (0, 0.04, 10, 40_000),
        (60, 1.0, 10, 100_000),
    ],
)
def test_the_longest_exposure_is_whole_halves_of_a_mains_period(
    mains_hz, max_exposure_s, fps, limit_us
):
    light = LightSection(mains_hz=mains_hz, max_exposure_s=max_exposure_s)
    assert exposure_limit_ns(light, fps) == pytest.approx(limit_us * 1000, abs=1)


def test_light_becomes_properties_of_the_camera_source():
    assert argus_properties(LightSection(mains_hz=60, max_gain=8), 10, None) == (
        "aeantibanding=3",
        'exposuretimerange="1 33333333"',
        'gainrange="1 8"',
        'ispdigitalgainrange="1 1"',
    )
    assert argus_properties(LightSection(mains_hz=0), 10, None)[0] == "aeantibanding=0"


def region(tilt_deg, fov_deg, model="pinhole", size=(1280, 720), roll_deg=0.0):
    lens = LensSection(model=model, width_px=size[0], height_px=size[1], fov_deg=fov_deg)
    section = SensorSection(
        source=GstreamerSource(), lens=lens, tilt_deg=tilt_deg, roll_deg=roll_deg
    )
    return ground_region(sensor_from(section))


def test_metering_leaves_out_what_is_above_ten_degrees_below_the_horizon():
    # Half of 60 degrees of width at 1280: f = 1108.5 px, ten degrees below at row 360 - 0.
    box = region(10.0, 60.0)
    assert (box.x0_px, box.x1_px, box.y1_px) == (0, 1280, 720)
    # Its cell of 720 / 64 px, on the ground side. Towards the corners the line bends down.
    assert 360 <= box.y0_px <= 410
    assert region(80.0, 60.0) is None, "all of it is ground"
    assert region(-40.0, 60.0) is None, "none of it is"


def test_metering_of_a_fisheye_looking_down_keeps_off_the_rim():
    box = region(90.0, 180.0, "equidistant", (1024, 1024))
    # A square in the circle of 80 degrees, whose radius is 512 * 80 / 90 px.
    half_px = 512 * 80 / 90 / 2**0.5
    for found, wanted in zip(
        (box.x0_px, box.y0_px, box.x1_px, box.y1_px), (-1, -1, 1, 1), strict=True
    ):
        assert found == pytest.approx(512 + wanted * half_px, abs=33)
    area = (box.x1_px - box.x0_px) * (box.y1_px - box.y0_px)
    assert area > 0.93 * (2 * half_px) ** 2


def overlaid(mask, size):
    """What an overlay hides of a record of that size, (height, width)."""
    overlay = OverlaidMask.of(mask, size)
    picture = cv2.imdecode(np.frombuffer(overlay.png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert not picture[:, :, :3].any()
    assert set(np.unique(picture[:, :, 3])) <= {0, 255}
    hidden = np.zeros((size.height_px, size.width_px), bool)
    height, width = picture.shape[:2]
    hidden[overlay.y_px : overlay.y_px + height, overlay.x_px : overlay.x_px + width] = (
        picture[:, :, 3] > 0
    )
    return hidden


@pytest.mark.parametrize("size", [Size(64, 48), Size(128, 96), Size(32, 24), Size(96, 72)])
def test_whatever_shows_a_part_of_a_mask_is_hidden_and_little_more(size):
    mask = np.zeros((48, 64), bool)
    mask[7:19, 11:30] = mask[30, 63] = True
    hidden = overlaid(mask, size)
    scale = size.width_px / 64
    rows = (np.arange(size.height_px) / scale).astype(int)
    columns = (np.arange(size.width_px) / scale).astype(int)
    assert hidden[mask[np.ix_(rows, columns)]].all()
    # All four pixels of a colour sample, and not farther than one of them from the mask.
    cells = hidden.reshape(size.height_px // 2, 2, size.width_px // 2, 2)
    assert np.array_equal(cells.any((1, 3)), cells.all((1, 3)))
    reach = int(np.ceil(2 / scale)) + 1
    near = cv2.dilate(mask.astype(np.uint8), np.ones((2 * reach + 1,) * 2)) > 0
    assert not hidden[~near[np.ix_(rows, columns)]].any()


def test_a_mask_beside_the_picture_hides_nothing():
    assert not overlaid(np.zeros((48, 64), bool), Size(64, 48)).any()


NOW_NS = 1000 * NS_PER_S


def header(kind, *, slot=0, size=0, number=0, taken_ns=NOW_NS - 1000, decoded_ns=0):
    return HEADER.pack(kind, slot, size, number, taken_ns, decoded_ns)


def words(kind, text):
    payload = text.encode()
    return header(kind, size=len(payload)) + payload


def test_messages_come_whole_however_they_are_cut():
    coded = header(CODED, size=3, taken_ns=NOW_NS - 9, decoded_ns=NOW_NS - 9) + b"abc"
    said = header(FRAME, slot=2, number=4) + header(SKIPPED, number=6) + coded + words(UNFIT, "no")
    expected = [
        FrameWritten(2, 4, NOW_NS - 1000),
        FrameSkipped(6),
        CodedGiven(b"abc", NOW_NS - 9, NOW_NS - 9),
        ChildWords("no", is_unfit=True),
    ]
    for step in (1, 7, 32, len(said)):
        messages = ChildMessages(8, 100)
        got = []
        for start in range(0, len(said), step):
            got += messages.feed(said[start : start + step], NOW_NS)
        assert got == expected


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (header(0), "kind 0"),
        (header(6), "kind 6"),
        (header(FRAME, size=1), "with 1 bytes"),
        (header(TROUBLE, size=401), "with 401 bytes"),
        (header(CODED, size=101), "with 101 bytes"),
        (header(FRAME, slot=8), "slot 8"),
        (header(FRAME) + header(FRAME, number=1, taken_ns=NOW_NS), "slot 0"),
        (header(FRAME, number=2**53), "frame 9007199254740992"),
        (header(FRAME, number=1) + header(SKIPPED, number=1), "frame 1 where 2"),
        (header(FRAME, taken_ns=NOW_NS + 1), "-0.0 s old"),
        (header(FRAME, taken_ns=NOW_NS - 11 * NS_PER_S), "11.0 s old"),
        (header(FRAME) + header(FRAME, slot=1, number=1), "before the last one"),
        (header(CODED, taken_ns=NOW_NS - 5, decoded_ns=NOW_NS - 4), "after it is shown"),
        (header(CODED, taken_ns=NOW_NS, decoded_ns=-1), "after it is shown"),
    ],
)
def test_whatever_is_out_of_bounds_ends_the_child(said, why):
    with pytest.raises(ChildGarbage, match=why):
        list(ChildMessages(8, 100).feed(said, NOW_NS))


def test_coded_pictures_that_nobody_asked_for_are_nonsense():
    with pytest.raises(ChildGarbage, match="kind 3"):
        list(ChildMessages(8, 0).feed(header(CODED), NOW_NS))


def test_a_released_slot_may_be_used_again():
    messages = ChildMessages(1, 0)
    list(messages.feed(header(FRAME), NOW_NS))
    messages.release(0)
    (again,) = messages.feed(header(FRAME, number=1, taken_ns=NOW_NS), NOW_NS)
    assert again.slot == 0


def test_words_are_one_line_that_moves_no_cursor():
    (told,) = ChildMessages(1, 0).feed(words(TROUBLE, "a\nb\x1b[2J"), NOW_NS)
    assert told == ChildWords("a b\\x1b[2J", is_unfit=False)


@given(st.binary(max_size=300))
def test_garbage_is_never_more_than_refused(noise):
    messages = ChildMessages(8, 100)
    with contextlib.suppress(ChildGarbage):
        for message in messages.feed(noise, NOW_NS):
            assert isinstance(message, FrameWritten | FrameSkipped | CodedGiven | ChildWords)
