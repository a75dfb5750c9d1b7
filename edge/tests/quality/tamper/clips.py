"""Clips to tamper with: more of a scene than the camera sees, so that it can be turned.

Four kinds, by seed: drawn streets and real footage, each seen all round and by an ordinary
camera. The real footage is `vtest.avi` (roeh.demo.footage): one place, other parts of it, other
times, sometimes mirrored.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from roeh.core.clock import SimulatedClock
from roeh.core.config import (
    ComposedSource,
    FileSource,
    LensSection,
    PanoramaSource,
    PanoramaView,
    SensorSection,
    SourceSection,
)
from roeh.media.frames import UInt8Image
from roeh.optics.configured import lens_from
from roeh.optics.lens import Lens, is_fisheye
from roeh.optics.remap import FixedPointMap, pixel_grid
from roeh.sources.factory import open_source
from roeh.sources.footage import probe
from roeh.sources.protocol import SourceFrame

#: The camera looks once in so long; the observer each 0.6 s.
FRAME_S = 0.625
FRAMES = 36
#: So many pictures there are of a clip; it begins again.
_PICTURES = 20
# At the size that the observer looks at: a larger picture is made as small before it looks.
_ROUND = LensSection(width_px=256, height_px=256, fov_deg=175.0)
_ROUND_WIDE = LensSection(width_px=512, height_px=512, fov_deg=218.0)
_FLAT = LensSection(model="pinhole", width_px=256, height_px=144, fov_deg=60.0)
_FLAT_WIDE = LensSection(model="pinhole", width_px=1024, height_px=576, fov_deg=120.0)
#: The footage is taken to see so far across.
_FOOTAGE_FOV_DEG = 75.0
_FOOTAGE_VIEW = LensSection(model="pinhole", width_px=256, height_px=144, fov_deg=51.3)


class Clip:
    """One scene, for `FRAMES` pictures.

    Args:
        seed: decides which.
        footage: `vtest.avi`.

    Attributes:
        lens: of the camera whose picture `view` gives.
        rest_deg: how the camera is turned from the middle of what there is, to begin with.
        reach_deg: how far it can be turned from there.
    """

    def __init__(self, seed: int, footage: str) -> None:
        self.seed = seed
        self._rng = np.random.default_rng([seed, 1])
        kind = seed % 4
        self.is_drawn = kind < 2
        view, wide = (_ROUND, _ROUND_WIDE) if kind % 2 == 0 else (_FLAT, _FLAT_WIDE)
        self.rest_deg, self.reach_deg = 0.0, 30.0
        if kind == 3:
            size = probe(footage).size
            wide = LensSection(
                model="pinhole",
                width_px=size.width_px,
                height_px=size.height_px,
                fov_deg=_FOOTAGE_FOV_DEG,
            )
            view = _FOOTAGE_VIEW
            self.rest_deg, self.reach_deg = float(self._rng.choice([-11.0, 11.0])), 20.0
        self.lens = lens_from(view)
        self._wide = lens_from(wide)
        self._maps: dict[tuple[float, float, float], FixedPointMap] = {}
        self._pictures = _pictures(self._source(footage), wide, is_flat=kind % 2 == 1)
        if self.is_drawn:
            self._pictures = _furnished(self._pictures, self._rng)
        if kind == 3 and self._rng.random() < 0.5:
            self._pictures = [np.ascontiguousarray(one[:, ::-1]) for one in self._pictures]

    @property
    def is_round(self) -> bool:
        """Whether it is an all-round camera's."""
        return is_fisheye(self.lens)

    def view(self, index: int, *, turn_deg: float, tilt_deg: float, roll_deg: float) -> UInt8Image:
        """What the camera sees: turned about the pole's axis, then tilted, then rolled."""
        key = (round(turn_deg, 2), round(tilt_deg, 2), round(roll_deg, 2))
        if key not in self._maps:
            self._maps[key] = _map(self.lens, self._wide, *key)
        return self._maps[key].render(self._pictures[index % len(self._pictures)])

    def _source(self, footage: str) -> SourceSection:
        rng, fps = self._rng, 1 / FRAME_S
        if self.is_drawn:
            return ComposedSource(seed=self.seed, people=int(rng.integers(0, 16)), fps=fps)
        start_s = float(rng.uniform(0, 40))
        if self.seed % 4 == 2:
            middles = np.arange(4) * 90.0 + rng.uniform(0, 90) + rng.uniform(-12, 12, 4)
            views = tuple(
                PanoramaView(
                    azimuth_deg=float(middle % 360),
                    hfov_deg=float(rng.uniform(60, 85)),
                    tilt_deg=float(rng.uniform(15, 30)),
                    start_s=start_s + 4 * n,
                )
                for n, middle in enumerate(middles)
            )
            return PanoramaSource(path=footage, views=views, fps=fps)
        return FileSource(path=footage, loop=True)


def _pictures(source: SourceSection, wide: LensSection, *, is_flat: bool) -> list[UInt8Image]:
    sensor = SensorSection(
        source=source, lens=wide, height_m=5.0, tilt_deg=10.0 if is_flat else 90.0
    )
    opened = open_source(source, sensor=sensor, clock=SimulatedClock(), paced=False)
    with opened:
        frames = (
            frame.read().bgr().copy() for frame in _kept(opened.frames(threading.Event()), source)
        )
        return list(itertools.islice(frames, _PICTURES))


def _furnished(pictures: list[UInt8Image], rng: np.random.Generator) -> list[UInt8Image]:
    """With what a street has and the drawn one has not: windows, signs, posts."""
    height, width = pictures[0].shape[:2]
    furniture = np.zeros((height, width, 4), np.uint8)
    for _ in range(140):
        x, y = (int(value) for value in rng.uniform(0, (width, height)))
        wide, high = (int(value) for value in rng.uniform(0.008, 0.05, 2) * width)
        colour = (*rng.integers(25, 230, 3).tolist(), 255)
        cv2.rectangle(furniture, (x, y), (x + wide, y + high), colour, -1)
    is_there = furniture[..., 3:] > 0
    # Nothing hangs outside of the image circle.
    return [
        np.where(is_there & (one.any(axis=2, keepdims=True)), furniture[..., :3], one)
        for one in pictures
    ]


def _kept(frames: Iterator[SourceFrame], source: SourceSection) -> Iterator[SourceFrame]:
    """One frame each `FRAME_S`; footage comes at its own pace."""
    next_ns = 0
    for frame in frames:
        if not isinstance(source, FileSource) or frame.info.t_mono_ns >= next_ns:
            next_ns = frame.info.t_mono_ns + round(FRAME_S * 1e9)
            yield frame


def _map(
    lens: Lens, wide: Lens, turn_deg: float, tilt_deg: float, roll_deg: float
) -> FixedPointMap:
    turn = _about(2 if is_fisheye(lens) else 1, turn_deg)
    turned = turn @ _about(0, tilt_deg) @ _about(2, roll_deg)
    directions = lens.unproject(pixel_grid(lens.width_px, lens.height_px))
    return FixedPointMap.of(wide.project(directions @ turned.T), lens.width_px, lens.height_px)


def _about(axis: int, angle_deg: float) -> NDArray[np.float64]:
    """Rotation about x, y or z of the camera."""
    vector = np.zeros(3)
    vector[axis] = np.radians(angle_deg)
    return np.asarray(cv2.Rodrigues(vector)[0], np.float64)
