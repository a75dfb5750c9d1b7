"""The report of a calibration: whole or not there, readable anywhere, and its TOML is read back."""

import re
import resource
import threading
from xml.etree import ElementTree

import cv2
import msgspec
import numpy as np
import pytest
from board_views import Look, held, held_about, picture_of

from roeh.calibrate.lens.board import parse_board
from roeh.calibrate.lens.board_command import board_svg
from roeh.calibrate.lens.board_detection import find_board
from roeh.calibrate.lens.command import calibrated, from_sensor
from roeh.calibrate.lens.view_guide import ViewGuide
from roeh.calibrate.report import Figure, Report, Table, check_free, write_report
from roeh.calibrate.residual_drawing import draw_residuals
from roeh.cli import main
from roeh.core.clock import SimulatedClock
from roeh.core.config import FileSource, LensSection, SensorSection, parse_config
from roeh.core.errors import CalibrationFailed, OutputRefused
from roeh.optics.configured import lens_from
from roeh.optics.lens import KannalaBrandt
from tests.unit.source_conformance import write_clip

BOARD = parse_board("chessboard", "9x6", 0.03)
LENS = KannalaBrandt.from_fov(320, 320, 120, k=(-0.02, 0.004, -0.001, 0.0001))


class Found(msgspec.Struct, frozen=True):
    """A result as small as any."""

    focal_px: float


def a_report(**changes):
    report = Report(
        title="Lens of <north>",
        made="2026-01-31T18:30:00Z, 12 pictures.",
        verdict="good",
        summary=("Reprojection rms 0.1 px.",),
        figures=(Figure("residuals", "Arrows & dots.", np.zeros((40, 60, 3), np.uint8)),),
        tables=(Table("Views", ("picture", "rms"), (("<a>.png", "0.1 px"),)),),
        toml="[sensors.lens]\n",
        result=Found(focal_px=250.5),
    )
    return msgspec.structs.replace(report, **changes)


def boards_on_disk(directory, lens=LENS, count=10, seed=1):
    """Pictures of the board as a technician would have taken them."""
    rng = np.random.default_rng(seed)
    directory.mkdir()
    for number, pose in enumerate(held_about(BOARD, lens, count, seed)):
        picture = picture_of(BOARD, lens, pose, Look(0.6, 2.0), rng)
        cv2.imwrite(str(directory / f"{number:02}.png"), picture)
    return directory


def node_toml(lens_toml):
    return f"""
[node]
site = "yard"
name = "pole-1"

[[sensors]]
name = "north"

[sensors.source]
kind = "composed"

{lens_toml}"""


def test_a_report_is_one_page_with_everything_in_it(tmp_path):
    page = write_report(tmp_path / "report", a_report())
    text = page.read_text()
    assert "Lens of &lt;north&gt;" in text
    assert "&lt;a&gt;.png" in text
    sources = re.findall(r'\s(?:src|href)="([^"]+)"', text)
    assert len(sources) == 1
    assert sources[0].startswith("data:image/jpeg;base64,")
    assert "url(" not in text
    assert 'name="viewport"' in text
    names = {path.name for path in page.parent.iterdir()}
    assert names == {"report.html", "residuals.png", "node.toml", "result.json"}
    assert msgspec.json.decode((page.parent / "result.json").read_bytes(), type=Found)


def test_no_report_is_overwritten(tmp_path):
    out = tmp_path / "report"
    write_report(out, a_report())
    before = (out / "report.html").read_bytes()
    for refused in (lambda: check_free(out), lambda: write_report(out, a_report(title="another"))):
        with pytest.raises(OutputRefused, match="no report is overwritten"):
            refused()
    assert (out / "report.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_report_may_fill_an_empty_directory_but_no_file_or_link(tmp_path):
    empty, file, link = tmp_path / "empty", tmp_path / "file", tmp_path / "link"
    empty.mkdir()
    file.write_text("mine")
    link.symlink_to(empty)
    for taken in (file, link):
        for refused in (
            lambda to=taken: check_free(to),
            lambda to=taken: write_report(to, a_report()),
        ):
            with pytest.raises(OutputRefused):
                refused()
    assert file.read_text() == "mine"
    check_free(empty)
    assert write_report(empty, a_report()).exists()


def test_a_disk_that_ends_in_the_middle_leaves_nothing(tmp_path):
    noise = np.random.default_rng(1).integers(0, 255, (300, 300, 3), np.uint8)
    report = a_report(figures=(Figure("noise", "Noise.", noise),))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutputRefused, match="cannot be written"):
            write_report(tmp_path / "report", report)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputRefused, match="cannot be written"):
        write_report(tmp_path / "nowhere" / "report", report)


