"""How surely somebody is inside: the exact probability, against a million throws of dice."""

from __future__ import annotations

import math

import numpy as np
import pytest

from roeh.core.config import LineSection, ZoneSection
from roeh.core.types import Covariance, GroundPoint
from roeh.vision.rules.geometry import Area, Line, apart_m, area_of, sigma_m

SQUARE = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)]
ARROW = [(0.0, 0.0), (4.0, 0.0), (4.0, 3.0), (2.0, 1.0), (0.0, 3.0)]


def point(east_m: float, north_m: float, sigma: float = 0.1) -> GroundPoint:
    return GroundPoint(east_m, north_m, Covariance(sigma**2, 0.0, sigma**2))


def sector(from_deg: float, to_deg: float, near_m: float, far_m: float) -> Area:
    return area_of(
        ZoneSection(
            name="sector",
            bearing_from_deg=from_deg,
            bearing_to_deg=to_deg,
            range_from_m=near_m,
            range_to_m=far_m,
        )
    )


def share_of_throws(area: Area, place: GroundPoint) -> float:
    c = place.covariance
    throws = np.random.default_rng(1).multivariate_normal(
        [place.east_m, place.north_m],
        [[c.east_east_m2, c.east_north_m2], [c.east_north_m2, c.north_north_m2]],
        100_000,
    )
    return float((area.depths_m(throws) > 0).mean())


@pytest.mark.parametrize(
    "area",
    [Area(SQUARE), Area(ARROW), Area(ARROW[::-1]), sector(340, 20, 2, 8), sector(10, 200, 0, 5)],
    ids=["square", "notched", "the other way round", "over north", "wide"],
)
@pytest.mark.parametrize("place", [(2.0, 1.2), (-0.5, 3.1), (3.9, 4.4)])
def test_the_probability_is_what_dice_say(area: Area, place: tuple[float, float]):
    slanted = GroundPoint(*place, Covariance(0.9, -0.5, 0.7))

    (probability,) = area.probabilities([slanted])

    assert probability == pytest.approx(share_of_throws(area, slanted), abs=0.006)


def test_on_a_long_edge_it_is_even_odds():
    assert Area(SQUARE).probabilities([point(4.0, 2.0)])[0] == pytest.approx(0.5, abs=1e-6)


def test_in_a_corner_it_is_a_quarter():
    assert Area(SQUARE).probabilities([point(4.0, 4.0)])[0] == pytest.approx(0.25, abs=1e-6)


def test_well_inside_and_well_outside_are_certain():
    places = [point(2, 2), point(-3, 2), point(2, 100)]

    assert Area(SQUARE).probabilities(places).tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("bearing_deg", "range_m", "inside"),
    [(0, 5, 1), (350, 5, 1), (345, 7.8, 1), (15, 2.2, 1), (30, 5, 0), (330, 5, 0), (0, 1, 0)],
)
def test_a_sector_may_run_over_north(bearing_deg: float, range_m: float, inside: int):
    turn = math.radians(bearing_deg)
    place = point(range_m * math.sin(turn), range_m * math.cos(turn), sigma=0.01)

    (probability,) = sector(340, 20, 2, 8).probabilities([place])

    assert probability == pytest.approx(inside, abs=1e-3)


@pytest.mark.parametrize("bearing_deg", [0, 90, 180, 270, 359])
def test_equal_bearings_mean_all_round(bearing_deg: float):
    ring = sector(0, 0, 2, 8)
    turn = math.radians(bearing_deg)
    on_ring, at_pole = point(5 * math.sin(turn), 5 * math.cos(turn)), point(0, 0)

    assert ring.probabilities([on_ring, at_pole]) == pytest.approx([1, 0], abs=1e-6)


def test_in_a_doorway_far_away_somebody_in_the_middle_is_as_surely_inside_as_can_be():
    doorway = Area([(0, 20), (1, 20), (1, 21), (0, 21)])
    vague = GroundPoint(0.5, 20.5, Covariance(0.05, 0.0, 0.8))

    assert doorway.probabilities([vague])[0] < 0.5
    assert doorway.certainties([vague])[0] > 0.95
    assert doorway.certainties([point(0.5, 23)])[0] == 0.0


def test_left_and_right_are_those_of_someone_walking_along_the_line():
    line = Line(LineSection(name="gate", from_m=(0, 0), to_m=(0, 10)))

    assert line.left_of_m(point(-3, 5)) == pytest.approx(3)
    assert line.left_of_m(point(2, 5)) == pytest.approx(-2)
    assert line.along_m(point(2, 7)) == pytest.approx(7)


def test_across_a_line_only_the_error_across_it_counts():
    line = Line(LineSection(name="gate", from_m=(0, 0), to_m=(0, 10)))
    place = GroundPoint(1, 5, Covariance(0.04, 0.0, 9.0))

    assert line.across_sigma_m(place) == pytest.approx(0.2)
    assert sigma_m(place) == pytest.approx(3.0, rel=1e-3)
    assert apart_m(point(0, 0), point(3, 4)) == 5
