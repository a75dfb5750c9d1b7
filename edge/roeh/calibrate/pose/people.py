"""Tilt, roll and height from people: whoever stands or walks is upright and about so tall.

From one look at somebody's foot and head, and from which way is up, follows a height. The
way is sought in which everybody keeps one height wherever they go, and all together are as
tall as people are. Which way is north nobody's height tells. Method, bounds and figures:
edge/design/calibration.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from roeh.calibrate.least_squares import Fit, fit, tamed
from roeh.calibrate.pose.attitude import Split, clockwise
from roeh.calibrate.pose.people_checks import check_looks, check_told
from roeh.calibrate.rotation import turn
from roeh.optics.polar import Array
from roeh.optics.rig import Pose, PoseSigmas, Sensor

#: Shoes on: half the adults of a city are within a few centimetres of this.
PERSON_HEIGHT_M, PERSON_HEIGHT_SIGMA_M = 1.70, 0.07
#: How well the mean of those who happen to pass is known.
_MEAN_SIGMA_M = 0.02
#: A walker bobs, bends and looks down; what a box says of it is no better.
_POSTURE_SIGMA_M = 0.04
#: The lowest pixel of a person is that of the nearer toe, not below the body's middle.
_TOE_M, _TOE_SIGMA_M = 0.11, 0.03
#: Of a foot or a head that a person marked: how far it is off the body's vertical.
_LEAN_SIGMA_RAD = math.radians(1.0)
_STEP_PX = 0.25
#: From how many sigmas on a look counts less; a look farther off is not of an upright person.
_ROBUST_SIGMAS, _MAX_SIGMAS = 2.0, 4.0
_LEAST_SIGMA_M = 0.001


class UprightLook(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody standing or walking, as one picture shows them.

    Attributes:
        person: whose look it is; looks of one name are of one height.
        foot_px: (x, y) where they stand.
        head_px: (x, y) of the top of the head.
        sigma_px: of each of the two, each way.
        shows_lean: whether the two were found each by itself. A box round a person that
            was cut upright by the pose of before shows a height and no lean.
    """

    person: str
    foot_px: tuple[float, float]
    head_px: tuple[float, float]
    sigma_px: float = 2.0
    shows_lean: bool = False


@dataclass(frozen=True, slots=True)
class KnownHeights:
    """How tall people are before they are seen.

    Attributes:
        mean_m: of all.
        mean_sigma_m: of that.
        sigma_m: of one person about it.
        toe_m: how much nearer than the body's middle its lowest pixel is.
        toe_sigma_m: of that.
        box_sigma_px: by how much boxes may all be too low or too high.
    """

    mean_m: float = PERSON_HEIGHT_M
    mean_sigma_m: float = _MEAN_SIGMA_M
    sigma_m: float = PERSON_HEIGHT_SIGMA_M
    toe_m: float = _TOE_M
    toe_sigma_m: float = _TOE_SIGMA_M
    box_sigma_px: float = 1.0


@dataclass(frozen=True, slots=True)
class PeoplePose:
    """A pose by people.

    Attributes:
        pose: of the sensor; its azimuth is that of before.
        sigmas: of the pose; `azimuth_deg` as before.
        covariance: (2, 2) of small turns about the pole's right and forward, square radians.
        heights_m: (n,) of each look, as the pose makes it; NaN where none follows.
        height_sigmas_m: (n,) of each.
        is_used: (n,) whether the look counted.
        people: how many there were in those.
        spread_m: of the heights of looks about their person's, root mean square.
    """

    pose: Pose
    sigmas: PoseSigmas
    covariance: Array
    heights_m: Array
    height_sigmas_m: Array
    is_used: NDArray[np.bool_]
    people: int
    spread_m: float


def pose_from_people(
    looks: Sequence[UprightLook],
    sensor: Sensor,
    *,
    is_height_measured: bool = True,
    heights: KnownHeights | None = None,
) -> PeoplePose:
    """The pose in which everybody is upright, of one height, and as tall as people are.

    Args:
        looks: many, spread over bearings and ranges.
        sensor: as configured: lens, pose, sigmas.
        is_height_measured: whether the camera's height holds to its sigma, or follows
            from how tall people are.
        heights: of people; default those of `KnownHeights`.

    Raises:
        CalibrationFailed: too few looks, or so little spread that they leave tilt or roll
            open: what is missing.
    """
    known = heights or KnownHeights()
    check_looks(looks, sensor)
    problem = _Problem(list(looks), sensor, known, is_height_measured=is_height_measured)
    used: NDArray[np.bool_] = np.ones(len(looks), np.bool_)
    best = problem.solved(used)
    for _ in range(3):
        kept = problem.agreeing(best)
        if bool(np.array_equal(kept, used)):
            break
        used = kept
        best = problem.solved(used)
    chosen = [look for look, counts in zip(looks, used, strict=True) if counts]
    check_looks(chosen, sensor)
    check_told(chosen, best.covariance, sensor)
    return problem.told(best, used)


