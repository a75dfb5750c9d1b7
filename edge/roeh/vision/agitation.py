"""How wildly the bodies of people who are close together move: dense optical flow in their boxes.

Only where two people are within reach of each other, on crops of at most 64 x 64 pixels, between
two pictures. Crops are of the upper body: legs swing in whoever walks. The mean flow of the last
second is taken away, which is the body walking on, or the pole swaying; what remains is described,
over that second, by its speed and by the entropy of its directions, as in work on violent crowds
(T. Hassner, Y. Itcher, O. Kliper-Gross, "Violent flows", CVPRW 2012, and its followers by flow
orientation). Flow: G. Farnebaeck, "Two-frame motion estimation based on polynomial expansion",
SCIA 2003, as in OpenCV.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from roeh.core.clock import NS_PER_S
from roeh.core.types import Track
from roeh.media.frames import PixelFrame, UInt8Image
from roeh.vision.scene import Agitation

Array = npt.NDArray[np.float64]

#: People farther apart do not reach each other.
_REACH_M = 2.0
#: The luma that crops are cut from is at most this wide, and crops have at most this side.
_LUMA_WIDTH_PX = 1024
_CROP_PX = 64
#: Smaller than this in the luma a body is too small to see its arms move.
_LEAST_HEIGHT_PX = 20
_LEAST_CROP_PX = 8
#: Pictures farther apart have no flow between them.
_MAX_GAP_S = 0.6
#: A box is looked at with so much round it: arms reach out of it.
_GROWN = 1.2
#: Flow slower than this, in pixels of the crop, is noise.
_NOISE_PX = 0.5
_DIRECTIONS = 8
#: The upper body is so much of a box, from the head on.
_UPPER_SHARE = 0.5
#: What is usual, and what is described, reach back so far.
_MEMORY_S = 1.0


class _Picture(msgspec.Struct, frozen=True):
    """The luma of one picture."""

    luma: UInt8Image
    t_mono_ns: int


class _Body(msgspec.Struct):
    """What of one body's flow is remembered; mutable, private to the observer.

    Attributes:
        usual: its mean flow (2,), heights a second.
        directions: speeds by direction (8,), summed up and forgotten again.
        square: mean square of the speed beside the usual.
        seen_s: for how long it has been looked at.
    """

    usual: Array
    directions: Array
    square: float = 0.0
    seen_s: float = 0.0


class AgitationObserver:
    """Watches one camera's people who are close together.

    Args:
        sensor: its name.
        width_px: of its pictures.
    """

    def __init__(self, sensor: str, width_px: int) -> None:
        self._sensor = sensor
        self._step_px = math.ceil(width_px / _LUMA_WIDTH_PX)
        self._last: _Picture | None = None
        self._bodies: dict[int, _Body] = {}
        self._places: dict[int, _Upper] = {}

    def update(self, frame: PixelFrame, tracks: Sequence[Track]) -> tuple[Agitation, ...]:
        """Of each person near another one whom this picture shows, if the last one did too."""
        near = [
            track
            for track in near_one_another(tracks)
            if track.seen and track.sensor == self._sensor
        ]
        self._bodies = {one.id: self._bodies[one.id] for one in near if one.id in self._bodies}
        if not near:
            self._last = None
            return ()
        now = _Picture(frame.luma(self._step_px), frame.info.t_mono_ns)
        last, self._last = self._last, now
        elapsed_s = 0.0 if last is None else (now.t_mono_ns - last.t_mono_ns) / NS_PER_S
        if last is None or not 0 < elapsed_s <= _MAX_GAP_S:
            # Where bodies were before a gap is not where the next picture's last one shows them.
            self._places = {}
            return ()
        found: list[Agitation] = []
        places = {track.id: _upper_body(track, self._step_px) for track in near}
        for track_id, upper in places.items():
            before = self._places.get(track_id)
            if upper is not None and before is not None:
                flow = _flow_between(last, now, before, upper, elapsed_s)
                if flow is not None:
                    found.append(self._describe(track_id, flow, elapsed_s))
        self._places = {key: upper for key, upper in places.items() if upper is not None}
        return tuple(found)

    def _describe(self, track_id: int, flow: Array, elapsed_s: float) -> Agitation:
        """Take in the flow (n, 2) of what moves in a body, heights a second."""
        middle = np.median(flow, axis=0) if len(flow) else np.zeros(2)
        body = self._bodies.setdefault(track_id, _Body(middle, np.zeros(_DIRECTIONS)))
        share = 1 - math.exp(-elapsed_s / _MEMORY_S)
        body.usual = body.usual + share * (middle - body.usual)
        body.seen_s += elapsed_s
        own = flow - body.usual
        speeds = np.hypot(own[:, 0], own[:, 1])
        turns = np.arctan2(own[:, 1], own[:, 0]) / (2 * math.pi) % 1.0
        bins = np.minimum((turns * _DIRECTIONS).astype(int), _DIRECTIONS - 1)
        directions = np.bincount(bins, weights=speeds, minlength=_DIRECTIONS)
        body.directions = (1 - share) * body.directions + directions
        square = float(np.mean(speeds**2)) if len(flow) else 0.0
        body.square += share * (square - body.square)
        total = float(body.directions.sum())
        shares = body.directions[body.directions > 0] / max(total, 1e-9)
        return Agitation(
            track_id=track_id,
            entropy=float(-np.sum(shares * np.log(shares)) / math.log(_DIRECTIONS)),
            speed_heights_per_s=math.sqrt(body.square),
        )


def near_one_another(tracks: Sequence[Track]) -> list[Track]:
    """Confirmed people within reach of another one."""
    people = [track for track in tracks if track.confirmed and track.label == "person"]
    return [
        track
        for track in people
        if any(
            math.hypot(
                track.position.east_m - other.position.east_m,
                track.position.north_m - other.position.north_m,
            )
            <= _REACH_M
            for other in people
            if other is not track
        )
    ]


def flow_of(before: UInt8Image, now: UInt8Image) -> Array:
    """Flow (height, width, 2) between crops of one size: pixels to the right and down."""
    flow = np.zeros((*now.shape, 2), np.float32)
    found: Array = np.asarray(
        cv2.calcOpticalFlowFarneback(before, now, flow, 0.5, 3, 11, 3, 5, 1.1, 0), np.float64
    )
    return found


class _Upper(msgspec.Struct, frozen=True):
    """Where an upper body is in the luma: its middle, its sides, and the whole body's height."""

    middle_px: tuple[float, float]
    size_px: tuple[int, int]
    height_px: float


