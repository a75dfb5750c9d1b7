"""A lens is found from pictures of a board: to 0.2 %, or refused in one line."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from apt import require_packages
from board_views import Look, held, held_about, picture_of, points_seen

from roeh.calibrate.lens.board import parse_board
from roeh.calibrate.lens.board_views import BoardViews
from roeh.calibrate.lens.fit import fit_lens
from roeh.calibrate.lens.lens_fit import LensView
from roeh.calibrate.lens.opencv_reference import opencv_opinions
from roeh.calibrate.lens.seen_rim import seen_fov_deg
from roeh.core.errors import CalibrationFailed
from roeh.optics.lens import KannalaBrandt, Pinhole

CHESSBOARD = parse_board("chessboard", "9x6", 0.03)
CIRCLES = parse_board("circles", "4x11", 0.03)
OPENCV_PICTURES = Path("/usr/share/doc/opencv-doc/examples/data")

LOOK = Look(blur_px=0.6, noise=2.0)

LENSES = {
    "100": KannalaBrandt.from_fov(480, 480, 100, k=(0.02, -0.01, 0.003, -0.0005)),
    "160": KannalaBrandt.from_fov(480, 480, 160, k=(-0.03, 0.004, -0.001, 0.0001)),
    "185": KannalaBrandt.from_fov(
        480, 480, 185, k=(-0.02, 0.005, -0.002, 0.0002), center_px=(241.5, 237.2), radius_px=234
    ),
    "200": KannalaBrandt.from_fov(
        480, 480, 200, k=(0.01, -0.004, 0.0006, -0.00005), center_px=(240.8, 238), radius_px=235
    ),
    "pinhole 70": Pinhole.from_hfov(640, 480, 70, (323.0, 236.5)),
}


def seen_through(lens, board, poses, seed=0):
    """What the detector makes of pictures of the board through the lens."""
    rng = np.random.default_rng(seed)
    views = BoardViews(board)
    for number, pose in enumerate(poses):
        views.add(f"view-{number}", picture_of(board, lens, pose, LOOK, rng))
    return views


def fitted(views, model="kannala_brandt"):
    width_px, height_px = views.size_px
    return fit_lens(
        tuple(views.views),
        views.board,
        model=model,
        width_px=width_px,
        height_px=height_px,
        refused=tuple(views.refused),
    )


def full_size(lens):
    """As large as cameras' pictures are; points cost the same in any."""
    return lens.scaled_to(2 * lens.width_px, 2 * lens.height_px)


