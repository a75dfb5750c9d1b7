"""Streets with nobody in them: rain, lamps, shadows and insects, and not one alert.

Each stretch of a minute is calm but for a while, in which one thing disturbs it. Rules are as
touchy as a pole's may be: every zone is the whole street, every dwell short.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np

from roeh.core.clock import NS_PER_S
from roeh.core.config import (
    ComposedSource,
    CrowdRule,
    DispersalRule,
    LineCrossingRule,
    LineSection,
    LoiteringRule,
    NodeConfig,
    RunningRule,
    ZoneEntryRule,
    ZoneSection,
)
from roeh.core.types import AlertPhase, Frame
from roeh.media.frames import PixelFrame, UInt8Image
from roeh.optics.configured import rig_from
from roeh.sources.drawn.degrade import Weather as Spoiler
from roeh.sources.drawn.sight import SightField
from roeh.sources.drawn.street import street_picture
from roeh.vision.pipeline import Pipeline
from tests.quality.stages import FPS, Camera, Weather, detect_of, finish, section_of

STRETCH_S = 60.0
#: The disturbance begins and ends in these seconds of its stretch.
_FROM_S, _UNTIL_S = 20.0, 45.0
#: Each task is so many stretches of one camera, as one recording.
STRETCHES = 5


class Disturbance(enum.Enum):
    """What goes on in an empty street."""

    RAIN = "rain"
    LAMPS = "lamps"
    SHADOWS = "shadows"
    INSECTS = "insects"


class Quiet(msgspec.Struct, frozen=True):
    """What became of some stretches.

    Attributes:
        alerts: names of rules that raised one, with what disturbed and when.
        detections: of anything, confident enough to start a track.
        tracks: that were confirmed.
    """

    camera: Camera
    weather: Weather
    seed: int
    seconds: float
    alerts: tuple[str, ...]
    detections: int
    tracks: int
    pictures_looked_at: int


def empty_node(camera: Camera) -> NodeConfig:
    """A pole with every rule for people and vehicles, over all that it sees."""
    street = ZoneSection(
        name="street", bearing_from_deg=0.0, bearing_to_deg=0.0, range_from_m=2.0, range_to_m=25.0
    )
    line = LineSection(name="across", from_m=(-12.0, 9.0), to_m=(12.0, 9.0))
    labels = ("person", "bicycle", "car", "motorcycle", "bus", "truck", "dog")
    return NodeConfig(
        sensors=(section_of(camera),),
        detect=detect_of(camera),
        zones=(street,),
        lines=(line,),
        rules=(
            ZoneEntryRule(name="zone", zone="street", labels=labels),
            LineCrossingRule(name="line", line="across", labels=labels),
            LoiteringRule(name="loitering", dwell_s=5.0, labels=labels),
            CrowdRule(name="crowd", count=2, duration_s=2.0),
            RunningRule(name="running", labels=labels),
            DispersalRule(name="dispersal", count=3),
        ),
    )


def watch_nobody(camera: Camera, weather: Weather, seed: int) -> Quiet:
    """Some minutes of an empty street, and what was made of them."""
    cv2.setNumThreads(1)
    config = empty_node(camera)
    pipeline = Pipeline(config)
    alerts: list[str] = []
    tracks: set[int] = set()
    detections = looked = count = 0
    for number, (frame, what) in enumerate(_pictures(camera, weather, seed)):
        analysis = pipeline.analyse(frame)
        count += 1
        looked += analysis.tiles > 0
        detections += sum(
            one.confidence >= config.detect.min_confidence for one in analysis.detections
        )
        tracks.update(track.id for track in analysis.tracks if track.confirmed)
        alerts += [
            f"{finding.rule} ({finding.label}) in {what} at {number / FPS:.1f} s"
            for finding in analysis.findings
            if finding.phase is AlertPhase.RAISED
        ]
    return Quiet(camera, weather, seed, count / FPS, tuple(alerts), detections, len(tracks), looked)


def kept_quiet(path: Path) -> list[Quiet]:
    """What an earlier run has left."""
    if not path.is_file():
        return []
    return [msgspec.json.decode(line, type=Quiet) for line in path.read_bytes().splitlines()]


def _pictures(camera: Camera, weather: Weather, seed: int) -> Iterator[tuple[PixelFrame, str]]:
    config = empty_node(camera)
    rig = rig_from(config)
    sight = SightField(rig, rig.sensors[0])
    street = street_picture(sight, seed)
    night = 0.5 if weather is Weather.NIGHT else 0.0
    noise = Spoiler(ComposedSource(seed=seed, night=night))
    number = 0
    for stretch in range(STRETCHES):
        rng = np.random.default_rng([seed, 21, stretch])
        # Every disturbance comes in every task, however it begins.
        what = list(Disturbance)[(seed + stretch) % len(Disturbance)]
        act = {
            Disturbance.RAIN: _Rain,
            Disturbance.LAMPS: _Lamps,
            Disturbance.SHADOWS: _Shadows,
            Disturbance.INSECTS: _Insects,
        }[what](rng, sight)
        for step in range(round(STRETCH_S * FPS)):
            t_s = step / FPS
            picture = street.copy()
            if _FROM_S <= t_s < _UNTIL_S:
                act.draw(picture, t_s - _FROM_S)
            noise.spoil(picture, number, number / FPS)
            finish(picture, weather)
            yield PixelFrame(_frame(number, picture, config.sensors[0].name), picture), what.value
            number += 1


def _frame(number: int, picture: UInt8Image, camera_id: str) -> Frame:
    return Frame(
        camera_id=camera_id,
        seq=number,
        t_mono_ns=round((1000 + number / FPS) * NS_PER_S),
        t_utc_ns=round((1_700_000_000 + number / FPS) * NS_PER_S),
        utc_error_ns=0,
        boot_id="quality",
        width_px=picture.shape[1],
        height_px=picture.shape[0],
        pixel_format="bgr24",
    )


class _Rain:
    """From drizzle to a downpour, and back."""

    def __init__(self, rng: np.random.Generator, sight: SightField) -> None:
        self._spoilers = [
            Spoiler(ComposedSource(seed=int(rng.integers(1 << 30)), rain_drops=drops))
            for drops in (80, 250, 800)
        ]

    def draw(self, picture: UInt8Image, t_s: float) -> None:
        strength = min(2, int(3 * math.sin(math.pi * t_s / (_UNTIL_S - _FROM_S))))
        self._spoilers[strength].spoil(picture, round(t_s * FPS), t_s)


class _Lamps:
    """Headlights pass over the ground; a lamp comes on, trembles, and goes out."""

    def __init__(self, rng: np.random.Generator, sight: SightField) -> None:
        self._ground = _Ground(sight)
        self._cars = [
            (rng.uniform(2, 20), rng.uniform(-11, -7), rng.uniform(6, 12), rng.choice([-1, 1]))
            for _ in range(4)
        ]
        self._lamp = (rng.uniform(-8, 8), rng.uniform(5, 12))
        self._trembles_hz = rng.uniform(0.7, 2.0)

    def draw(self, picture: UInt8Image, t_s: float) -> None:
        light = np.zeros(picture.shape[:2], np.float32)
        for from_s, north_m, speed_mps, side in self._cars:
            east_m = side * (-30 + speed_mps * (t_s - from_s))
            if abs(east_m) < 30:
                for offset_m in (-0.7, 0.7):
                    self._ground.add(light, (east_m, -north_m + offset_m), (4.0, 0.8), 90.0)
        if 5.0 < t_s < 20.0:
            depth = 40.0 * (1 + 0.5 * math.sin(2 * math.pi * self._trembles_hz * t_s))
            self._ground.add(light, self._lamp, (3.0, 3.0), depth)
        lit = picture + light[..., None]
        picture[:] = np.clip(lit, 0, 255)


class _Shadows:
    """Clouds, a tree that sways, and long shadows as of people who are out of sight."""

    def __init__(self, rng: np.random.Generator, sight: SightField) -> None:
        self._ground = _Ground(sight)
        self._walkers = [
            (
                np.asarray([rng.uniform(-9, 9), rng.uniform(5, 13)]),
                rng.uniform(-1.4, 1.4, 2),
                rng.uniform(0, math.pi),
            )
            for _ in range(3)
        ]
        self._tree = np.asarray([rng.uniform(-6, 6), rng.uniform(5, 12)])
        self._cloud_mps = rng.uniform(1.0, 4.0)

    def draw(self, picture: UInt8Image, t_s: float) -> None:
        dark = np.zeros(picture.shape[:2], np.float32)
        cloud = (-25 + self._cloud_mps * t_s, 8.0)
        self._ground.add(dark, cloud, (9.0, 9.0), 0.35)
        sway_m = 0.4 * math.sin(1.9 * t_s)
        for branch in range(5):
            place = np.add(self._tree, (0.5 * branch + sway_m, 0.3 * branch))
            self._ground.add(dark, tuple(place), (0.6, 0.25), 0.5)
        for start, velocity, turn in self._walkers:
            place = start + velocity * (t_s - 12)
            self._ground.add(dark, tuple(place), (1.5, 0.3), 0.6, turn)
        picture[:] = picture * (1 - np.minimum(dark, 0.75))[..., None]


class _Insects:
    """Moths as bright blurs, a fly as a dark one, and a spider that lowers itself."""

    def __init__(self, rng: np.random.Generator, sight: SightField) -> None:
        self._rng = rng
        self._height, self._width = sight.whole.shape
        self._spider_x = rng.uniform(0.2, 0.8) * self._width
        self._places = rng.uniform(0, 1, (4, 2)) * (self._width, self._height)
        self._sizes = rng.uniform(0.008, 0.05, 4) * self._height

    def draw(self, picture: UInt8Image, t_s: float) -> None:
        layer, where = picture.copy(), np.zeros_like(picture)
        self._places += self._rng.normal(0, 0.06 * self._height, self._places.shape)
        self._places %= (self._width, self._height)
        for number, (place, size) in enumerate(zip(self._places, self._sizes, strict=True)):
            centre = (int(place[0]), int(place[1]))
            axes = (int(size), int(size * self._rng.uniform(0.3, 0.8)))
            colour = (235, 240, 240) if number % 2 else (30, 32, 34)
            turn_deg = float(self._rng.uniform(0, 180))
            cv2.ellipse(layer, centre, axes, turn_deg, 0, 360, colour, -1)
            cv2.ellipse(where, centre, axes, turn_deg, 0, 360, (255, 255, 255), -1)
        self._spider(layer, t_s, (28, 30, 34))
        self._spider(where, t_s, (255, 255, 255))
        # Out of focus: they are centimetres from the lens.
        cover = cv2.GaussianBlur(where, (0, 0), 3.0).astype(np.uint16)
        picture[:] = (picture * (255 - cover) + layer * cover) // 255

    def _spider(self, layer: UInt8Image, t_s: float, colour: tuple[int, int, int]) -> None:
        x, y = self._spider_x + 8 * math.sin(t_s), 0.03 * self._height * t_s
        body = self._height // 30
        cv2.line(layer, (int(x), 0), (int(x), int(y)), colour, 1)
        cv2.circle(layer, (int(x), int(y)), body, colour, -1)
        for leg in range(8):
            angle = 2 * math.pi * leg / 8 + 0.2 * math.sin(5 * t_s + leg)
            end = (int(x + 3 * body * math.cos(angle)), int(y + 3 * body * math.sin(angle)))
            cv2.line(layer, (int(x), int(y)), end, colour, 3)


class _Ground:
    """Soft spots on the ground, in metres, as the camera sees them."""

    def __init__(self, sight: SightField) -> None:
        rays = sight.directions(sight.whole)
        down = np.minimum(rays[..., 2], -1e-3)
        east_m, north_m, height_m = (float(value) for value in sight.eye_m)
        self._east_m = east_m - height_m * rays[..., 0] / down
        self._north_m = north_m - height_m * rays[..., 1] / down
        self._seen = (rays[..., 2] < -0.02) & sight.seen(sight.whole)

    def add(
        self,
        layer: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
        middle_m: tuple[float, float],
        sigmas_m: tuple[float, float],
        strength: float,
        turn_rad: float = 0.0,
    ) -> None:
        """Add a spot that fades by these sigmas along and across its turn."""
        reach_m = 3 * max(sigmas_m)
        near = self._seen & (np.abs(self._east_m - middle_m[0]) < reach_m)
        near &= np.abs(self._north_m - middle_m[1]) < reach_m
        east_m, north_m = self._east_m[near] - middle_m[0], self._north_m[near] - middle_m[1]
        s, c = math.sin(turn_rad), math.cos(turn_rad)
        along, across = c * east_m + s * north_m, c * north_m - s * east_m
        layer[near] += strength * np.exp(
            -((along / sigmas_m[0]) ** 2 + (across / sigmas_m[1]) ** 2) / 2
        )
