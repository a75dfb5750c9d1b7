"""What somebody left is found where it stands; lights, gaps and passers-by are no things."""

import math
from collections.abc import Callable

import cv2
import msgspec
import numpy as np
import pytest

from left_things import Thing, draw
from roeh.core.types import Track
from roeh.media.frames import PixelFrame, UInt8Image
from roeh.optics.ground import GroundPlane
from roeh.optics.lens import Equidistant
from roeh.optics.rig import Pose, Rig, Sensor
from roeh.sources.drawn.sight import SightField
from roeh.sources.drawn.street import street_picture
from roeh.vision.scene import StillObject
from roeh.vision.still import StillObserver
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
    [((2.0, 3.0), (40, 40, 90)), ((-5.0, 5.0), (30, 60, 30)), ((0.0, -11.0), (200, 205, 210))],
)
@pytest.mark.parametrize(("noise", "brightness"), [(2.0, 1.0), (8.0, 0.5)])
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