def points_through(lens, board, poses, noise_px=0.1, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(
        LensView(f"view-{n}", seen + rng.normal(0, noise_px, seen.shape))
        for n, seen in enumerate(points_seen(board, lens, pose) for pose in poses)
    )


def fit_points(views, board, lens, model="kannala_brandt"):
    size = {"width_px": lens.width_px, "height_px": lens.height_px}
    return fit_lens(views, board, model=model, **size)


def worst_sight_deg(found, lens, to_deg):
    """The largest angle between where both lenses look, out to that far off the axis."""
    xs, ys = np.meshgrid(
        np.linspace(0, lens.width_px - 1, 21), np.linspace(0, lens.height_px - 1, 21)
    )
    pixels = np.column_stack([xs.reshape(-1), ys.reshape(-1)])
    true = lens.unproject(pixels)
    known = true[:, 2] > np.cos(np.radians(to_deg))
    ours = found.lens(min(found.limit_deg, 220)).unproject(pixels[known])
    return float(np.degrees(np.arccos(np.clip(np.sum(ours * true[known], axis=1), -1, 1)).max()))


@pytest.mark.parametrize("name", LENSES)
def test_a_lens_is_found_from_pictures_of_a_chessboard(name):
    lens = LENSES[name]
    views = seen_through(lens, CHESSBOARD, held_about(CHESSBOARD, lens, 14, seed=3))
    fit = fitted(views)
    assert fit.focal_px == pytest.approx(lens.focal_px, rel=0.002)
    assert fit.center_px == pytest.approx(lens.axis_px, abs=0.6)
    # How well it says to know them is honest.
    off = np.abs(np.subtract(fit.focal_px, lens.focal_px)) / fit.focal_sigma_px
    assert off.max() < 4
    assert fit.known_deg > 0.8 * np.degrees(lens.max_angle_rad)
    assert fit.rms_px < 0.15
    # Half a sigma of a pose in the field is 0.15 degrees.
    assert worst_sight_deg(fit, lens, fit.known_deg) < 0.1
    shown_deg = 2 * np.degrees(lens.max_angle_rad)
    assert seen_fov_deg(fit, views.brightest) == pytest.approx(shown_deg, abs=1.5)


def test_a_lens_is_found_from_a_grid_of_circles_through_a_fisheye():
    lens = LENSES["160"]
    poses = held_about(CIRCLES, lens, 12, seed=0, reach=0.8)
    fit = fitted(seen_through(lens, CIRCLES, poses))
    # The middle of a circle's picture is not the picture of its middle: that is allowed for.
    assert fit.focal_px == pytest.approx(lens.focal_px, rel=0.001)
    assert fit.rms_px < 0.05


@pytest.mark.parametrize("name", LENSES)
@pytest.mark.parametrize("seed", range(2))
def test_many_points_tell_a_lens_whatever_the_seed(name, seed):
    lens = full_size(LENSES[name])
    views = points_through(lens, CHESSBOARD, held_about(CHESSBOARD, lens, 16, seed), seed=seed)
    fit = fit_points(views, CHESSBOARD, lens)
    assert fit.focal_px == pytest.approx(lens.focal_px, rel=0.002)
    off = np.abs(np.subtract(fit.focal_px, lens.focal_px)) / fit.focal_sigma_px
    assert off.max() < 4
    assert fit.rms_px == pytest.approx(0.1 * 2**0.5, rel=0.15)


def test_a_perspective_lens_may_be_given_as_a_pinhole():
    lens = full_size(LENSES["pinhole 70"])
    views = points_through(lens, CHESSBOARD, held_about(CHESSBOARD, lens, 16, seed=1))
    fit = fit_points(views, CHESSBOARD, lens, model="pinhole")
    assert fit.focal_px == pytest.approx(lens.focal_px, rel=0.002)
    assert fit.k == (0, 0, 0, 0)
    assert isinstance(fit.lens(70.0), Pinhole)


@pytest.mark.apt("opencv-doc")
@pytest.mark.parametrize("side", ["left", "right"])
def test_real_pictures_are_explained_as_well_as_opencv_explains_them(side):
    require_packages("opencv-doc")
    views = BoardViews(parse_board("chessboard", "9x6", 0.025))
    for path in sorted(OPENCV_PICTURES.glob(f"{side}[01][0-9].jpg")):
        assert views.add(path.name, cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)) == ""
    fit = fitted(views)
    opinions = opencv_opinions(fit, views.board.points_m)
    assert [opinion.name for opinion in opinions] == [
        "cv2.calibrateCamera",
        "cv2.fisheye.calibrate",
    ]
    for opinion in opinions:
        assert fit.rms_px <= 1.05 * opinion.rms_px
        assert fit.focal_px == pytest.approx(opinion.focal_px, rel=0.005)


def test_boards_that_never_lean_tell_no_focal_length():
    lens = full_size(LENSES["pinhole 70"])
    facing = [held(0, 0, 0.4 + 0.1 * n, 0, 0, 10 * n, CHESSBOARD) for n in range(8)]
    with pytest.raises(CalibrationFailed, match=r"do not tell the focal length.*lean the board"):
        fit_points(points_through(lens, CHESSBOARD, facing), CHESSBOARD, lens, model="pinhole")


