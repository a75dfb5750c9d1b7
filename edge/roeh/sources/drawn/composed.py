"""Drawn people on a drawn street, with the exact truth about every one of them."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType

import msgspec
import numpy as np

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.config import ComposedSource
from roeh.core.types import Box, Frame, Size
from roeh.media.decode import PictureFormat
from roeh.media.frames import UInt8Image
from roeh.optics.lens import Lens, is_fisheye
from roeh.optics.rig import Rig, Sensor
from roeh.sources.drawn.body import Looks, Parts, looks_of, parts_of
from roeh.sources.drawn.degrade import Weather
from roeh.sources.drawn.figures import FigurePainter, Outline, outline_of
from roeh.sources.drawn.paths import Path, Sector, Stance, paths_of
from roeh.sources.drawn.sight import SightField
from roeh.sources.drawn.street import street_picture
from roeh.sources.protocol import (
    SourceFrame,
    SourceNotice,
    SourceObserver,
    SourceState,
    ignore_notices,
)
from roeh.sources.timeline import Pacer, frame_at

# An ordinary camera sees ground from where its picture begins to where people are small.
_PINHOLE_NEAR_M, _PINHOLE_FAR_M = 6.0, 14.0
_PINHOLE_SHARE = 0.35


class TruthObject(msgspec.Struct, frozen=True):
    """Where a drawn person truly is, in the world and in the sensor's picture.

    Attributes:
        box_px: upright rectangle round the whole body, hidden or not, sensor's picture;
            it may reach over the picture's edge.
        foot_px: the point on the ground below the body's middle.
        head_px: the top of the head.
    """

    id: int
    label: str
    east_m: float
    north_m: float
    bearing_deg: float
    range_m: float
    height_m: float
    foot_px: tuple[float, float]
    head_px: tuple[float, float]
    box_px: Box


@dataclass(frozen=True, slots=True)
class _Posed:
    """Somebody as of one frame."""

    id: int
    looks: Looks
    stance: Stance
    parts: Parts
    outline: Outline


class ComposedFrames:
    """The `Source` of drawn people; frames are drawn only when their pixels are wanted.

    Args:
        section: seed, number of people, pace, weather.
        rig: gives the heading; truth is in the world.
        sensor: whose picture is drawn; frames have its lens's size, bgr24.
        clock: times start where it stands when the first frame is asked for.
        paced: whether frames come at `section.fps`.
        paths: where people walk; default by the seed.
        observer: told of the end.
    """

    def __init__(
        self,
        section: ComposedSource,
        *,
        rig: Rig,
        sensor: Sensor,
        clock: Clock,
        paced: bool,
        paths: Sequence[Path] | None = None,
        observer: SourceObserver = ignore_notices,
    ) -> None:
        self.camera_id = sensor.name
        self.fps = section.fps
        self.format = PictureFormat(Size(sensor.lens.width_px, sensor.lens.height_px), "bgr24")
        self._section = section
        self._rig = rig
        self._sensor = sensor
        self._clock = clock
        self._pacer = Pacer(clock, paced=paced)
        self._observer = observer
        if paths is None:
            sector = Sector() if section.all_round else walked_sector(rig, sensor)
            paths = paths_of(section.seed, section.people, sector)
        self._people = [
            (index, looks_of(section.seed, index), path) for index, path in enumerate(paths)
        ]

    def __enter__(self) -> ComposedFrames:
        """Draw the empty street."""
        self._sight = SightField(self._rig, self._sensor)
        self._street = street_picture(self._sight, self._section.seed)
        self._painter = FigurePainter(self._sight)
        self._weather = Weather(self._section)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing is held but memory."""

    def frames(self, stop: threading.Event) -> Iterator[SourceFrame]:
        """The drawn frames, for `duration_s` or for ever."""
        self._notify(SourceState.CONNECTED, f"drawing {len(self._people)} people")
        duration_s = self._section.duration_s
        count = math.ceil(duration_s * self.fps) if duration_s else None
        seq = 0
        while count is None or seq < count:
            at = self._pacer.wait_until(round(self._since_s(seq) * NS_PER_S), stop)
            if at is None:
                return
            info = frame_at(self.camera_id, seq, at, self.format)
            yield SourceFrame(info, partial(self._draw, seq))
            seq += 1
        self._notify(SourceState.ENDED, f"{count} frames drawn")

    def truth(self, frame: Frame) -> tuple[TruthObject, ...]:
        """Everybody who is in a frame of this source with foot and head."""
        found = []
        for posed in self._posed(frame.seq):
            stance, height_m = posed.stance, posed.looks.height_m
            ends = np.asarray(
                [[stance.east_m, stance.north_m, 0.0], [stance.east_m, stance.north_m, height_m]]
            )
            foot, head = self._sight.pixels_of(ends)
            if not self._sensor.lens.inside(np.asarray([foot, head])).all():
                continue
            found.append(
                TruthObject(
                    id=posed.id,
                    label="person",
                    east_m=stance.east_m,
                    north_m=stance.north_m,
                    bearing_deg=math.degrees(math.atan2(stance.east_m, stance.north_m)) % 360.0,
                    range_m=math.hypot(stance.east_m, stance.north_m),
                    height_m=height_m,
                    foot_px=(float(foot[0]), float(foot[1])),
                    head_px=(float(head[0]), float(head[1])),
                    box_px=posed.outline.box_px,
                )
            )
        return tuple(found)

    def _since_s(self, seq: int) -> float:
        return seq / self.fps

    def _posed(self, seq: int) -> list[_Posed]:
        """Everybody whom the sensor may see, farthest first."""
        found = []
        for index, looks, path in self._people:
            stance = path.at(self._since_s(seq))
            parts = parts_of(looks, stance)
            outline = outline_of(self._sight, parts)
            if outline is not None:
                found.append(_Posed(index, looks, stance, parts, outline))
        east_m, north_m, _ = self._sight.eye_m
        found.sort(
            key=lambda posed: (
                -math.hypot(posed.stance.east_m - east_m, posed.stance.north_m - north_m)
            )
        )
        return found

    def _draw(self, seq: int, out: UInt8Image) -> None:
        np.copyto(out, self._street)
        for posed in self._posed(seq):
            self._painter.draw(
                out, posed.looks, posed.parts, posed.stance.heading_deg, posed.outline
            )
        self._weather.spoil(out, seq, self._since_s(seq))

    def _notify(self, state: SourceState, detail: str) -> None:
        self._observer(SourceNotice(self.camera_id, state, detail, self._clock.mono_ns()))


def walked_sector(rig: Rig, sensor: Sensor) -> Sector:
    """The ground that people walk on so that the sensor sees them."""
    if is_fisheye(sensor.lens):
        return Sector()
    half_deg = _half_width_deg(sensor.lens)
    return Sector(
        bearing_deg=rig.bearing_of(sensor.pose.azimuth_deg),
        half_width_deg=2 * _PINHOLE_SHARE * half_deg,
        near_m=_PINHOLE_NEAR_M,
        far_m=_PINHOLE_FAR_M,
    )


def _half_width_deg(lens: Lens) -> float:
    """From the optical axis to the picture's side."""
    x_px, y_px = lens.axis_px
    (side,) = lens.unproject(np.asarray([[x_px - lens.width_px / 2, y_px]]))
    return math.degrees(math.atan2(math.hypot(side[0], side[1]), side[2]))
