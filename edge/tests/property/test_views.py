"""Views for people: everything is where optics says, seams show nothing, masks hide everything."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from roeh.core.types import Size
from roeh.core.views import LAYOUTS, ViewChoice
from roeh.media.overlay import Boxed, Overlay
from roeh.media.views import draw_view
from roeh.optics.ground import GroundPlane
from roeh.optics.lens import Equidistant, KannalaBrandt, Pinhole
from roeh.optics.projection import Cylindrical
from roeh.optics.remap import pixel_grid
from roeh.optics.rig import Pose, Rig, Sensor
from roeh.optics.view_layout import view_of
from roeh.optics.view_pane import responsible, shares

few = settings(max_examples=8)
SIDE = 240  # a pixel's column and row fit into eight bits
BENT = LAYOUTS[1:]
SIZES = {"panorama": Size(360, 96), "double_panorama": Size(180, 144), "quad": Size(200, 150)}


def down(name="down", azimuth_deg=0.0):
    return Sensor(name, Equidistant(SIDE, SIDE, 185), Pose(azimuth_deg, 90, 0, 5.0))


def pair(offset_m=0.0):
    lens = KannalaBrandt.from_fov(SIDE, SIDE, 190, k=(-0.02, 0.002, 0.0, 0.0))
    return tuple(
        Sensor(f"side-{azimuth}", lens, Pose(azimuth, 20, 0, 5.0, (0.0, sign * offset_m)))
        for azimuth, sign in ((0, 1), (180, -1))
    )


def ring(offset_m=0.0):
    return tuple(
        Sensor(
            f"ring-{azimuth}",
            Pinhole.from_hfov(SIDE, SIDE, 110),
            Pose(azimuth, 35, 0, 5.0, (offset_m * (azimuth == 90), offset_m * (azimuth == 0))),
        )
        for azimuth in (0, 90, 180, 270)
    )


headings = st.floats(0, 359)
choices = st.builds(
    ViewChoice,
    layout=st.sampled_from(BENT),
    bearing_deg=st.floats(0, 360),
    elevation_deg=st.floats(-80, -5),
    fov_deg=st.floats(30, 110),
)


@st.composite
def rigs(draw, offset_m=0.0):
    sensors = draw(st.sampled_from([(down(),), pair(offset_m), ring(offset_m)]))
    return Rig(sensors, draw(headings), 0.0)


def the_view(rig, choice, size=None):
    return view_of(rig, rig.sensors, choice, size or SIZES.get(choice.layout, Size(160, 90)))


def coordinates(sensor):
    """A picture that says of each pixel which one it is: blue its column, green its row."""
    x, y = pixel_grid(sensor.lens.width_px, sensor.lens.height_px).T
    side = (sensor.lens.height_px, sensor.lens.width_px)
    return np.stack([x.reshape(side), y.reshape(side), np.zeros(side)], 2).astype(np.uint8)


def world_picture(rig, sensor):
    """A picture whose colour is a smooth function of the direction in the world."""
    pixels = pixel_grid(sensor.lens.width_px, sensor.lens.height_px)
    sides = (sensor.lens.height_px, sensor.lens.width_px, 3)
    sight = np.nan_to_num(sensor.pole_directions(pixels) @ rig.to_world().T)
    return (127 + 120 * sight).round().astype(np.uint8).reshape(sides)


@few
@given(rigs(offset_m=0.3), choices, st.integers(0, 2**32 - 1))
def test_a_point_of_the_world_is_drawn_where_optics_says(rig, choice, seed):
    view = the_view(rig, choice)
    assert all(sensor.lens.width_px == SIDE for sensor in view.sensors)
    picture = draw_view(view, {each.name: coordinates(each) for each in view.sensors}).picture
    rng = np.random.default_rng(seed)
    bearing, far = rng.uniform(0, 2 * np.pi, 300), rng.uniform(1.5, 25, 300)
    spots = np.column_stack([far * np.sin(bearing), far * np.cos(bearing)])
    checked = 0
    for pane in view.panes:
        for number, (sensor, points) in enumerate(pane.ground_points(spots, up_m=1.0)):
            truth = GroundPlane(rig, sensor).pixels_of(spots, up_m=1.0)
            there = pane.contains(points)
            nearest = np.round(points[there])
            sight = pane.projection.pole_directions(nearest)
            middle = sensor.pixels_of(sight)
            x, y = nearest.astype(int).T
            drawn = picture[pane.top_px + y, pane.left_px + x, :2].astype(float)
            alone = shares(view.sensors, sight)[number] == 1
            inner = alone & (middle > 2).all(axis=1) & (middle < SIDE - 3).all(axis=1)
            # The colours of the nearest pixels are those of the sensor's pixels there ...
            assert np.abs(drawn - middle)[inner].max(initial=0) <= 1.0
            # ... and the way back from the points themselves leads to the very spots.
            back = sensor.pixels_of(pane.projection.pole_directions(points[there]))
            assert np.abs(back - truth[there]).max(initial=0) <= 0.5
            checked += int(inner.sum())
    assert checked or choice.layout == "ptz"


@few
@given(rigs(), st.sampled_from(BENT), st.floats(0, 360))
def test_no_seam_is_seen_between_sensors_nor_where_north_comes_round(rig, layout, bearing_deg):
    view = the_view(rig, ViewChoice(layout=layout, bearing_deg=bearing_deg))
    pictures = {each.name: world_picture(rig, each) for each in view.sensors}
    picture = draw_view(view, pictures).picture
    for pane in view.panes:
        size = pane.size
        grid = pixel_grid(size.width_px, size.height_px)
        sight = pane.projection.pole_directions(grid)
        # Away from the lens's rim, beyond which it is black.
        around = [
            shares(view.sensors, sight + np.array(off)).sum(axis=0) > 0
            for off in ((0.04, 0, 0), (-0.04, 0, 0), (0, 0.04, 0), (0, -0.04, 0), (0, 0, 0.04))
        ]
        seen = np.logical_and.reduce(around)
        drawn = picture[
            pane.top_px : pane.top_px + size.height_px, pane.left_px : pane.left_px + size.width_px
        ].reshape(-1, 3)
        truth = 127 + 120 * sight @ rig.to_world().T
        assert seen.mean() > 0.5
        assert np.abs(drawn[seen] - truth[seen]).max() <= 4


@dataclass(frozen=True)
class CountedLens(Pinhole):
    """A lens that counts the directions it is asked for."""

    asked: list = field(default_factory=list, compare=False)

    def project(self, directions, *, beyond=False):
        self.asked.append(len(directions))
        return super().project(directions, beyond=beyond)


@few
@given(rigs(), st.integers(0, 2**32 - 1))
def test_who_shows_what_is_as_if_every_sensor_were_asked_for_every_direction(rig, seed):
    sight = np.random.default_rng(seed).normal(size=(4000, 3))
    sight /= np.linalg.norm(sight, axis=1)[:, None]
    axes = np.array([each.pose.to_pole()[:, 2] for each in rig.sensors])
    off_deg = np.degrees(np.arccos(np.clip(axes @ sight.T, -1, 1)))
    unseen = np.array([np.isnan(each.pixels_of(sight)[:, 0]) for each in rig.sensors])
    off_deg[unseen] = 999.0
    is_seen = ~unseen.all(axis=0)
    assert np.array_equal(responsible(rig.sensors, sight) >= 0, is_seen)
    found = shares(rig.sensors, sight)
    assert np.allclose(found.sum(axis=0), is_seen)
    for number, off in enumerate(off_deg):
        lead = np.delete(off_deg, number, axis=0).min(axis=0, initial=999.0) - off
        # Over two degrees from one sensor's part into the other's.
        assert ((found[number] == 0) == (unseen[number] | (lead <= -1))).all()
        assert ((found[number] == 1) == (~unseen[number] & (lead >= 1))).all()
        if len(rig.sensors) == 2:
            is_shared = is_seen & (np.abs(lead) < 1)
            assert np.allclose(found[number][is_shared], 0.5 + lead[is_shared] / 2)


def test_a_direction_is_asked_of_whoever_shows_it():
    poses = [Pose(azimuth, 35, 0, 5.0) for azimuth in (0, 90, 180, 270)]
    plain = Pinhole.from_hfov(SIDE, SIDE, 110)
    lens = CountedLens(SIDE, SIDE, plain.focal_px, plain.center_px)
    sensors = tuple(Sensor(f"{number}", lens, pose) for number, pose in enumerate(poses))
    size = Size(400, 300)
    view = view_of(Rig(sensors, 0.0, 0.0), sensors, ViewChoice(layout="quad"), size)
    assert view.sensors == sensors
    assert sum(lens.asked) < 1.4 * size.width_px * size.height_px


@few
@given(headings, st.floats(0, 360), st.floats(0, 360), st.floats(2, 20))
def test_upright_is_up_and_bearings_stand_where_they_are(heading, middle, bearing, range_m):
    rig = Rig((down(),), heading, 0.0)
    view = the_view(rig, ViewChoice(bearing_deg=middle))
    (pane,) = view.panes
    assert isinstance(pane.projection, Cylindrical)
    angle = np.radians(bearing)
    spot = range_m * np.array([[np.sin(angle), np.cos(angle)]] * 2)
    ((_, (foot, head)),) = pane.ground_points(spot, up_m=np.array([0.0, 1.8]))
    assert abs(foot[0] - head[0]) < 0.5
    assert head[1] < foot[1]
    columns = 360.0 / view.size.width_px
    expected = (view.size.width_px - 1) / 2 + (bearing - middle) / columns
    off = (foot[0] - expected + view.size.width_px / 2) % view.size.width_px
    assert abs(off - view.size.width_px / 2) < 0.5


@settings(max_examples=5)
@given(rigs(offset_m=0.2), choices, st.data())
def test_nothing_behind_a_mask_is_in_a_view_nor_is_anything_drawn_over_it(rig, choice, data):
    view = the_view(rig, choice)
    pictures, masks = {}, {}
    for sensor in rig.sensors:
        mask = np.zeros((SIDE, SIDE), bool)
        x, y = data.draw(st.tuples(st.integers(0, 200), st.integers(0, 200)))
        mask[y : y + 60, x : x + 60] = True
        masks[sensor.name] = mask
        # Black but behind the mask: whatever is not black is a leak.
        pictures[sensor.name] = np.where(mask[..., None], np.uint8(255), np.uint8(0)).repeat(3, 2)
    drawn = draw_view(view, pictures, masks)
    assert not drawn.picture.any()
    assert drawn.hidden is not None
    overlay = Overlay(view, drawn.picture, drawn.hidden)
    overlay.draw_rings()
    overlay.draw_compass()
    corners = np.array([[20.0, 20.0], [220.0, 220.0]])
    overlay.draw_boxes([Boxed(rig.sensors[0].name, corners, "person")])
    finished = overlay.finished()
    assert finished.any() or choice.layout == "ptz"
    assert not finished[drawn.hidden].any()
