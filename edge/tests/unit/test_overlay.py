"""What is drawn into pictures for people lies where it is, reads well, and keeps off itself."""

import numpy as np
import pytest

from roeh.core.types import Size
from roeh.core.views import ViewChoice
from roeh.media.lettering import text_size, write
from roeh.media.overlay import Boxed, Overlay, bearing_name, found_words
from roeh.media.view_frame import framed
from roeh.media.views import draw_view
from roeh.optics.ground import GroundPlane
from roeh.optics.lens import Equidistant
from roeh.optics.rig import Pose, Rig, Sensor
from roeh.optics.view_layout import ViewMaker, sensor_view, view_of

DOME = Sensor("dome", Equidistant(640, 640, 185), Pose(0, 90, 0, 5.0))
RIG = Rig((DOME,), 30.0, 0.5)
PANORAMA = view_of(RIG, (DOME,), ViewChoice(), Size(960, 240))


def ground(size, level=90):
    return np.full((size.height_px, size.width_px, 3), level, np.uint8)


def test_a_ring_runs_through_the_places_that_far_away_in_every_view():
    bearings = np.radians(np.arange(3, 360, 15))
    spots = 5.0 * np.column_stack([np.sin(bearings), np.cos(bearings)])
    for view in (sensor_view(RIG, DOME), PANORAMA):
        picture = ground(view.size)
        overlay = Overlay(view, picture)
        overlay.draw_rings([5.0])
        (pane,) = view.panes
        ((_, points),) = pane.ground_points(spots)
        x, y = points.round().astype(int).T
        near = [picture[j - 1 : j + 2, i - 1 : i + 2].max() for i, j in zip(x, y, strict=True)]
        assert min(near) > 180  # bright on grey
    expected = GroundPlane(RIG, DOME).pixels_of(spots)
    ((_, drawn),) = sensor_view(RIG, DOME).panes[0].ground_points(spots)
    assert np.abs(drawn - expected).max() < 1e-6


@pytest.mark.parametrize("level", [0, 128, 255])
def test_letters_stand_out_on_dark_and_on_bright_ground(level):
    picture = np.full((24, 120, 3), level, np.uint8)
    write(picture, "124\N{DEGREE SIGN} 14 m", (4, 16), 8)
    written = picture[6:18, 4 : 4 + text_size("124\N{DEGREE SIGN} 14 m", 8)[0]]
    assert int(written.max()) - int(written.min()) > 150


def test_a_box_over_the_panoramas_edge_is_drawn_at_both_ends():
    south = np.radians(180.0)
    spot = 6.0 * np.array([[np.sin(south + off), np.cos(south + off)] for off in (-0.06, 0.06)])
    plane = GroundPlane(RIG, DOME)
    outline = np.vstack([plane.pixels_of(spot), plane.pixels_of(spot, up_m=1.8)])
    picture = ground(PANORAMA.size)
    Overlay(PANORAMA, picture).draw_boxes([Boxed("dome", outline, "")])
    changed = (picture != 90).any(axis=(0, 2))
    assert changed[:12].any()
    assert changed[-12:].any()
    assert not changed[30:-30].any()


def test_words_of_neighbours_do_not_cover_each_other():
    plane = GroundPlane(RIG, DOME)
    boxed = []
    for east in (0.0, 0.3, 0.6):
        spot = np.array([[east, 8.0], [east + 0.4, 8.0]])
        outline = np.vstack([plane.pixels_of(spot), plane.pixels_of(spot, up_m=1.8)])
        boxed.append(Boxed("dome", outline, found_words("person", 0.87, 2.0, 8.0)))
    overlay = Overlay(PANORAMA, ground(PANORAMA.size))
    overlay.draw_boxes(boxed)
    taken = overlay._taken
    assert len(taken) == 3
    for number, one in enumerate(taken):
        for other in taken[:number]:
            assert (
                one.x1_px <= other.x0_px
                or other.x1_px <= one.x0_px
                or one.y1_px <= other.y0_px
                or other.y1_px <= one.y0_px
            )


def test_the_frame_leaves_the_view_untouched():
    drawn = draw_view(PANORAMA, {"dome": ground(Size(640, 640), 77)})
    whole = framed(PANORAMA, drawn.picture.copy(), ["harbour/pole", "a second line"])
    rows = [
        top
        for top in range(whole.shape[0] - 240 + 1)
        if np.array_equal(whole[top : top + 240], drawn.picture)
    ]
    assert len(rows) == 1
    assert rows[0] > 0  # bearings above
    assert whole.shape[0] - 240 - rows[0] > 20  # two lines beneath


def test_bearings_have_names():
    named = [bearing_name(bearing) for bearing in (0, 359.8, 45, 90, 124.4, 225)]
    assert named == ["N", "N", "NE", "E", "124\N{DEGREE SIGN}", "SW"]


def test_a_view_is_computed_once():
    maker = ViewMaker(RIG)
    choice = ViewChoice(layout="quad")
    assert maker.view((DOME,), choice, Size(64, 48)) is maker.view((DOME,), choice, Size(64, 48))