def _upper_body(track: Track, step_px: int) -> _Upper | None:
    """The upper body of a track; None if it is too small.

    The outline's first two corners are at the head (in a fisheye it lies turned).
    """
    corners = np.asarray(track.outline_sensor_px, np.float64) / step_px
    if len(corners) != 4:  # a box has four
        return None
    head, feet = corners[:2], corners[[3, 2]]
    height_px = float(np.hypot(*(feet.mean(axis=0) - head.mean(axis=0))))
    if height_px < _LEAST_HEIGHT_PX:
        return None
    upper = np.concatenate([head, head + _UPPER_SHARE * (feet - head)])
    middle, size = upper.mean(axis=0), _GROWN * (upper.max(axis=0) - upper.min(axis=0))
    return _Upper(
        middle_px=(float(middle[0]), float(middle[1])),
        size_px=(round(float(size[0])), round(float(size[1]))),
        height_px=height_px,
    )


def _flow_between(
    last: _Picture, now: _Picture, before: _Upper, upper: _Upper, elapsed_s: float
) -> Array | None:
    """Flow (n, 2) of what moves in a body, its own heights a second; None at the picture's edge.

    The crops follow the body, so that there is little left between them for the flow to find:
    it is at its best with a pixel or two.
    """
    old, new = (_window(one, upper.size_px, now.luma.shape) for one in (before, upper))
    if old is None or new is None:
        return None
    scale = min(1.0, _CROP_PX / max(upper.size_px))
    size = tuple(max(_LEAST_CROP_PX, round(side * scale)) for side in upper.size_px)
    crops = [
        np.asarray(cv2.resize(one.luma[window], size, interpolation=cv2.INTER_AREA), np.uint8)
        for one, window in ((last, old), (now, new))
    ]
    moved_px = np.asarray([new[1].start - old[1].start, new[0].start - old[0].start])
    flow = flow_of(crops[0], crops[1]) + scale * moved_px
    moving = np.hypot(flow[..., 0], flow[..., 1]) > _NOISE_PX
    found: Array = flow[moving] / (scale * upper.height_px * elapsed_s)
    return found


def _window(
    upper: _Upper, size_px: tuple[int, int], shape: tuple[int, ...]
) -> tuple[slice, slice] | None:
    """Rows and columns of that size round a body; None where the picture ends."""
    (x, y), (wide, tall) = upper.middle_px, size_px
    left, top = round(x - wide / 2), round(y - tall / 2)
    if left < 0 or top < 0 or left + wide > shape[1] or top + tall > shape[0]:
        return None
    return (slice(top, top + tall), slice(left, left + wide))