@pytest.mark.parametrize("model", ["kannala_brandt", "equidistant", "pinhole"])
def test_views_without_perspective_tell_no_focal_length(model):
    """Seen from so far away that near and far are the same: any lens would do."""
    rng = np.random.default_rng(4)
    flat = CHESSBOARD.points_m[:, :2] - CHESSBOARD.points_m[:, :2].mean(axis=0)
    ways = [rng.normal(0, 1, (2, 2)) for _ in range(8)]
    views = tuple(LensView(str(n), flat @ way * 800 + 320) for n, way in enumerate(ways))
    with pytest.raises(CalibrationFailed):
        fit_lens(views, CHESSBOARD, model=model, width_px=640, height_px=640)
    # Facing it, and enlarged: not even that.
    facing = tuple(LensView(str(n), flat * (500 + 200 * n) + 320) for n in range(8))
    with pytest.raises(CalibrationFailed):
        fit_lens(facing, CHESSBOARD, model=model, width_px=640, height_px=640)


def test_the_same_view_again_and_again_is_one_view():
    lens = LENSES["160"]
    pose = held_about(CHESSBOARD, lens, 1, seed=1)[0]
    with pytest.raises(CalibrationFailed, match=r"1 usable views, 6 are needed.*view-0 has it"):
        fit_points(points_through(lens, CHESSBOARD, [pose] * 12), CHESSBOARD, lens)


def test_a_view_that_disagrees_with_all_others_is_left_out_and_named():
    lens = LENSES["160"]
    views = list(points_through(lens, CHESSBOARD, held_about(CHESSBOARD, lens, 14, seed=2)))
    bent = views[4].corners_px + 6 * np.sin(views[4].corners_px / 25)
    views[4] = dataclasses.replace(views[4], corners_px=bent)
    # One corner alone may be wrong: its view still counts.
    views[7].corners_px[10] += 9
    fit = fit_points(tuple(views), CHESSBOARD, lens)
    assert fit.focal_px == pytest.approx(lens.focal_px, rel=0.002)
    (refused,) = fit.refused
    assert refused.name == "view-4"
    assert "px off the lens of the other views" in refused.reason
    assert int((~fit.views[6].is_used).sum()) == 1


def test_another_board_than_stated_is_not_made_into_a_lens():
    lens = LENSES["100"]
    views = points_through(lens, CHESSBOARD, held_about(CHESSBOARD, lens, 12, seed=2))
    shuffled = tuple(
        LensView(view.name, np.random.default_rng(1).permutation(view.corners_px)) for view in views
    )
    with pytest.raises(CalibrationFailed):
        fit_points(shuffled, CHESSBOARD, lens)


def test_pictures_without_a_sharp_board_are_refused_and_say_why():
    lens = LENSES["100"]
    pose = held_about(CHESSBOARD, lens, 1, seed=1)[0]
    rng = np.random.default_rng(1)
    views = BoardViews(CHESSBOARD)
    assert views.add("empty", np.full((480, 480), 90, np.uint8)) == "no whole board found"
    blurred = picture_of(CHESSBOARD, lens, pose, Look(2.5, 1.0), rng)
    assert views.add("blurred", blurred) == "blurred: edges are 6 px wide"
    far = held(5, 0, 3.0, 20, 0, 0, CHESSBOARD)
    far_reason = views.add("far", picture_of(CHESSBOARD, lens, far, Look(), rng))
    assert far_reason in ("no whole board found", "its squares are 5 px: hold the board nearer")
    assert BoardViews(CHESSBOARD).add("a line", np.zeros((3, 400), np.uint8))
    with pytest.raises(CalibrationFailed, match="different sizes, 480x480 and 100x80"):
        views.add("small", np.zeros((80, 100), np.uint8))
    with pytest.raises(CalibrationFailed, match="empty: no whole board found; blurred: blurred"):
        fitted(views)


def test_mirrored_pictures_give_the_mirrored_lens():
    lens = LENSES["185"]
    rng = np.random.default_rng(1)
    views = BoardViews(CHESSBOARD)
    for number, pose in enumerate(held_about(CHESSBOARD, lens, 9, seed=4)):
        views.add(str(number), cv2.flip(picture_of(CHESSBOARD, lens, pose, Look(), rng), 1))
    fit = fitted(views)
    assert fit.focal_px == pytest.approx(lens.focal_px, rel=0.002)
    assert fit.center_px[0] == pytest.approx(lens.width_px - 1 - lens.axis_px[0], abs=0.5)
