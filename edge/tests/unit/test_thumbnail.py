"""Thumbnails: at most 8 kB, the person boxed and upright, masked places black."""

import math

import cv2
import numpy as np
import pytest

from roeh.core.config import ComposedSource, LensSection, MaskSection, SensorSection
from roeh.core.types import Frame
from roeh.media.frames import PixelFrame
from roeh.media.masks import mask_of
from roeh.media.thumbnail import (
    MAX_THRIFTY_BYTES,
    MAX_THUMBNAIL_BYTES,
    THUMBNAIL_SIZE,
    encode_picture,
    render_thumbnail,
)
from roeh.optics.configured import sensor_from
from roeh.optics.ground import GroundPlane
from roeh.optics.rig import Rig
from roeh.transport.messages import picture_type

HEAD_M, HALF_WIDTH_M = 1.75, 0.25
LENSES = {
    "fisheye": (LensSection(width_px=1024, height_px=1024, fov_deg=185.0), 90.0),
    "perspective": (LensSection(model="pinhole", width_px=640, height_px=384, fov_deg=60.0), 25.0),
}


def section_of(name, masks=()):
    lens, tilt_deg = LENSES[name]
    return SensorSection(
        name="camera",
        source=ComposedSource(),
        lens=lens,
        height_m=5.0,
        tilt_deg=tilt_deg,
        masks=tuple(MaskSection(name=f"mask-{i}", polygon_px=m) for i, m in enumerate(masks)),
    )


def frame_of(picture):
    height_px, width_px = picture.shape[:2]
    info = Frame("camera", 0, 0, 0, 0, "boot", width_px, height_px, "bgr24")
    return PixelFrame(info, picture)


class Person:
    """Somebody who stands at a place on the ground, as points of the sensor's picture."""

    def __init__(self, sensor, range_m, bearing_deg):
        plane = GroundPlane(Rig((sensor,), heading_deg=0.0, heading_sigma_deg=0.0), sensor)
        bearing = math.radians(bearing_deg)
        along = np.asarray([math.sin(bearing), math.cos(bearing)])
        across = np.asarray([along[1], -along[0]]) * HALF_WIDTH_M
        place = along * range_m
        sides = np.stack([place - across, place + across])
        low, high = plane.pixels_of(sides), plane.pixels_of(sides, up_m=HEAD_M)
        self.outline_px = np.asarray([high[0], high[1], low[1], low[0]])
        self.foot_px = plane.pixels_of(place[None])[0]
        self.head_px = plane.pixels_of(place[None], up_m=HEAD_M)[0]


def decoded(jpeg):
    assert jpeg is not None
    assert len(jpeg) <= MAX_THUMBNAIL_BYTES
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).astype(int)


def centre_of(selected):
    rows, columns = np.nonzero(selected)
    assert len(rows), "it cannot be seen"
    return columns.mean(), rows.mean()


def extent_of(selected):
    rows, columns = np.nonzero(selected)
    assert len(rows), "it cannot be seen"
    return columns.min(), rows.min(), columns.max(), rows.max()


def is_red(picture):
    return (picture[..., 2] > 150) & (picture[..., 1] < 100) & (picture[..., 0] < 100)


def is_blue(picture):
    return (picture[..., 0] > 150) & (picture[..., 1] < 100) & (picture[..., 2] < 100)


def is_box(picture):
    return (picture[..., 2] > 170) & (picture[..., 1] > 130) & (picture[..., 0] < 120)


PLACES = [
    *(("fisheye", range_m, bearing) for range_m in (2.0, 8.0) for bearing in range(0, 360, 45)),
    ("fisheye", 8.0, 359.9),
    ("fisheye", 25.0, 200.0),
    # Right below: what is farther from the pole is up.
    ("fisheye", 0.6, 120.0),
    *(("perspective", range_m, bearing) for range_m in (8.0, 14.0) for bearing in (340, 0, 25)),
]


@pytest.mark.parametrize(("lens", "range_m", "bearing_deg"), PLACES)
def test_the_person_is_boxed_and_stands_upright(lens, range_m, bearing_deg):
    sensor = sensor_from(section_of(lens))
    person = Person(sensor, range_m, bearing_deg)
    picture = np.full((sensor.lens.height_px, sensor.lens.width_px, 3), 90, np.uint8)
    size_px = max(1, round(np.linalg.norm(person.head_px - person.foot_px) / 8))
    for point, colour in ((person.head_px, (0, 0, 255)), (person.foot_px, (255, 0, 0))):
        cv2.circle(picture, tuple(point.round().astype(int).tolist()), size_px, colour, -1)
    shown = decoded(render_thumbnail(frame_of(picture), sensor, [person.outline_px], None))
    assert shown.shape == (THUMBNAIL_SIZE.height_px, THUMBNAIL_SIZE.width_px, 3)
    head_x, head_y = centre_of(is_red(shown))
    foot_x, foot_y = centre_of(is_blue(shown))
    assert foot_y - head_y > 20
    if range_m > 1.0:
        assert abs(head_x - foot_x) < 0.25 * (foot_y - head_y)
    left, top, right, bottom = extent_of(is_box(shown))
    assert left < min(head_x, foot_x) <= max(head_x, foot_x) < right
    assert top - 3 <= head_y < foot_y <= bottom + 3


