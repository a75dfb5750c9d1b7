"""From one sensor's picture to detections with a place on the ground."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from roeh.core.types import Box, Covariance, Detection, GroundPoint
from roeh.media.frames import UInt8Image
from roeh.optics.ground import GroundPlane
from roeh.optics.rig import Rig, Sensor
from roeh.optics.tiles import Tile
from roeh.optics.upright import upright_heights
from roeh.vision.found import Found, found_in, joined
from roeh.vision.nanodet import NanodetDecoder, TileDetection
from roeh.vision.overlap import FROM_ABOVE, Outlined, Sameness, Sighting, sightings
from roeh.vision.plausible import may_stand, trust
from roeh.vision.runner import Runner
from roeh.vision.stages import StageTimes
from roeh.vision.votes import agreed_confidence, tiles_that_see

Array = npt.NDArray[np.float64]

#: How far a foot point may lie from the spot somebody stands on.
_FOOT_SIGMA_M = 0.12
#: How much of the detector's error at the foot is the same from picture to picture: a box
#: that ends too high does so for seconds (edge/design/tracking.md).
_FOOT_LASTING_SHARE = 0.5

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
        sameness: when two detections are one object.
        careful: for single pictures, which no track will mend. Every tile is looked at
            a second time as in a mirror; how many of the tiles that see a place found
            something there, and how tall it seems, go into the confidence.
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
        sameness: Sameness = FROM_ABOVE,
        careful: bool = False,
        stages: StageTimes | None = None,
    ) -> None:
        self.sensor = sensor
        self.tiles = tuple(tiles)
        self._runner = runner
        self._decoder = decoder
        self._plane = GroundPlane(rig, sensor, max_range_m)
        self._eye_m = rig.eye_of(sensor)
        self._tile_masks = [None if mask is None else tile.render_mask(mask) for tile in tiles]
        self._check_height = check_height
        self._sameness = sameness
        self._careful = careful
        self._stages = stages or StageTimes()

    def look(self, picture_bgr: UInt8Image, tile_indices: Sequence[int]) -> list[Detection]:
        """What is there, each object once, most confident first.

        Args:
            picture_bgr: (height, width, 3) of the sensor.
            tile_indices: which tiles to look through.
        """
        parts: list[Found] = []
        for index in tile_indices:
            self._render(picture_bgr, index)
            parts.extend(self._found(index, mirrored=False))
            if self._careful:
                view = self._runner.input_view()
                view[:] = view[:, ::-1].copy()
                parts.extend(self._found(index, mirrored=True))
        if not parts:
            return []
        with self._stages.stage("locate"):
            return self._placed(joined(parts), tile_indices)

    def _render(self, picture_bgr: UInt8Image, index: int) -> None:
        mask = self._tile_masks[index]
        with self._stages.stage("remap"):
            view = self._runner.input_view()
            self.tiles[index].render(picture_bgr, out=view)
            if mask is not None:
                view[mask] = 0

    def _found(self, index: int, *, mirrored: bool) -> list[Found]:
        """What the network finds in its input tensor: one part, or none for nothing."""
        with self._stages.stage("inference"):
            raw = self._runner.invoke()
        with self._stages.stage("locate"):
            boxes = self._decoder.decode(raw)
            if not boxes:
                return []
            tile = self.tiles[index]
            if mirrored:
                boxes = [_mirrored(box, tile.width_px) for box in boxes]
            look = 2 * index + mirrored
            return [found_in(tile, index, look, boxes)]

    def _placed(self, found: Found, tile_indices: Sequence[int]) -> list[Detection]:
        """Each object once, with its place; what cannot stand where it seems to is left out."""
        fixes = self._plane.fix(
            found.foot_px,
            foot_sigma_px=found.foot_sigma_px,
            foot_sigma_m=_FOOT_SIGMA_M,
            lasting_share=_FOOT_LASTING_SHARE,
        )
        heights = upright_heights(self._plane, found.foot_px, found.head_px)
        possible = ~np.isnan(found.corners_px).any(axis=(1, 2))
        if self._check_height:
            # Near the nadir a head hides the feet and no height can be told.
            from_below_m = fixes.east_north_m - self._eye_m[:2]
            ranges_m = np.maximum(np.hypot(*from_below_m.T), _FOOT_SIGMA_M)
            steepness = self._eye_m[2] / ranges_m
            fits = may_stand(found.labels, heights.height_m, heights.sigma_m, steepness)
            possible &= fits | ~fixes.seen
        confidences = found.confidences
        if self._careful:
            confidences = confidences * trust(found.labels, heights.height_m)
        rows = np.flatnonzero(possible).tolist()
        outlined = [_outlined(found, row, float(confidences[row])) for row in rows]
        seen = sightings(outlined, self._sameness)
        if self._careful:
            sure = self._agreed(found, rows, outlined, seen, tile_indices)
        else:
            sure = [outlined[one.best].confidence for one in seen]
        points, jitters = fixes.points(), fixes.jitters()
        detections = [
            self._detection(
                found,
                rows[one.best],
                confidence=confidence,
                box=_box([rows[i] for i in (one.best, *one.agreeing)], found),
                position=points[rows[one.best]],
                jitter=jitters[rows[one.best]],
                height_m=float(heights.height_m[rows[one.best]]),
            )
            for one, confidence in zip(seen, sure, strict=True)
        ]
        return sorted(detections, key=lambda detection: detection.confidence, reverse=True)

    def _agreed(
        self,
        found: Found,
        rows: list[int],
        outlined: list[Outlined],
        seen: list[Sighting],
        tile_indices: Sequence[int],
    ) -> list[float]:
        """Confidence of each object after the vote of the tiles that see it."""
        middles_px = np.asarray([found.boxes_px[rows[one.best]] for one in seen]).reshape(-1, 4)
        middles_px = (middles_px[:, :2] + middles_px[:, 2:]) / 2
        sees = tiles_that_see([self.tiles[index] for index in tile_indices], middles_px)
        confidences = []
        for number, one in enumerate(seen):
            voters = {
                look
                for place, index in enumerate(tile_indices)
                if sees[place, number]
                for look in (2 * index, 2 * index + 1)
            }
            votes = [(found.looks[rows[i]], outlined[i].weight) for i in (one.best, *one.others)]
            confidences.append(agreed_confidence(votes, voters))
        return confidences

    def _detection(
        self,
        found: Found,
        row: int,
        *,
        confidence: float,
        box: Box,
        position: GroundPoint | None,
        jitter: Covariance | None,
        height_m: float,
    ) -> Detection:
        foot_x, foot_y = found.foot_px[row].tolist()
        return Detection(
            sensor=self.sensor.name,
            label=found.labels[row],
            confidence=confidence,
            box_sensor_px=box,
            outline_sensor_px=tuple((x, y) for x, y in found.corners_px[row].tolist()),
            foot_sensor_px=(foot_x, foot_y),
            position=position,
            jitter=jitter,
            height_m=None if math.isnan(height_m) else height_m,
        )


def _mirrored(found: TileDetection, width_px: int) -> TileDetection:
    box = found.box_input_px
    return TileDetection(
        label=found.label,
        confidence=found.confidence,
        box_input_px=Box(
            x0_px=width_px - 1 - box.x1_px,
            y0_px=box.y0_px,
            x1_px=width_px - 1 - box.x0_px,
            y1_px=box.y1_px,
        ),
    )


def _outlined(found: Found, row: int, confidence: float) -> Outlined:
    label = found.labels[row]
    return Outlined(
        label=label,
        group=_GROUPS.get(label, label),
        confidence=confidence,
        cut=found.cut[row],
        tile=found.tiles[row],
        corners_px=found.corners_px[row].astype(np.float32),
    )


def _box(rows: list[int], found: Found) -> Box:
    """The box on which several detections of one object agree, the confident ones more."""
    if len(rows) == 1:
        return Box(*found.boxes_px[rows[0]].tolist())
    weights = found.confidences[rows] ** 2
    return Box(*(weights @ found.boxes_px[rows] / weights.sum()).tolist())
