"""What somebody left is found where it stands; lights, gaps and passers-by are no things."""

import math
from collections.abc import Callable

import cv2
import msgspec
import numpy as np
import pytest

from roeh.core.types import Track
from roeh.media.frames import PixelFrame, UInt8Image
from roeh.optics.ground import GroundPlane
from roeh.optics.lens import Equidistant
from roeh.optics.rig import Pose, Rig, Sensor
from roeh.sources.drawn.sight import SightField
from roeh.sources.drawn.street import street_picture
from roeh.vision.scene import StillObject
from roeh.vision.still import StillObserver
from tests.left_things import Thing, draw
from tests.unit.rule_scenes import frame_at

SIDE_PX = 512
FPS = 3.0
SENSOR = Sensor("dome", Equidistant(SIDE_PX, SIDE_PX, 185), Pose(0, 90, 0, 5))
RIG = Rig((SENSOR,), 0.0, 0.0)
PLANE = GroundPlane(RIG, SENSOR)
STREET = street_picture(SightField(RIG, SENSOR), 4)
#: Left there at that time.
LEFT_S = 12.0

Scene = Callable[[UInt8Image, float], None]
Sight = list[tuple[float, tuple[StillObject, ...]]]


def watch(
    scene: Scene,
    seconds: float,
    *,
    noise: float = 2.0,
    light: Callable[[float], float] = lambda t_s: 1.0,
    settling: Callable[[float], bool] = lambda t_s: False,
    tracks: Callable[[float], tuple[Track, ...]] = lambda t_s: (),
) -> Sight:
    """What the observer says of a street in which something happens."""
    random = np.random.default_rng(5)
    fields = [random.normal(0.0, noise, STREET.shape).astype(np.float32) for _ in range(3)]
    observer = StillObserver(RIG, SENSOR, None)
    said = []
    for number in range(round(seconds * FPS)):
        t_s = number / FPS
        picture = STREET.copy()
        scene(picture, t_s)
        field = fields[number % len(fields)][:: -1 if number % 2 else 1]
        shown = cv2.scaleAdd(picture.astype(np.float32), light(t_s), field)
        pixels = np.clip(shown, 0, 255, out=shown).astype(np.uint8)
        info = msgspec.structs.replace(frame_at(t_s), width_px=SIDE_PX, height_px=SIDE_PX)
        frame = PixelFrame(info, pixels)
        said.append((t_s, observer.update(frame, tracks(t_s), settling=settling(t_s))))
    return said


def left(*things: Thing, from_s: float = LEFT_S, until_s: float = math.inf) -> Scene:
    """Things that stand there for a while."""

    def put(picture: UInt8Image, t_s: float) -> None:
        for thing in things:
            if from_s <= t_s < until_s:
                draw(picture, PLANE, thing)

    return put


def found(said: Sight) -> dict[int, tuple[float, StillObject]]:
    """Every object with the time at which it was first told."""
    first: dict[int, tuple[float, StillObject]] = {}
    for t_s, objects in said:
        for one in objects:
            first.setdefault(one.number, (t_s, one))
    return first


@pytest.mark.parametrize(
    ("place", "bgr"),
    [((2.0, 3.0), (40, 40, 90)), ((-5.0, 5.0), (30, 60, 30)), ((0.0, -11.0), (22, 24, 30))],
)
@pytest.mark.parametrize(("noise", "brightness"), [(2.0, 1.0), (5.0, 0.5)])
def test_a_bag_is_found_where_it_stands_within_seconds(place, bgr, noise, brightness):
    said = watch(left(Thing(*place, bgr=bgr)), 22, noise=noise, light=lambda t_s: brightness)

    ((told_s, one),) = found(said).values()
    assert told_s - LEFT_S < 8.0
    assert abs(one.since.t_mono_ns / 1e9 - LEFT_S) <= 2.0
    off_m = math.dist((one.position.east_m, one.position.north_m), place)
    sigma_m = math.sqrt(
        one.position.covariance.east_east_m2 + one.position.covariance.north_north_m2
    )
    assert off_m < 0.3 or off_m < 2.5 * sigma_m
    assert said[-1][1]


def shaded(factor, soft_px=2):
    """Light or shade on a piece of street as big as a bag."""
    veil = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    pixels = PLANE.pixels_of(np.asarray([(2.0, 3.0), (3.0, 3.0), (3.0, 3.8), (2.0, 3.8)]))
    cv2.fillConvexPoly(veil, np.round(pixels).astype(np.int32), 1.0)
    veil = 1 + (factor - 1) * cv2.GaussianBlur(veil, (0, 0), soft_px)[..., None]

    def put(picture: UInt8Image, t_s: float) -> None:
        if t_s >= LEFT_S:
            picture[:] = np.clip(picture * veil, 0, 255).astype(np.uint8)

    return put


@pytest.mark.parametrize("factor", [0.55, 1.35])
def test_a_shadow_and_a_lamp_are_no_things(factor):
    assert found(watch(shaded(factor), 30)) == {}


def test_where_something_was_taken_away_nothing_was_left():
    assert found(watch(left(Thing(2.0, 3.0), from_s=0.0, until_s=LEFT_S), 30)) == {}


@pytest.mark.parametrize("size_m", [(0.05, 0.05, 0.05), (4.2, 1.8, 1.5), (2.2, 0.5, 1.0)])
def test_what_nobody_leaves_by_its_size_is_no_thing(size_m):
    assert found(watch(left(Thing(3.0, 4.0, size_m=size_m)), 26)) == {}


def test_it_keeps_its_number_while_the_light_goes_and_somebody_passes_before_it():
    things = left(Thing(2.0, 4.0))
    passer = Thing(0.0, 0.0, size_m=(0.5, 0.3, 1.7))

    def scene(picture: UInt8Image, t_s: float) -> None:
        things(picture, t_s)
        if 30 <= t_s < 36:
            draw(
                picture,
                PLANE,
                msgspec.structs.replace(passer, east_m=1.6, north_m=6 * (t_s - 31.5) / 4.5),
            )

    said = watch(
        scene,
        60,
        light=lambda t_s: 1.0 - 0.6 * min(1.0, max(0.0, (t_s - 38) / 14)),
        settling=lambda t_s: 54 <= t_s < 56.5,
    )
    assert list(found(said)) == [1]
    assert said[-1][1]


def test_it_is_gone_within_seconds_once_it_is_taken_away():
    said = watch(left(Thing(2.0, 3.0), until_s=26), 40)
    assert list(found(said)) == [1]
    (last_s, *_), *_ = [one for one in reversed(said) if one[1]]
    assert 26 <= last_s < 34