def test_of_several_people_the_first_is_in_the_middle_and_stands_out():
    sensor = sensor_from(section_of("fisheye"))
    first, second = Person(sensor, 8.0, 100.0), Person(sensor, 8.0, 112.0)
    picture = np.full((1024, 1024, 3), 60, np.uint8)
    outlines = [first.outline_px, second.outline_px]
    shown = decoded(render_thumbnail(frame_of(picture), sensor, outlines, None))
    left, _, right, _ = extent_of(is_box(shown))
    assert abs((left + right) / 2 - THUMBNAIL_SIZE.width_px / 2) < 10
    is_grey = (shown.min(axis=2) > 150) & (np.ptp(shown, axis=2) < 60)
    assert extent_of(is_grey)[0] > right


@pytest.mark.parametrize("lens", LENSES)
def test_even_noise_fits(lens):
    sensor = sensor_from(section_of(lens))
    random = np.random.default_rng(1)
    picture = random.integers(0, 256, (sensor.lens.height_px, sensor.lens.width_px, 3), np.uint8)
    for range_m in (7.0, 12.0):
        outline = Person(sensor, range_m, 5.0).outline_px
        decoded(render_thumbnail(frame_of(picture), sensor, [outline], None))


@pytest.mark.parametrize("picture_format", ["jpeg", "webp"])
def test_what_fits_at_no_quality_is_made_smaller(picture_format):
    noise = np.random.default_rng(2).integers(0, 256, (180, 320, 3), np.uint8)
    large = encode_picture(noise, MAX_THUMBNAIL_BYTES, picture_format)
    assert len(large) <= MAX_THUMBNAIL_BYTES
    small = encode_picture(noise, 2000, picture_format)
    assert len(small) <= 2000
    assert cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR).shape[1] < 320


def test_where_bytes_are_paid_for_a_picture_takes_less_than_half():
    sensor = sensor_from(section_of("fisheye"))
    person = Person(sensor, 6.0, 30.0)
    street = cv2.GaussianBlur(
        np.random.default_rng(5).integers(0, 256, (1024, 1024, 3), np.uint8), (0, 0), 2
    )
    pictures = {
        name: render_thumbnail(frame_of(street), sensor, [person.outline_px], None, name)
        for name in ("jpeg", "webp")
    }
    assert picture_type(pictures["webp"]) == "image/webp"
    assert picture_type(pictures["jpeg"]) == "image/jpeg"
    assert is_box(decoded(pictures["webp"])).any()
    assert len(pictures["webp"]) <= MAX_THRIFTY_BYTES < 0.5 * len(pictures["jpeg"])


@pytest.mark.parametrize(
    ("lens", "range_m", "bearing_deg"),
    [("fisheye", 2.0, 30.0), ("fisheye", 9.0, 250.0), ("perspective", 10.0, 0.0)],
)
def test_nothing_of_a_masked_place_is_seen_and_the_rest_is(lens, range_m, bearing_deg):
    sensor = sensor_from(section_of(lens))
    person = Person(sensor, range_m, bearing_deg)
    # Everything on one side of a line through the person, which is no multiple of a pixel.
    x = person.outline_px[:, 0].mean() + 0.37
    corners = ((x, -50.0), (5000.0, -50.0), (5000.0, 5000.0), (x - 7.3, 5000.0))
    mask = mask_of(section_of(lens, masks=(corners,)))
    random = np.random.default_rng(3)
    street = np.full((sensor.lens.height_px, sensor.lens.width_px, 3), 200, np.uint8)
    jpegs = set()
    for secret in (0, 255, random.integers(0, 256, street.shape, np.uint8)):
        picture = np.where(mask[..., None], secret, street).astype(np.uint8)
        jpegs.add(render_thumbnail(frame_of(picture), sensor, [person.outline_px], mask))
    # Whatever lies behind the mask, the very same bytes.
    (jpeg,) = jpegs
    shown = decoded(jpeg)
    assert is_box(shown).any()
    assert 0.2 < (shown.max(axis=2) < 40).mean() < 0.8
    assert (shown.min(axis=2) > 160).mean() > 0.15


def test_a_box_round_somebody_masked_is_not_drawn():
    sensor = sensor_from(section_of("fisheye"))
    seen, masked = Person(sensor, 8.0, 100.0), Person(sensor, 8.0, 108.0)
    grown = masked.outline_px + 1.3 * (masked.outline_px - masked.outline_px.mean(axis=0))
    mask = mask_of(section_of("fisheye", masks=(tuple(map(tuple, grown)),)))
    picture = np.full((1024, 1024, 3), 60, np.uint8)
    with_them, without = (
        render_thumbnail(frame_of(picture), sensor, outlines, mask)
        for outlines in ([seen.outline_px, masked.outline_px], [seen.outline_px])
    )
    assert with_them == without
    assert (decoded(without).max(axis=2) < 20).any()


@pytest.mark.parametrize("lens", LENSES)
def test_at_the_rim_of_the_lens_there_is_a_picture_or_none_but_no_failure(lens):
    sensor = sensor_from(section_of(lens))
    size = np.asarray([sensor.lens.width_px, sensor.lens.height_px], float)
    picture = np.full((sensor.lens.height_px, sensor.lens.width_px, 3), 90, np.uint8)
    shape = np.asarray([(-12.0, -40.0), (12.0, -40.0), (12.0, 40.0), (-12.0, 40.0)])
    drawn = 0
    for turn in np.arange(0, 2 * math.pi, 0.4):
        for part in (0.7, 0.95, 1.0, 1.05, 1.3, 3.0):
            middle = size / 2 * (1 + part * np.asarray([math.cos(turn), math.sin(turn)]))
            jpeg = render_thumbnail(frame_of(picture), sensor, [middle + shape], None)
            if jpeg is not None:
                decoded(jpeg)
                drawn += 1
    assert drawn > 30
