"""What common points of a ring's sensors cannot tell, and which pair they are missing of."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from roeh.core.errors import CalibrationFailed
from roeh.optics.ground import GroundPlane
from roeh.optics.polar import Array
from roeh.optics.rig import Rig, angles_of

_LEAST_SPOTS = 4
_MAX_AZIMUTH_SIGMA_DEG = 1.0
_MAX_CLOSURE_SIGMAS, _MAX_CLOSURE_DEG = 4.0, 0.3
_LEAST_AGREEING = 0.6
#: Where two sensors are to see common ground, metres from the pole.
_OVERLAP_M = (3.0, 5.0, 8.0, 12.0)


class SharedSpot(msgspec.Struct, frozen=True, kw_only=True):
    """A spot of the ground that two sensors see.

    Attributes:
        name: of the point, or of the person and the time.
        one: name of a sensor.
        one_px: (x, y) in its picture.
        other: name of another sensor.
        other_px: (x, y) in its picture.
        sigma_px: of each, each way.
        sigma_m: how far what both take for the spot may be apart on the ground.
    """

    name: str
    one: str
    one_px: tuple[float, float]
    other: str
    other_px: tuple[float, float]
    sigma_px: float = 1.0
    sigma_m: float = 0.0


def neighbours(rig: Rig) -> list[tuple[str, str]]:
    """Pairs of names, each sensor with the next one clockwise; two sensors are one pair."""
    facing = []
    for sensor in rig.sensors:
        azimuth, _ = angles_of(sensor.pose.to_pole()[:, 2][None])
        facing.append((float(azimuth[0]), sensor.name))
    names = [name for _, name in sorted(facing)]
    pairs = list(itertools.pairwise(names))
    return [*pairs, (names[-1], names[0])] if len(names) > 2 else pairs


def check_linked(spots: Sequence[SharedSpot], rig: Rig) -> None:
    """Refuse a ring of which two neighbours have no common points.

    Neighbours that see no common ground need none, as long as the others link them.

    Raises:
        CalibrationFailed: which pair.
    """
    if len(rig.sensors) < 2:
        raise CalibrationFailed(
            what="one sensor is no ring",
            which=rig.sensors[0].name,
            remedy="use roeh calibrate pose",
        )
    counts: dict[frozenset[str], int] = {}
    for spot in spots:
        pair = frozenset((spot.one, spot.other))
        counts[pair] = counts.get(pair, 0) + 1
    linked = {pair for pair, count in counts.items() if count >= _LEAST_SPOTS}
    for one, other in neighbours(rig):
        pair = frozenset((one, other))
        if pair not in linked and sees_common_ground(rig, one, other):
            raise CalibrationFailed(
                what=f"too few common points of neighbours: {counts.get(pair, 0)} of "
                f"{_LEAST_SPOTS}",
                which=f"{one} and {other}",
                remedy="let somebody walk where both see the ground, near and far, "
                "or mark common points",
            )
    _check_reached(linked, rig)


def sees_common_ground(rig: Rig, one: str, other: str) -> bool:
    """Whether two sensors see a spot of the ground in common, as they are configured."""
    around = np.radians(np.arange(0.0, 360.0, 2.0))
    ring = np.column_stack([np.sin(around), np.cos(around)])
    spots = np.concatenate([range_m * ring for range_m in _OVERLAP_M])
    seen = [
        ~np.isnan(GroundPlane(rig, rig.sensor(name)).pixels_of(spots)).any(axis=1)
        for name in (one, other)
    ]
    return bool((seen[0] & seen[1]).any())


def check_agreeing(used: NDArray[np.bool_], rig: Rig) -> None:
    """Refuse points most of which fit no ring.

    Raises:
        CalibrationFailed: how many.
    """
    if used.mean() < _LEAST_AGREEING:
        raise CalibrationFailed(
            what=f"{int((~used).sum())} of {len(used)} common points do not fit the others",
            which=", ".join(sensor.name for sensor in rig.sensors),
            remedy="let one person walk alone; check lenses, heights, and that recordings "
            "begin at one time",
        )


def check_told(covariance: Array, rig: Rig) -> None:
    """Refuse points so few or so close that an azimuth stays open.

    Raises:
        CalibrationFailed: whose, and how uncertain.
    """
    for number, sensor in enumerate(rig.sensors):
        variance = float(covariance[3 * number + 2, 3 * number + 2])
        sigma_deg = math.degrees(math.sqrt(variance)) if variance >= 0 else math.inf
        if not sigma_deg <= _MAX_AZIMUTH_SIGMA_DEG:
            raise CalibrationFailed(
                what=f"the common points leave an azimuth open by {sigma_deg:.1f} degrees",
                which=f"sensor {sensor.name}",
                remedy="take more of them, near and far, where it and its neighbours both see",
            )


def check_closing(closure_deg: float, sigma_deg: float, pairs: Sequence[tuple[str, str]]) -> None:
    """Refuse a ring whose pairs do not sum up to a full turn.

    Raises:
        CalibrationFailed: by how much.
    """
    bound_deg = max(_MAX_CLOSURE_SIGMAS * sigma_deg, _MAX_CLOSURE_DEG)
    if abs(closure_deg) > bound_deg:
        raise CalibrationFailed(
            what=f"the ring does not close: the pairs sum up to {360 + closure_deg:.2f} degrees",
            which=", ".join(f"{one}-{other}" for one, other in pairs),
            remedy="calibrate the lenses first; check heights, and points that were mistaken",
        )


def _check_reached(linked: set[frozenset[str]], rig: Rig) -> None:
    """Refuse a ring that falls apart."""
    names = [sensor.name for sensor in rig.sensors]
    reached = {names[0]}
    while True:
        more = {name for pair in linked if pair & reached for name in pair if name not in reached}
        if not more:
            break
        reached |= more
    for name in names:
        if name not in reached:
            near = next((pair for pair in neighbours(rig) if name in pair), (names[0], name))
            raise CalibrationFailed(
                what="nothing links these neighbours: they see no common ground",
                which=f"{near[0]} and {near[1]}",
                remedy="give each its heading by ground points instead: roeh calibrate pose",
            )
