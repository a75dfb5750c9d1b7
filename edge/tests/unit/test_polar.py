"""The polar picture: north is up, metres are to scale, nothing beyond the rings."""

import math

import numpy as np
import pytest

from roeh.media.polar import PolarAlert, PolarTrack, PolarZone, draw_polar, sector_outline_m

RANGE_M = 20.0
MIDDLE_PX = 500.0
PX_PER_M = (1000 / 2 - 70) / RANGE_M


def drawn(tracks=(), zones=(), alerts=()):
    picture = draw_polar("", range_m=RANGE_M, tracks=tracks, zones=zones, alerts=alerts)
    assert picture.shape == (1000, 1000, 3)
    return picture.astype(int)


def place_of_change(before, after):
    """Middle of what is different, metres east and north of the pole."""
    rows, columns = np.nonzero(np.abs(after - before).sum(axis=2) > 60)
    assert len(rows), "nothing was drawn"
    east = ((columns.min() + columns.max()) / 2 + 0.5 - MIDDLE_PX) / PX_PER_M
    north = (MIDDLE_PX - 0.5 - (rows.min() + rows.max()) / 2) / PX_PER_M
    return east, north


@pytest.fixture(scope="module")
def empty():
    return drawn()


@pytest.mark.parametrize("place", [(0.0, 12.0), (12.0, 0.0), (0.0, -12.0), (-9.0, -9.0)])
def test_things_lie_where_they_are(empty, place):
    here = (place, (place[0] + 0.01, place[1]))
    picture = drawn(tracks=[PolarTrack(1, here)])
    assert place_of_change(empty, picture) == pytest.approx(place, abs=0.1)
    picture = drawn(alerts=[PolarAlert("", *place, 0.5)])
    assert place_of_change(empty, picture) == pytest.approx(place, abs=0.1)
    square = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
    corners = tuple((place[0] + x, place[1] + y) for x, y in square)
    picture = drawn(zones=[PolarZone("", corners)])
    assert place_of_change(empty, picture) == pytest.approx(place, abs=0.1)


def test_what_lies_beyond_the_rings_is_not_drawn(empty):
    far = ((0.0, 30.0), (0.0, 31.0))
    assert (drawn(tracks=[PolarTrack(1, far)]) == empty).all()
    assert (drawn(alerts=[PolarAlert("far", 0.0, 30.0, 1.0)]) == empty).all()


def test_nothing_to_draw_is_a_picture_too(empty):
    assert empty.std() > 3
    assert (drawn(tracks=[PolarTrack(1, ())]) == empty).all()


def test_of_alerts_in_one_place_the_first_is_named():
    def with_names(*names):
        return drawn(alerts=[PolarAlert(name, 5.0, 5.0, 0.5) for name in names])

    assert (with_names("crowd", "loitering") == with_names("crowd", "entry")).all()
    assert (with_names("crowd", "entry") != with_names("loitering", "entry")).any()


def test_a_sector_over_north_is_one_piece():
    outline = np.asarray(sector_outline_m(315.0, 45.0, 3.0, 14.0))
    ranges = np.hypot(*outline.T)
    assert set(ranges.round(6)) == {3.0, 14.0}
    assert outline[:, 1].min() == pytest.approx(3.0 * math.cos(math.radians(45)))
    assert outline[:, 0].min() == pytest.approx(-14.0 * math.sin(math.radians(45)))
    assert outline[:, 0].max() == pytest.approx(14.0 * math.sin(math.radians(45)))


def test_a_sector_from_a_bearing_to_itself_goes_all_round():
    outline = np.asarray(sector_outline_m(90.0, 90.0, 0.0, 10.0))
    assert outline.min(axis=0) == pytest.approx([-10.0, -10.0])
    assert outline.max(axis=0) == pytest.approx([10.0, 10.0])
    # A circle: no line from its middle, which would lie over the one to north.
    assert np.hypot(*outline.T) == pytest.approx(10.0)
