"""From one sensor's picture to detections with a place on the ground."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from roeh.core.types import Box, Detection, GroundPoint
from roeh.media.frames import UInt8Image
from roeh.optics.ground import GroundPlane
from roeh.optics.rig import Rig, Sensor
from roeh.optics.tiles import Tile, source_px_per_tile_px
from roeh.optics.upright import agrees, ends_of, upright_heights
from roeh.vision.nanodet import NanodetDecoder, TileDetection
from roeh.vision.overlap import Outlined, distinct
from roeh.vision.plausible import PLAUSIBLE_HEIGHTS
from roeh.vision.runner import Runner
from roeh.vision.stages import StageTimes

Array = npt.NDArray[np.float64]

#: How far from a tile's edge a box counts as cut by it.
_EDGE_PX = 4.0
#: How well the detector knows where a box ends, in tile pixels, beyond the rig's own
#: sigma; and how far a foot point may lie from the spot somebody stands on.
_BOX_SIGMA_TILE_PX = 2.0
_FOOT_SIGMA_M = 0.12

#: Classes that are one kind of thing when doubles are sought.
_GROUPS = {"car": "vehicle", "bus": "vehicle", "truck": "vehicle"}


class SensorDetector:
    """Looks at one sensor's pictures through its tiles.

    Args:
        rig: the pole.
        sensor: one of the rig's.
        tiles: of the model's input size.
        mask: true where nothing may be analysed, (height, width); None for nothing.
        max_range_m: farther fixes mean nothing.
        check_height: refuse what cannot stand where it seems to stand.
    """

    def __init__(
        self,
        rig: Rig,
        sensor: Sensor,
        tiles: Sequence[Tile],
        runner: Runner,
        decoder: NanodetDecoder,
        *,
        mask: npt.NDArray[np.bool_] | None = None,
        max_range_m: float,
        check_height: bool = True,
        stages: StageTimes | None = None,
    ) -> None:
        self.sensor = sensor
        self.tiles = tuple(tiles)
        self._runner = runner
        self._decoder = decoder
        self._plane = GroundPlane(rig, sensor, max_range_m)
        self._tile_masks = [None if mask is None else tile.render_mask(mask) for tile in tiles]
        self._check_height = check_height
        self._stages = stages or StageTimes()

    def look(self, picture_bgr: UInt8Image, tile_indices: Sequence[int]) -> list[Detection]:
        """What is there, each object once, most confident first.

        Args:
            picture_bgr: (height, width, 3) of the sensor.
            tile_indices: which tiles to look through.
        """
        sightings: list[_Sightings] = []
        for index in tile_indices:
            boxes = self._infer(picture_bgr, index)
            if boxes:
                with self._stages.stage("locate"):
                    sightings.append(_sightings(self.tiles[index], boxes))
        if not sightings:
            return []
        with self._stages.stage("locate"):
            return self._placed(_joined(sightings))

    def _infer(self, picture_bgr: UInt8Image, index: int) -> list[TileDetection]:
        mask = self._tile_masks[index]
        with self._stages.stage("remap"):
            view = self._runner.input_view()
            self.tiles[index].render(picture_bgr, out=view)
            if mask is not None:
                view[mask] = 0
        with self._stages.stage("inference"):
            raw = self._runner.invoke()
        with self._stages.stage("locate"):
            return self._decoder.decode(raw)

    def _placed(self, seen: _Sightings) -> list[Detection]:
        """Each object once, with its place; what cannot stand where it seems to is left out."""
        fixes = self._plane.fix(
            seen.foot_px, foot_sigma_px=seen.foot_sigma_px, foot_sigma_m=_FOOT_SIGMA_M
        )
        heights = upright_heights(self._plane, seen.foot_px, seen.head_px)
        points = fixes.points()
        possible = ~np.isnan(seen.corners_px).any(axis=(1, 2))
        if self._check_height:
            limits = [PLAUSIBLE_HEIGHTS[found.label] for found in seen.found]
            fits = agrees(
                heights,
                np.asarray([limit.low_m for limit in limits]),
                np.asarray([limit.high_m for limit in limits]),
            )
            # Near the nadir a head hides the feet and no height can be told.
            possible &= fits | ~fixes.seen | np.isnan(heights.height_m)
        rows = np.flatnonzero(possible).tolist()
        kept = distinct([_outlined(seen, row) for row in rows])
        return [
            self._detection(seen, row, points[row], float(heights.height_m[row]))
            for row in (rows[number] for number in kept)
        ]

    def _detection(
        self, seen: _Sightings, row: int, position: GroundPoint | None, height_m: float
    ) -> Detection:
        corners_px = seen.corners_px[row]
        (x0, y0), (x1, y1) = corners_px.min(axis=0).tolist(), corners_px.max(axis=0).tolist()
        foot_x, foot_y = seen.foot_px[row].tolist()
        return Detection(
            sensor=self.sensor.name,
            label=seen.found[row].label,
            confidence=seen.found[row].confidence,
            box_sensor_px=Box(x0_px=x0, y0_px=y0, x1_px=x1, y1_px=y1),
            outline_sensor_px=tuple((x, y) for x, y in corners_px.tolist()),
            foot_sensor_px=(foot_x, foot_y),
            position=position,
            height_m=None if math.isnan(height_m) else height_m,
        )


@dataclass(frozen=True, slots=True)
class _Sightings:
    """Boxes of one or more tiles, in the sensor's picture.

    Attributes:
        found: n detections, in pixels of their tiles.
        cut: n, whether the box touches the edge of its tile.
        corners_px: (n, 4, 2), clockwise from the upper left in the tile.
        foot_px: (n, 2).
        head_px: (n, 2).
        foot_sigma_px: (n,), how well the detector knows the foot.
    """

    found: tuple[TileDetection, ...]
    cut: tuple[bool, ...]
    corners_px: Array
    foot_px: Array
    head_px: Array
    foot_sigma_px: Array


def _sightings(tile: Tile, found: Sequence[TileDetection]) -> _Sightings:
    """What a tile showed.

    All points go to the sensor's picture in one call: calls cost, points hardly do.
    """
    in_tile = [detection.box_input_px for detection in found]
    boxes = np.asarray([(b.x0_px, b.y0_px, b.x1_px, b.y1_px) for b in in_tile], np.float64)
    limits = np.asarray([tile.width_px, tile.height_px, tile.width_px, tile.height_px])
    boxes = np.clip(boxes, 0.0, limits - 1.0)
    ends = ends_of(tile, boxes)
    count = len(found)
    pixels = tile.to_source_px(np.concatenate([ends.foot_px, ends.head_px, _corners(boxes)]))
    scale = np.nan_to_num(source_px_per_tile_px(tile, ends.foot_px), nan=1.0)
    return _Sightings(
        found=tuple(found),
        cut=tuple(_is_cut(box, tile) for box in in_tile),
        corners_px=pixels[2 * count :].reshape(count, 4, 2),
        foot_px=pixels[:count],
        head_px=pixels[count : 2 * count],
        foot_sigma_px=_BOX_SIGMA_TILE_PX * scale,
    )


def _joined(parts: Sequence[_Sightings]) -> _Sightings:
    """The sightings of several tiles as one."""
    return _Sightings(
        found=tuple(found for part in parts for found in part.found),
        cut=tuple(cut for part in parts for cut in part.cut),
        corners_px=np.concatenate([part.corners_px for part in parts]),
        foot_px=np.concatenate([part.foot_px for part in parts]),
        head_px=np.concatenate([part.head_px for part in parts]),
        foot_sigma_px=np.concatenate([part.foot_sigma_px for part in parts]),
    )


def _outlined(seen: _Sightings, row: int) -> Outlined:
    found = seen.found[row]
    return Outlined(
        group=_GROUPS.get(found.label, found.label),
        confidence=found.confidence,
        cut=seen.cut[row],
        corners_px=tuple((x, y) for x, y in seen.corners_px[row].tolist()),
    )


def _is_cut(box: Box, tile: Tile) -> bool:
    return (
        box.x0_px < _EDGE_PX
        or box.y0_px < _EDGE_PX
        or box.x1_px > tile.width_px - 1 - _EDGE_PX
        or box.y1_px > tile.height_px - 1 - _EDGE_PX
    )


def _corners(boxes: Array) -> Array:
    """Corners (4 n, 2) of boxes (n, 4), clockwise from the upper left."""
    return boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 2)
