"""How sure the detector is: the vote of the tiles, and the height a thing seems to have."""

import numpy as np
import pytest

from roeh.vision.plausible import may_stand, trust
from roeh.vision.votes import agreed_confidence


def test_what_all_tiles_find_is_surer_than_what_one_of_them_finds():
    all_of_them = agreed_confidence([(0, 0.5), (1, 0.5), (2, 0.5)], {0, 1, 2})
    one_of_them = agreed_confidence([(0, 0.5)], {0, 1, 2})
    assert 0 < one_of_them < all_of_them <= 1


def test_parts_of_one_person_in_one_tile_are_one_vote():
    assert agreed_confidence([(0, 0.6), (0, 0.3)], {0, 1}) == agreed_confidence([(0, 0.6)], {0, 1})


def test_a_tile_that_should_not_have_seen_it_may_vote_all_the_same():
    assert 0 < agreed_confidence([(7, 0.6)], set()) <= 1


@pytest.mark.parametrize(
    ("height_m", "steepness", "may"),
    [(1.75, 0.3, True), (1.2, 0.3, True), (0.2, 0.3, False), (6.0, 0.3, False), (6.0, 9.0, True)],
)
def test_a_person_may_be_as_tall_as_people_are_and_taller_only_looked_down_upon(
    height_m, steepness, may
):
    heights, sigmas = np.asarray([height_m]), np.asarray([0.05])
    assert may_stand(["person"], heights, sigmas, np.asarray([steepness]))[0] == may


def test_a_height_that_cannot_be_told_speaks_against_nobody():
    nothing = np.asarray([np.nan])
    assert may_stand(["person"], nothing, nothing, nothing)[0]
    assert trust(["person"], nothing)[0] == 1.0


def test_trust_falls_with_the_height_but_never_to_nothing():
    heights = np.asarray([1.7, 0.9, 0.5, 0.05])
    kept = trust(["person"] * 4, heights)
    assert kept[0] == 1.0
    assert np.all(np.diff(kept) < 0)
    assert kept[-1] > 0