def test_arrows_are_drawn_with_a_bar_that_says_how_long_a_pixel_is():
    points = np.array([[100.0, 100.0], [200.0, 60.0], [300.0, 200.0]])
    residuals = np.array([[0.2, 0.0], [0.0, -0.2], [np.nan, np.nan]])
    plain = np.zeros((300, 400), np.uint8)
    drawn = draw_residuals(plain, points, residuals, is_used=np.array([True, True, False]))
    assert drawn.shape == (300, 400, 3)
    assert not plain.any()
    # The first arrow leads to the right of its point, the second upwards.
    assert drawn[100, 104].any()
    assert not drawn[100, 92].any()
    assert drawn[56, 200].any()
    assert drawn[-30:, :150].any()


def test_the_command_writes_a_lens_that_the_node_reads(tmp_path, capsys):
    pictures = boards_on_disk(tmp_path / "pictures")
    cv2.imwrite(str(pictures / "no-board.png"), np.full((320, 320), 80, np.uint8))
    (pictures / "torn.jpg").write_bytes(b"\xff\xd8 and no more")
    out = tmp_path / "out"
    arguments = ["calibrate", "lens", str(pictures), "--square", "0.03", "--out", str(out)]
    assert main([*arguments, "--json"]) == 0
    said = capsys.readouterr()
    assert "no-board.png: no whole board found" in said.err
    result = msgspec.json.decode(said.out)
    assert {refused["picture"] for refused in result["refused"]} == {"no-board.png", "torn.jpg"}
    section = parse_config(node_toml((out / "node.toml").read_text()), name="node.toml").sensors[0]
    lens = lens_from(section.lens)
    assert isinstance(lens, KannalaBrandt)
    assert lens.focal_px == pytest.approx(LENS.focal_px, rel=0.003)
    assert list(lens.focal_px) == result["lens"]["focal_px"]
    figures = {path.stem for path in out.glob("*.png")}
    assert figures == {"coverage", "residuals", "rms-by-view", "worst-view"}
    # A second time there is something already, and that is said before the work.
    assert main(arguments) == OutputRefused.exit_status
    assert "no report is overwritten" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "not clear where the views come from"),
        (["nowhere"], "no such file or directory"),
        (["empty"], "no pictures in the directory"),
        (["one.png"], "0 usable views, 6 are needed at least: one.png: no whole board found"),
        (["one.png", "--board", "chessboard", "9by6"], "no such board"),
        (["one.png", "--board", "dots", "9x6"], "write chessboard or circles"),
    ],
)
def test_what_tells_no_lens_is_refused_in_one_line(tmp_path, capsys, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    cv2.imwrite("one.png", np.full((320, 320), 80, np.uint8))
    status = main(["calibrate", "lens", *options, "--out", "out"])
    assert status == CalibrationFailed.exit_status
    (*_, line) = capsys.readouterr().err.splitlines()
    assert line.startswith("roeh: CALIBRATION_FAILED: ")
    assert said in line
    assert not (tmp_path / "out").exists()


def running_camera(directory, poses, lens=LENS):
    """A camera before which the board is held in each place for three pictures."""
    rng = np.random.default_rng(5)
    pictures = []
    for pose in poses:
        seen = picture_of(BOARD, lens, pose, Look(0.6, 1.0), rng)
        pictures += [cv2.cvtColor(seen, cv2.COLOR_GRAY2BGR)] * 3
    clip = write_clip(directory / "board.mp4", pictures)
    return SensorSection(
        name="north",
        source=FileSource(path=str(clip)),
        lens=LensSection(width_px=lens.width_px, height_px=lens.height_px, fov_deg=lens.fov_deg),
    )


def test_a_running_camera_takes_its_views_itself_and_ends_when_it_has_enough(tmp_path, capsys):
    sensor = running_camera(tmp_path, held_about(BOARD, LENS, 14, seed=2))
    seen = from_sensor(sensor, BOARD, 8, SimulatedClock(), threading.Event())
    said = capsys.readouterr().err
    assert "show chessboard 9x6, 30 mm to camera north; 8 views are wanted" in said
    assert len(seen.views.views) == 8
    assert "hold it still" in said
    assert "view-08 taken" in said
    assert "view-09" not in said
    assert re.search(r"next: the (upper|lower|left|right|top|bottom|middle)", said)
    report = calibrated(seen, "kannala_brandt", None, SimulatedClock())
    assert report.result.lens.focal_px == pytest.approx(LENS.focal_px, rel=0.005)
    assert "worst-view" in {figure.name for figure in report.figures}


def test_a_camera_that_sees_no_board_says_what_it_wants(tmp_path, capsys):
    far = held(0, 0, 30.0, 0, 0, 0, BOARD)
    sensor = running_camera(tmp_path, [far])
    with pytest.raises(CalibrationFailed, match="only 0 views were taken"):
        from_sensor(sensor, BOARD, 8, SimulatedClock(), threading.Event())
    assert "no whole board in sight: show it at the middle" in capsys.readouterr().err


def test_the_guide_wants_every_part_of_the_picture_and_boards_that_lean():
    guide = ViewGuide(BOARD, center_px=(159.5, 159.5), half_px=(160, 160), count=9)

    def offered(x, y, shape=1.0):
        return BOARD.points_m[:, :2] * [900, 900 * shape] + [x - 108, y - 68 * shape]

    first = offered(160, 160)
    assert guide.refusal(first) == "hold it still"
    assert guide.refusal(first) == ""
    guide.take(first)
    assert "that view is taken" in guide.refusal(first)
    for x, y, part in ((60, 60, "upper left"), (260, 160, "right"), (160, 290, "bottom")):
        here = offered(x, y)
        assert guide.part_of(here) == part
        assert guide.refusal(here) == "hold it still"
        assert guide.refusal(here) == ""
        guide.take(here)
    # Half of them may face the camera; the others are to lean.
    facing, leaning = offered(60, 260), offered(60, 260, shape=0.6)
    guide.refusal(facing)
    assert guide.refusal(facing).startswith("lean it more")
    guide.refusal(leaning)
    assert guide.refusal(leaning) == ""
    assert guide.missing not in ("middle", "upper left", "right", "bottom")
    assert not guide.is_complete


@pytest.mark.parametrize(
    ("kind", "grid", "marks"), [("chessboard", "9x6", 35), ("circles", "4x11", 44)]
)
def test_a_board_is_drawn_in_its_true_size(tmp_path, capsys, kind, grid, marks):
    out = tmp_path / "board.svg"
    arguments = ["calibrate", "board", "--board", kind, grid, "--square", "0.02", "--out", str(out)]
    assert main(arguments) == 0
    drawing = ElementTree.parse(out).getroot()
    inside = "{http://www.w3.org/2000/svg}"
    shapes = drawing.findall(f"{inside}rect")[1:] or drawing.findall(f"{inside}circle")
    assert len(shapes) == marks
    assert drawing.get("width").endswith("mm")
    # One unit of the drawing is a millimetre.
    assert drawing.get("viewBox").split()[2] + "mm" == drawing.get("width")
    assert float(shapes[0].get("width") or shapes[0].get("r")) in (20, 10)
    assert main(arguments) == OutputRefused.exit_status
    assert "OUTPUT_REFUSED" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("square_m", "sheet", "size_mm"),
    [("0.025", "A4", (297, 210)), ("0.036", "A3", (420, 297)), ("0.05", "paper of", (650, 512))],
)
def test_a_board_fits_the_sheet_that_the_page_names(tmp_path, capsys, square_m, sheet, size_mm):
    out = tmp_path / "board.svg"
    assert main(["calibrate", "board", "--square", square_m, "--out", str(out)]) == 0
    assert f"on {sheet}" in capsys.readouterr().out
    drawing = ElementTree.parse(out).getroot()
    wide, high = (float(side) for side in drawing.get("viewBox").split()[2:])
    assert (wide, high) == size_mm
    side = 1000 * float(square_m)
    for square in drawing.findall("{http://www.w3.org/2000/svg}rect")[1:]:
        # White all round, and nothing where ruler and words are.
        assert 0.4 * side <= float(square.get("x")) <= wide - 1.4 * side
        assert 0.4 * side <= float(square.get("y")) <= high - 12 - 1.4 * side


def test_the_board_that_is_printed_is_the_board_that_is_found(tmp_path):
    """Drawn by its own rectangles, as a printer would, and seen by the detector."""
    scale, drawing = 6.0, ElementTree.fromstring(board_svg(BOARD))
    wide, high = (float(side) for side in drawing.get("viewBox").split()[2:])
    paper = np.full((round(high * scale), round(wide * scale)), 255, np.uint8)
    squares = drawing.findall("{http://www.w3.org/2000/svg}rect")[1:]
    first = (float(squares[0].get("x")) + 30, float(squares[0].get("y")) + 30)
    points = BOARD.points_m[:, :2] * 1000 + first
    for rect in squares:
        x, y, side = (round(float(rect.get(name)) * scale) for name in ("x", "y", "width"))
        paper[y : y + side, x : x + side] = 0
    small = cv2.resize(paper, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    found = find_board(small, BOARD).corners_px
    expected = points * scale / 4 - 0.5
    nearest = min(np.abs(found - way).max() for way in (expected, expected[::-1]))
    assert nearest < 0.2
