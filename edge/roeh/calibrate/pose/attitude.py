"""Which way a camera looks, as a rotation that has no poles, and as the angles of node.toml.

A solver turns a rotation by small turns about the axes of the pole; only what it found is
written as azimuth, tilt and roll. Of a camera that looks straight down these three are two:
its azimuth is then where the picture's upper edge points, and its roll is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from roeh.optics.polar import Array
from roeh.optics.rig import Pose, wrap_deg, wrap_signed_deg

#: Looking down more steeply a camera's axis says little of where it faces.
STEEP_DEG = 75.0
#: Nearer to straight up or down the optical axis has no azimuth worth a number.
_AXIS_UPRIGHT = math.sin(math.radians(0.02))


@dataclass(frozen=True, slots=True)
class Attitude:
    """Azimuth in [0, 360), tilt in [-90, 90] and roll in [-180, 180), see `optics.rig.Pose`."""

    azimuth_deg: float
    tilt_deg: float
    roll_deg: float


@dataclass(frozen=True, slots=True)
class Split:
    """Which part of a camera's turn in the world is the pole's heading, which its own azimuth.

    From one camera the two cannot be told apart. The azimuth of node.toml stays where the
    optical axis has one; of a camera that looks down, what is left beside the heading is the
    nearest tilt.

    Attributes:
        azimuth_deg: of the axis in node.toml.
        to_pole: (3, 3), as in node.toml.
        is_steep: whether the axis is too steep for an azimuth.
    """

    azimuth_deg: float
    to_pole: Array
    is_steep: bool

    @classmethod
    def of(cls, pose: Pose) -> Split:
        """As a pose in node.toml has it."""
        return cls(pose.azimuth_deg, pose.to_pole(), abs(pose.tilt_deg) > STEEP_DEG)

    def heading_of(self, to_world: Array) -> float:
        """The heading in a rotation (3, 3) from camera to world, in [0, 360)."""
        if self.is_steep:
            return wrap_deg(twist_deg(to_world @ self.to_pole.T))
        bearing_deg = math.degrees(math.atan2(to_world[0, 2], to_world[1, 2]))
        return wrap_deg(bearing_deg - self.azimuth_deg)

    def apart(self, to_world: Array) -> tuple[float, Attitude]:
        """Heading, and the attitude on the pole, of a rotation from camera to world."""
        heading_deg = self.heading_of(to_world)
        return heading_deg, attitude_of(clockwise(-heading_deg) @ to_world)


def clockwise(angle_deg: float) -> Array:
    """The turn (3, 3) about the vertical, clockwise seen from above."""
    sine, cosine = math.sin(math.radians(angle_deg)), math.cos(math.radians(angle_deg))
    return np.asarray([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def twist_deg(rotation: Array) -> float:
    """How far a rotation (3, 3) turns about the vertical, clockwise seen from above.

    What is left of it then turns about a horizontal axis: the nearest tilt. Source: the
    swing-twist decomposition of a rotation.
    """
    return -math.degrees(
        math.atan2(rotation[1, 0] - rotation[0, 1], rotation[0, 0] + rotation[1, 1])
    )


def attitude_of(to_pole: Array) -> Attitude:
    """The angles of a rotation (3, 3) that takes camera directions to the pole frame."""
    across, up = to_pole[:, 1], float(to_pole[2, 2])
    axis = to_pole[:, 2]
    level = math.hypot(axis[0], axis[1])
    tilt_deg = -math.degrees(math.atan2(up, level))
    if level < _AXIS_UPRIGHT:
        # Looking down the picture's upper edge gives the azimuth, looking up its lower edge.
        side = 1.0 if up > 0 else -1.0
        azimuth = math.atan2(side * across[0], side * across[1])
        return Attitude(wrap_deg(math.degrees(azimuth)), -90.0 * side, 0.0)
    azimuth = math.atan2(axis[0], axis[1])
    # The camera's x, as it would lie without roll, and its y.
    level_x = np.asarray([math.cos(azimuth), -math.sin(azimuth), 0.0])
    level_y = np.cross(axis, level_x)
    roll = math.atan2(float(level_y @ to_pole[:, 0]), float(level_x @ to_pole[:, 0]))
    return Attitude(wrap_deg(math.degrees(azimuth)), tilt_deg, wrap_signed_deg(math.degrees(roll)))


def rotation_between(seen: Array, true: Array, weights: Array) -> Array:
    """The rotation (3, 3) that takes directions seen (n, 3) nearest to true ones (n, 3).

    Source: G. Wahba's problem (SIAM Review 7(3), 1965) by the singular value
    decomposition of F. L. Markley, J. Astronautical Sciences 36(3), 1988.
    """
    left, _, right = np.linalg.svd((weights[:, None] * true).T @ seen)
    handed = np.diag([1.0, 1.0, float(np.linalg.det(left) * np.linalg.det(right))])
    rotation: Array = left @ handed @ right
    return rotation