class _Problem:
    """Looks as whitened residuals.

    Unknowns: turns of the camera about the pole's right and forward (radians), difference
    of the camera's height (m), of the mean height of people (m), of the toe (m), what the
    detector's boxes lack in height (px), and of each person's height from that mean (m).
    """

    _COMMON = 6

    def __init__(
        self,
        looks: Sequence[UprightLook],
        sensor: Sensor,
        known: KnownHeights,
        *,
        is_height_measured: bool,
    ) -> None:
        self._sensor = sensor
        self._known = known
        self._is_height_measured = is_height_measured
        names = sorted({look.person for look in looks})
        self._person = np.asarray([names.index(look.person) for look in looks])
        self._names = len(names)
        self._shows_lean = np.asarray([look.shows_lean for look in looks])
        self._sigma_px = np.asarray([look.sigma_px for look in looks])
        steps = _STEP_PX * np.asarray([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
        ends = np.asarray([(look.foot_px, look.head_px) for look in looks]).transpose(1, 0, 2)
        around = (ends[:, None] + steps[None, :, None]).reshape(-1, 2)
        # (foot or head, middle and four steps, n, 3), camera frame turned to the pole's.
        self._sights = sensor.pole_directions(around).reshape(2, 5, len(looks), 3)
        self._used = np.ones(len(looks), np.bool_)
        self._height_sigma = self._lean_sigma = self._head_m_per_px = np.ones(len(looks))
        self._whiten(np.zeros(self._count()))

    def solved(self, used: NDArray[np.bool_]) -> Fit:
        """The best unknowns for the looks that count."""
        self._used = used
        near = fit(self._residuals, np.zeros(self._count()))
        self._whiten(near.unknowns)
        return fit(self._residuals, near.unknowns)

    def agreeing(self, best: Fit) -> NDArray[np.bool_]:
        """Which looks are those of upright people of some usual height: (n,)."""
        off = self._off(best.unknowns)
        # Of a height that no pose gives nothing agrees.
        kept: NDArray[np.bool_] = np.asarray(np.abs(off) <= _MAX_SIGMAS)
        both: NDArray[np.bool_] = np.asarray(kept.all(axis=1))
        return both

    def told(self, best: Fit, used: NDArray[np.bool_]) -> PeoplePose:
        """What the unknowns say of the pose."""
        before = self._sensor
        to_pole = turn(np.append(best.unknowns[:2], 0.0)) @ before.pose.to_pole()
        twist, attitude = Split.of(before.pose).apart(to_pole)
        pose = Pose(
            attitude.azimuth_deg,
            attitude.tilt_deg,
            attitude.roll_deg,
            before.pose.height_m + float(best.unknowns[2]),
            before.pose.offset_m,
        )
        # The looks of one walk are off together: what they disagree goes to the sigma.
        residuals = self._off(best.unknowns)[used, 0]
        growth = max(1.0, math.sqrt(float(residuals @ residuals) / max(len(residuals), 1)))
        covariance = growth**2 * best.covariance
        level = clockwise(-twist)[:2, :2]
        tilts = level @ covariance[:2, :2] @ level.T
        heights = self._heights(best.unknowns)
        of_person = self._known.mean_m + best.unknowns[3]
        of_person = of_person + best.unknowns[self._COMMON :][self._person]
        return PeoplePose(
            pose=pose,
            sigmas=PoseSigmas(
                tilt_deg=math.degrees(math.sqrt(float(np.linalg.eigvalsh(tilts)[-1]))),
                height_m=math.sqrt(float(covariance[2, 2])),
                azimuth_deg=before.sigmas.azimuth_deg,
            ),
            covariance=tilts,
            heights_m=heights,
            height_sigmas_m=self._height_sigma.copy(),
            is_used=used,
            people=len(set(self._person[used].tolist())),
            spread_m=float(np.sqrt(np.mean(np.square((heights - of_person)[used])))),
        )

    def _count(self) -> int:
        return self._COMMON + self._names

    def _residuals(self, unknowns: Array) -> Array:
        off = self._off(unknowns)[self._used]
        known = self._known
        parts = [
            # A height that does not follow is far off, so that the search turns back.
            tamed(np.nan_to_num(off[:, 0], nan=30.0), _ROBUST_SIGMAS),
            tamed(off[:, 1], _ROBUST_SIGMAS),
            unknowns[3:4] / known.mean_sigma_m,
            unknowns[4:5] / known.toe_sigma_m,
            unknowns[5:6] / known.box_sigma_px,
            unknowns[self._COMMON :] / known.sigma_m,
        ]
        if self._is_height_measured:
            parts.append(unknowns[2:3] / max(self._sensor.sigmas.height_m, _LEAST_SIGMA_M))
        return np.concatenate(parts)

    def _off(self, unknowns: Array) -> Array:
        """How far each look's height and lean are off, whitened: (n, 2)."""
        expected = self._known.mean_m + unknowns[3] + unknowns[self._COMMON :][self._person]
        lacking = unknowns[5] * self._head_m_per_px
        # Heights grow with the camera's and so does what they are off: not scaled back, a
        # lower camera would always fit better.
        scale = 1.0 + unknowns[2] / self._sensor.pose.height_m
        off_m = (self._heights(unknowns) + lacking - expected) / max(scale, 0.1)
        height = off_m / self._height_sigma
        lean = np.where(self._shows_lean, self._leans(unknowns) / self._lean_sigma, 0.0)
        return np.column_stack([height, lean])

    def _heights(self, unknowns: Array, foot_step: int = 0, head_step: int = 0) -> Array:
        """How tall each look makes its person (n,): where the head is over the foot."""
        camera_m = self._sensor.pose.height_m + unknowns[2]
        up = _up(unknowns)
        foot, head = self._sights[0, foot_step], self._sights[1, head_step]
        foot_up, head_up = foot @ up, head @ up
        foot_level, head_level = foot - foot_up[:, None] * up, head - head_up[:, None] * up
        down = np.where(foot_up < -1e-3, foot_up, np.nan)
        place = -camera_m * foot_level / down[:, None]
        reach = np.linalg.norm(place, axis=1)
        place *= ((reach + self._known.toe_m + unknowns[4]) / np.maximum(reach, 1e-6))[:, None]
        square = np.einsum("ni,ni->n", head_level, head_level)
        along = np.einsum("ni,ni->n", place, head_level) / np.maximum(square, 1e-9)
        heights: Array = np.where(along > 0, camera_m + along * head_up, np.nan)
        return heights

    def _leans(self, unknowns: Array, foot_step: int = 0, head_step: int = 0) -> Array:
        """How far the vertical is off the plane through foot and head (n,), radians."""
        normal = np.cross(self._sights[0, foot_step], self._sights[1, head_step])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        leans: Array = np.arcsin(np.clip(normal @ _up(unknowns), -1.0, 1.0))
        return leans

    def _whiten(self, unknowns: Array) -> None:
        """What each look's height and lean are worth, by their pixels and the body."""
        count = len(self._person)
        height, head, lean = np.zeros(count), np.zeros(count), np.zeros(count)
        for a, b in ((1, 2), (3, 4)):
            for plus, minus in (((a, 0), (b, 0)), ((0, a), (0, b))):
                tall = self._heights(unknowns, *plus) - self._heights(unknowns, *minus)
                leant = self._leans(unknowns, *plus) - self._leans(unknowns, *minus)
                height += np.nan_to_num(tall / (2 * _STEP_PX)) ** 2
                lean += (leant / (2 * _STEP_PX)) ** 2
                head += np.nan_to_num(tall / (2 * _STEP_PX)) ** 2 if plus[1] else 0.0
        self._head_m_per_px = np.sqrt(head)
        self._height_sigma = np.sqrt(height * self._sigma_px**2 + _POSTURE_SIGMA_M**2)
        self._lean_sigma = np.sqrt(lean * self._sigma_px**2 + _LEAN_SIGMA_RAD**2)


def _up(unknowns: Array) -> Array:
    """The world's up in the pole frame as it was before the camera was turned (3,)."""
    up: Array = turn(np.append(unknowns[:2], 0.0)).T @ np.asarray([0.0, 0.0, 1.0])
    return up
