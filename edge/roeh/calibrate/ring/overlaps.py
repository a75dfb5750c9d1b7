"""Spots of the ground that two sensors of a ring see: marked, or somebody's feet at one time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from roeh.calibrate.pose.point_files import PointFile, PointRow
from roeh.calibrate.pose.watching import SeenPerson
from roeh.calibrate.ring.checks import SharedSpot
from roeh.core.clock import NS_PER_S
from roeh.core.errors import CalibrationFailed

#: Between two looks farther apart nobody knows where somebody was.
_MAX_STEP_NS = NS_PER_S
#: How far apart two sensors of a ring not calibrated yet may see one person.
_GATE_M, _GATE_RAD = 0.8, math.radians(8.0)
_LEAST_COMMON_LOOKS = 3
#: Feet of a person who walks, in two pictures of different moments.
_FOOT_SIGMA_PX, _FOOT_SIGMA_M = 3.0, 0.08


@dataclass(frozen=True, slots=True)
class _Walk:
    """One track of one sensor, in the order of time."""

    looks: tuple[SeenPerson, ...]

    def at(self, t_ns: int) -> SeenPerson | None:
        """The person at a moment between two looks; None where there are none around it."""
        times = np.asarray([look.t_ns for look in self.looks])
        after = int(np.searchsorted(times, t_ns))
        if after < len(times) and times[after] == t_ns:
            return self.looks[after]
        if after in (0, len(times)) or times[after] - times[after - 1] > _MAX_STEP_NS:
            return None
        one, other = self.looks[after - 1], self.looks[after]
        share = (t_ns - one.t_ns) / (other.t_ns - one.t_ns)

        def mixed(a: float, b: float) -> float:
            return a + share * (b - a)

        return SeenPerson(
            sensor=one.sensor,
            person=one.person,
            t_ns=t_ns,
            foot_px=(
                mixed(one.foot_px[0], other.foot_px[0]),
                mixed(one.foot_px[1], other.foot_px[1]),
            ),
            head_px=one.head_px,
            east_m=mixed(one.east_m, other.east_m),
            north_m=mixed(one.north_m, other.north_m),
            height_m=one.height_m,
        )


def spots_of_people(
    seen: Mapping[str, Sequence[SeenPerson]], pairs: Sequence[tuple[str, str]], apart_m: float
) -> tuple[SharedSpot, ...]:
    """Feet that two neighbours saw at one time.

    Two tracks are one person where they stay within what the configured poses may be off of
    each other, and no other track of either does so better.

    Args:
        seen: by sensor; times of all sensors count from one moment.
        pairs: of neighbours.
        apart_m: spots of one person nearer to each other count once.
    """
    spots: list[SharedSpot] = []
    for one, other in pairs:
        for number, common in enumerate(_same_people(seen.get(one, ()), seen.get(other, ()))):
            taken: list[tuple[float, float]] = []
            for a, b in common:
                place = (a.east_m, a.north_m)
                if any(math.dist(place, before) < apart_m for before in taken):
                    continue
                taken.append(place)
                spots.append(
                    SharedSpot(
                        name=f"{one}-{other}-{number}-{len(taken)}",
                        one=one,
                        one_px=a.foot_px,
                        other=other,
                        other_px=b.foot_px,
                        sigma_px=_FOOT_SIGMA_PX,
                        sigma_m=_FOOT_SIGMA_M,
                    )
                )
    return tuple(spots)


def spots_of_points(
    file: PointFile, names: Sequence[str], sigma_px: float
) -> tuple[SharedSpot, ...]:
    """Points marked in the pictures of two sensors, by their names.

    Raises:
        CalibrationFailed: a row without a sensor of the rig, or a point twice in one picture.
    """
    marks: dict[str, dict[str, PointRow]] = {}
    for row in file.rows:
        if row.sensor not in names:
            raise CalibrationFailed(
                what=f'point {row.name} is of no sensor of this rig ("{row.sensor}")',
                which=file.path,
                remedy=f"name one in the column sensor: {', '.join(names)}",
            )
        of_name = marks.setdefault(row.name, {})
        if row.sensor in of_name:
            raise CalibrationFailed(
                what=f"point {row.name} is marked twice in the picture of {row.sensor}",
                which=file.path,
                remedy="leave one of them out",
            )
        of_name[row.sensor] = row
    spots = []
    for name, of_name in marks.items():
        for one, other in itertools.combinations(of_name, 2):
            a, b = of_name[one], of_name[other]
            spots.append(
                SharedSpot(
                    name=name,
                    one=one,
                    one_px=(a.x_px, a.y_px),
                    other=other,
                    other_px=(b.x_px, b.y_px),
                    sigma_px=sigma_px,
                )
            )
    return tuple(spots)


def _same_people(
    ones: Sequence[SeenPerson], others: Sequence[SeenPerson]
) -> Iterator[list[tuple[SeenPerson, SeenPerson]]]:
    """Looks at one time of each person whom both sensors follow."""
    candidates = []
    for (a, walk), (b, other) in itertools.product(_walks(ones).items(), _walks(others).items()):
        common = [(look, there) for look in walk.looks if (there := other.at(look.t_ns))]
        if len(common) < _LEAST_COMMON_LOOKS:
            continue
        gaps = [math.hypot(x.east_m - y.east_m, x.north_m - y.north_m) for x, y in common]
        ranges = [x.range_m for x, _ in common]
        gap_m = float(np.median(gaps))
        if gap_m <= _GATE_M + _GATE_RAD * float(np.median(ranges)):
            candidates.append((gap_m, a, b, common))
    candidates.sort(key=lambda candidate: candidate[:3])
    # Somebody may be lost and found again: one track of the one, several of the other.
    matched: dict[int, int] = {}
    backwards: dict[int, int] = {}
    for _, a, b, common in candidates:
        if matched.get(a, b) != b and backwards.get(b, a) != a:
            continue
        matched.setdefault(a, b)
        backwards.setdefault(b, a)
        yield common


def _walks(people: Sequence[SeenPerson]) -> dict[int, _Walk]:
    found: dict[int, list[SeenPerson]] = {}
    for person in people:
        found.setdefault(person.person, []).append(person)
    return {
        person: _Walk(tuple(sorted(looks, key=lambda look: look.t_ns)))
        for person, looks in found.items()
    }
