"""One object seen in two tiles is one detection, and two people are two."""

import numpy as np
import pytest

from roeh.vision.overlap import FROM_ABOVE, FROM_THE_SIDE, Outlined, sightings


def seen(x, y, width, height, *, confidence=0.6, tile=0, cut=False, label="person", group=None):
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    return Outlined(
        label=label,
        group=group or label,
        confidence=confidence,
        cut=cut,
        tile=tile,
        corners_px=np.asarray(corners, np.float32),
    )


@pytest.mark.parametrize("sameness", [FROM_ABOVE, FROM_THE_SIDE])
def test_a_person_in_two_tiles_is_kept_once_as_the_surer_tile_shows_him(sameness):
    found = [seen(0, 0, 40, 100, confidence=0.5), seen(3, 2, 40, 100, confidence=0.7, tile=1)]
    (one,) = sightings(found, sameness)
    assert (one.best, one.others, one.agreeing) == (1, (0,), (0,))


@pytest.mark.parametrize("sameness", [FROM_ABOVE, FROM_THE_SIDE])
def test_half_a_person_at_a_seam_belongs_to_the_whole_one_though_it_seems_surer(sameness):
    found = [seen(0, 0, 40, 45, confidence=0.7, cut=True), seen(0, 0, 40, 100, tile=1)]
    (one,) = sightings(found, sameness)
    assert (one.best, one.others, one.agreeing) == (1, (0,), ())


@pytest.mark.parametrize("sameness", [FROM_ABOVE, FROM_THE_SIDE])
def test_neighbours_who_touch_stay_two_in_whatever_tiles_they_are_seen(sameness):
    found = [seen(0, 0, 40, 100), seen(32, 5, 40, 100, tile=1)]
    assert len(sightings(found, sameness)) == 2


def test_from_the_side_one_before_the_other_stays_two_where_the_decoder_said_so():
    found = [seen(0, 0, 40, 100), seen(10, 0, 40, 100, confidence=0.5)]
    assert len(sightings(found, FROM_THE_SIDE)) == 2
    assert len(sightings(found, FROM_ABOVE)) == 1


def test_a_van_that_is_a_car_and_a_truck_is_one_vehicle():
    found = [
        seen(0, 0, 90, 60, label="car", group="vehicle"),
        seen(0, 2, 90, 60, label="truck", group="vehicle", confidence=0.4),
        seen(0, 0, 90, 60, label="person"),
    ]
    assert sorted(one.best for one in sightings(found, FROM_THE_SIDE)) == [0, 2]


def test_nothing_found_and_a_box_without_area_are_no_trouble():
    assert sightings([], FROM_ABOVE) == []
    assert len(sightings([seen(5, 5, 0, 0), seen(5, 5, 10, 10)], FROM_ABOVE)) == 2
