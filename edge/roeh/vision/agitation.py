"""How wildly the bodies of people who are close together move: dense optical flow in their boxes.

Only where two people are within reach of each other, on crops of at most 64 x 64 pixels, between
two pictures. The flow's median is taken away first: that is the body walking on, or the camera's
pole swaying. What remains is described by its speed and by the entropy of its directions, as in
work on violent crowds (T. Hassner, Y. Itcher, O. Kliper-Gross, "Violent flows", CVPRW 2012, and
its followers by flow orientation). Flow: G. Farnebaeck, "Two-frame motion estimation based on
polynomial expansion", SCIA 2003, as in OpenCV.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from roeh.core.clock import NS_PER_S
from roeh.core.types import Box, Track
from roeh.media.frames import PixelFrame, UInt8Image
from roeh.vision.scene import Agitation

#: People farther apart do not reach each other.
_REACH_M = 2.0
#: The luma that crops are cut from is at most this wide, and crops have at most this side.
_LUMA_WIDTH_PX = 1024
_CROP_PX = 64
#: Smaller than this in the luma a body is too small to see its arms move.
_LEAST_HEIGHT_PX = 20
#: Pictures farther apart have no flow between them.
_MAX_GAP_S = 0.6
#: A box is looked at with so much round it: arms reach out of it.
_GROWN = 1.2
#: Flow slower than this, in pixels of the crop, is noise.
_NOISE_PX = 0.5
_DIRECTIONS = 8


class _Picture(msgspec.Struct, frozen=True):
    """The luma of one picture."""

    luma: UInt8Image
    t_mono_ns: int


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

    def update(self, frame: PixelFrame, tracks: Sequence[Track]) -> tuple[Agitation, ...]:
        """Of each person near another one whom this picture shows, if the last one did too."""
        near = [
            track
            for track in near_one_another(tracks)
            if track.seen and track.sensor == self._sensor
        ]
        if not near:
            self._last = None
            return ()
        now = _Picture(frame.luma(self._step_px), frame.info.t_mono_ns)
        last, self._last = self._last, now
        if last is None:
            return ()
        elapsed_s = (now.t_mono_ns - last.t_mono_ns) / NS_PER_S
        if not 0 < elapsed_s <= _MAX_GAP_S:
            return ()
        found: list[Agitation] = []
        for track in near:
            window = _window(track.box_sensor_px, self._step_px, now.luma.shape)
            if window is not None:
                entropy, speed = agitation_of(last.luma[window], now.luma[window], elapsed_s)
                found.append(Agitation(track.id, entropy, speed))
        return tuple(found)


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


def agitation_of(before: UInt8Image, now: UInt8Image, elapsed_s: float) -> tuple[float, float]:
    """Entropy of directions in [0, 1] and speed in crop heights a second, the median taken away.

    Args:
        before: a crop (height, width) of a picture.
        now: the same crop of a later one.
        elapsed_s: between the two.
    """
    scale = _CROP_PX / max(now.shape)
    size = (max(8, round(now.shape[1] * scale)), max(8, round(now.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    crops = [cv2.resize(crop, size, interpolation=how) for crop in (before, now)]
    flow = np.zeros((size[1], size[0], 2), np.float32)
    flow = np.asarray(
        cv2.calcOpticalFlowFarneback(crops[0], crops[1], flow, 0.5, 3, 9, 3, 5, 1.1, 0), np.float32
    )
    moving = np.hypot(flow[..., 0], flow[..., 1]) > _NOISE_PX
    if np.count_nonzero(moving) < size[0]:
        return 0.0, 0.0
    # Of what moves, not of the street behind it.
    own: npt.NDArray[np.float32] = flow[moving] - np.median(flow[moving], axis=0)
    speeds = np.hypot(own[:, 0], own[:, 1])
    speed = float(np.sqrt(np.mean(speeds**2))) / size[1] / elapsed_s
    wild = speeds > _NOISE_PX
    if not wild.any():
        return 0.0, speed
    turns = np.arctan2(own[wild, 1], own[wild, 0]) / (2 * math.pi) % 1.0
    bins = np.minimum((turns * _DIRECTIONS).astype(int), _DIRECTIONS - 1)
    shares = np.bincount(bins, weights=speeds[wild], minlength=_DIRECTIONS)
    shares = shares[shares > 0] / shares.sum()
    return float(-np.sum(shares * np.log(shares)) / math.log(_DIRECTIONS)), speed


def _window(box: Box, step_px: int, shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """Where a box is in the luma, grown; None if a body is too small there."""
    x, y = box.center_px
    half_x, half_y = (
        (end - start) / 2 for start, end in ((box.x0_px, box.x1_px), (box.y0_px, box.y1_px))
    )
    if 2 * max(half_x, half_y) / step_px < _LEAST_HEIGHT_PX:
        return None
    rows, columns = (
        slice(
            max(0, round((middle - _GROWN * half) / step_px)),
            min(limit, round((middle + _GROWN * half) / step_px)),
        )
        for middle, half, limit in ((y, half_y, shape[0]), (x, half_x, shape[1]))
    )
    if rows.stop - rows.start < 8 or columns.stop - columns.start < 8:
        return None
    return rows, columns
