"""From one sensor's picture to detections with a place on the ground."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from roeh.core.types import Box, Detection
from roeh.media.frames import UInt8Image
from roeh.optics.ground import GroundPlane
from roeh.optics.rig import Rig, Sensor
from roeh.optics.tiles import Tile, source_px_per_tile_px
from roeh.optics.upright import agrees, ends_of, upright_heights
from roeh.optics.view import box_around
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
        found: list[Detection] = []
        outlined: list[Outlined] = []
        for index in tile_indices:
            tile = self.tiles[index]
            boxes = self._infer(picture_bgr, index)
            if not boxes:
                continue
            with self._stages.stage("locate"):
                for box, detection in zip(boxes, self._located(tile, boxes), strict=True):
                    if detection is None:
                        continue
                    found.append(detection)
                    outlined.append(
                        Outlined(
                            _GROUPS.get(box.label, box.label),
                            box.confidence,
                            _is_cut(box.box_input_px, tile),
                            detection.outline_sensor_px,
                        )
                    )
        with self._stages.stage("locate"):
            return [found[i] for i in distinct(outlined)]

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

    def _located(self, tile: Tile, found: list[TileDetection]) -> list[Detection | None]:
        """Each box with its place; None for what cannot be there."""
        boxes = np.asarray(
            [
                (b.x0_px, b.y0_px, b.x1_px, b.y1_px)
                for b in (detection.box_input_px for detection in found)
            ],
            np.float64,
        )
        limits = np.asarray([tile.width_px, tile.height_px, tile.width_px, tile.height_px])
        boxes = np.clip(boxes, 0.0, limits - 1.0)
        ends = ends_of(tile, boxes)
        scale = source_px_per_tile_px(tile, ends.foot_px)
        foot_px, head_px = tile.to_source_px(ends.foot_px), tile.to_source_px(ends.head_px)
        fixes = self._plane.fix(
            foot_px,
            foot_sigma_px=_BOX_SIGMA_TILE_PX * np.nan_to_num(scale, nan=1.0),
            foot_sigma_m=_FOOT_SIGMA_M,
        )
        heights = upright_heights(self._plane, foot_px, head_px)
        corners = tile.to_source_px(_corners(boxes)).reshape(-1, 4, 2)
        points = fixes.points()
        located: list[Detection | None] = []
        for i, detection in enumerate(found):
            box = box_around(corners[i])
            if box is None or np.isnan(corners[i]).any():
                located.append(None)
                continue
            range_m = PLAUSIBLE_HEIGHTS[detection.label]
            if self._check_height and points[i] is not None:
                fits = agrees(heights, range_m.low_m, range_m.high_m)[i]
                # Near the nadir a head hides the feet and no height can be told.
                if not fits and not np.isnan(heights.height_m[i]):
                    located.append(None)
                    continue
            height_m = float(heights.height_m[i])
            located.append(
                Detection(
                    sensor=self.sensor.name,
                    label=detection.label,
                    confidence=detection.confidence,
                    box_sensor_px=box,
                    outline_sensor_px=tuple((float(x), float(y)) for x, y in corners[i]),
                    foot_sensor_px=(float(foot_px[i, 0]), float(foot_px[i, 1])),
                    position=points[i],
                    height_m=None if np.isnan(height_m) else height_m,
                )
            )
        return located


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
