"""The report of a lens: what a technician looks at, and what goes into node.toml."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import msgspec
import numpy as np

from roeh.calibrate.lens.board import Board
from roeh.calibrate.lens.lens_fit import FittedView, LensFit
from roeh.calibrate.lens.opencv_reference import Opinion
from roeh.calibrate.report import Figure, Report, Table, Verdict
from roeh.calibrate.residual_drawing import (
    POINT,
    backdrop_of,
    draw_bars,
    draw_residuals,
    write_text,
)
from roeh.core.config import LensSection
from roeh.core.config.write import toml_value
from roeh.media.frames import UInt8Image

#: What a good calibration keeps; beyond, the report says so and why it matters.
GOOD_RMS_PX = 0.6
GOOD_FOCAL_SIGMA = 0.002
GOOD_VIEWS = 12
#: The board has to come this near to what the lens shows; nearer cannot be held.
GOOD_UNKNOWN_DEG = 12.0
GOOD_LEAN_DEG = 25.0
_RING_DEG = 20
_RING: tuple[int, int, int] = (150, 220, 150)
_ROUND = 3
_K_ROUND = 7


class ViewOfLens(msgspec.Struct, frozen=True):
    """One view in result.json."""

    picture: str
    rms_px: float
    lean_deg: float
    corners: int
    corners_left_out: int


class RefusedPicture(msgspec.Struct, frozen=True):
    """A picture in result.json that was not used."""

    picture: str
    reason: str


class OpencvResult(msgspec.Struct, frozen=True):
    """What OpenCV makes of the same corners; None where it gives up."""

    function: str
    rms_px: float | None
    focal_px: tuple[float, float] | None


class LensResult(msgspec.Struct, frozen=True, kw_only=True):
    """result.json of `roeh calibrate lens`; sigmas are one standard deviation."""

    board: str
    lens: LensSection
    focal_sigma_px: tuple[float, float]
    center_sigma_px: tuple[float, float]
    k_sigma: tuple[float, float, float, float]
    rms_px: float
    known_to_deg: float
    views: tuple[ViewOfLens, ...]
    refused: tuple[RefusedPicture, ...]
    opencv: tuple[OpencvResult, ...]


def section_of(fit: LensFit, fov_deg: float) -> LensSection:
    """The lens as node.toml has it."""
    fx, fy = fit.focal_px
    cx, cy = fit.center_px
    k1, k2, k3, k4 = (round(value, _K_ROUND) for value in fit.k)
    return LensSection(
        model=fit.model,
        width_px=fit.width_px,
        height_px=fit.height_px,
        fov_deg=fov_deg,
        center_px=(round(cx, _ROUND), round(cy, _ROUND)),
        focal_px=(round(fx, _ROUND), round(fy, _ROUND)),
        k=(k1, k2, k3, k4),
    )


def toml_of(section: LensSection) -> str:
    """The table to copy into a sensor of node.toml."""
    lines = [
        "[sensors.lens]",
        f'model = "{section.model}"',
        f"width_px = {section.width_px}",
        f"height_px = {section.height_px}",
        f"fov_deg = {toml_value(section.fov_deg)}",
        f"center_px = {toml_value(section.center_px)}",
        f"focal_px = {toml_value(section.focal_px)}",
    ]
    if any(section.k):
        lines.append(f"k = {toml_value(section.k)}")
    return "\n".join(lines) + "\n"


def lens_report(
    fit: LensFit,
    *,
    board: Board,
    fov_deg: float,
    opinions: tuple[Opinion, ...],
    brightest: UInt8Image,
    picture_of: Callable[[str], UInt8Image | None],
    title: str,
    made: str,
) -> Report:
    """The whole report.

    Args:
        fit: the lens.
        board: what was held.
        fov_deg: full angle that the lens shows.
        opinions: OpenCV's.
        brightest: the lightest each pixel was in any view, (height, width).
        picture_of: a view's picture by its name; None where it is gone.
        title: of the page.
        made: when, and from what.
    """
    section = section_of(fit, fov_deg)
    doubts = _doubts(fit, fov_deg)
    verdict: Verdict = "doubtful" if doubts else "good"
    return Report(
        title=title,
        made=made,
        verdict=verdict,
        summary=(*doubts, *_facts(fit, fov_deg, opinions)),
        figures=_figures(fit, fov_deg, brightest, picture_of),
        tables=_tables(fit, opinions),
        toml=toml_of(section),
        result=_result(fit, section, board, opinions),
    )


def _doubts(fit: LensFit, fov_deg: float) -> tuple[str, ...]:
    doubts = []
    if fit.rms_px > GOOD_RMS_PX:
        doubts.append(
            f"Corners are {fit.rms_px:.2f} px off (rms); up to {GOOD_RMS_PX} is good. Is the board "
            "flat and stiff, the picture sharp, the model right?"
        )
    if _focal_share(fit) > GOOD_FOCAL_SIGMA:
        doubts.append(
            f"The focal length is known to {100 * _focal_share(fit):.2f} %; up to "
            f"{100 * GOOD_FOCAL_SIGMA:.1f} % is good. Take more views, leaning more."
        )
    unknown_deg = fov_deg / 2 - fit.known_deg
    if fit.model != "pinhole" and unknown_deg > GOOD_UNKNOWN_DEG:
        doubts.append(
            f"The board was seen to {fit.known_deg:.0f} degrees off the axis, but the lens shows "
            f"{fov_deg / 2:.0f}. What lies farther out is guessed: hold the board nearer the rim."
        )
    if len(fit.views) < GOOD_VIEWS:
        doubts.append(f"Only {len(fit.views)} views were used; {GOOD_VIEWS} or more are good.")
    if fit.leans_deg[1] < GOOD_LEAN_DEG:
        doubts.append(
            f"The board never leaned by more than {fit.leans_deg[1]:.0f} degrees; "
            "lean it by 30 to 45."
        )
    return tuple(doubts)


def _facts(fit: LensFit, fov_deg: float, opinions: tuple[Opinion, ...]) -> tuple[str, ...]:
    beside = ", ".join(
        f"{opinion.name} {'gives up' if opinion.rms_px is None else f'{opinion.rms_px:.3f} px'}"
        for opinion in opinions
    )
    refused = f", {len(fit.refused)} pictures refused" if fit.refused else ""
    return (
        f"Reprojection rms {fit.rms_px:.3f} px over {len(fit.views)} views{refused}. "
        f"OpenCV on the same corners: {beside}.",
        f"Focal length {fit.focal_px[0]:.2f} x {fit.focal_px[1]:.2f} px, "
        f"1 sigma {100 * _focal_share(fit):.3f} %.",
        f"Field of view {fov_deg:.1f} degrees; the board was seen to {fit.known_deg:.0f} degrees "
        "off the axis.",
    )


def _figures(
    fit: LensFit,
    fov_deg: float,
    brightest: UInt8Image,
    picture_of: Callable[[str], UInt8Image | None],
) -> tuple[Figure, ...]:
    corners = np.concatenate([view.corners_px for view in fit.views])
    residuals = np.concatenate([view.residuals_px for view in fit.views])
    used = np.concatenate([view.is_used for view in fit.views])
    figures = [
        Figure(
            "coverage",
            "Where corners were seen. Good: dots everywhere the lens shows anything, to the rim. "
            "Rings: degrees off the axis; the cross is the axis.",
            _draw_coverage(fit, fov_deg, brightest),
        ),
        Figure(
            "residuals",
            "How far each corner was found from where the lens says it is, enlarged. Good: short "
            "arrows in all directions. Arrows that all turn or point outwards in one place: the "
            "lens is not right there. Red: left out.",
            draw_residuals(brightest, corners, residuals, is_used=used),
        ),
        Figure(
            "rms-by-view",
            "How well each view agrees. Good: bars of about the same length.",
            draw_bars([view.rms_px for view in fit.views], [view.name for view in fit.views], "px"),
        ),
    ]
    worst = max(fit.views, key=lambda view: view.rms_px)
    picture = picture_of(worst.name)
    if picture is not None:
        figures.append(
            Figure(
                "worst-view",
                f"The view that agrees least, {worst.name}: {worst.rms_px:.2f} px rms.",
                _draw_view(picture, worst),
            )
        )
    return tuple(figures)


def _draw_view(picture: UInt8Image, view: FittedView) -> UInt8Image:
    """One view with its arrows."""
    return draw_residuals(picture, view.corners_px, view.residuals_px, is_used=view.is_used)


def _draw_coverage(fit: LensFit, fov_deg: float, brightest: UInt8Image) -> UInt8Image:
    canvas = backdrop_of(brightest)
    unit = max(1, round(max(canvas.shape[:2]) / 500))
    lens = fit.lens(fov_deg)
    turn = np.linspace(0, 2 * math.pi, 181)
    rings = [float(angle) for angle in range(_RING_DEG, math.floor(fov_deg / 2) + 1, _RING_DEG)]
    for angle_deg in rings:
        sine, cosine = math.sin(math.radians(angle_deg)), math.cos(math.radians(angle_deg))
        way = np.column_stack([sine * np.cos(turn), sine * np.sin(turn), np.full(181, cosine)])
        ring = lens.project(way, beyond=True)
        if np.isnan(ring).any():
            continue
        cv2.polylines(canvas, [ring.round().astype(np.int32)], True, _RING, unit, cv2.LINE_AA)
        x, y = ring[135].round().astype(int).tolist()
        if 0 <= x < fit.width_px and 0 <= y < fit.height_px:
            write_text(canvas, f"{angle_deg:.0f}", (x, y))
    for view in fit.views:
        for x, y in view.corners_px.round().astype(int).tolist():
            cv2.circle(canvas, (x, y), round(1.6 * unit), POINT, -1, cv2.LINE_AA)
    x, y = (round(value) for value in fit.center_px)
    cv2.drawMarker(canvas, (x, y), (255, 255, 255), cv2.MARKER_CROSS, 12 * unit, unit, cv2.LINE_AA)
    return canvas


def _tables(fit: LensFit, opinions: tuple[Opinion, ...]) -> tuple[Table, ...]:
    values = Table(
        "The lens",
        ("key", "value", "1 sigma"),
        (
            ("focal_px", _pair(fit.focal_px, 3), _pair(fit.focal_sigma_px, 3)),
            ("center_px", _pair(fit.center_px, 3), _pair(fit.center_sigma_px, 3)),
            *(
                (f"k{place}", f"{value:.6f}", f"{sigma:.6f}")
                for place, (value, sigma) in enumerate(zip(fit.k, fit.k_sigma, strict=True), 1)
                if any(fit.k)
            ),
        ),
    )
    compared = Table(
        "Beside OpenCV, on the same corners",
        ("by", "rms", "focal length"),
        (
            ("Roeh", f"{fit.rms_px:.4f} px", f"{_pair(fit.focal_px, 2)} px"),
            *(
                (opinion.name, "gives up", "")
                if opinion.rms_px is None or opinion.focal_px is None
                else (
                    opinion.name, f"{opinion.rms_px:.4f} px", f"{_pair(opinion.focal_px, 2)} px"
                )
                for opinion in opinions
            ),
        ),
    )  # fmt: skip
    views = Table(
        "Views",
        ("picture", "rms", "board leans", "corners used"),
        tuple(
            (
                view.name,
                f"{view.rms_px:.3f} px",
                f"{view.lean_deg:.0f} degrees",
                f"{int(view.is_used.sum())} of {len(view.is_used)}",
            )
            for view in fit.views
        ),
    )
    if not fit.refused:
        return values, compared, views
    refused = Table(
        "Pictures refused",
        ("picture", "why"),
        tuple((view.name, view.reason) for view in fit.refused),
    )
    return values, compared, views, refused


def _result(
    fit: LensFit, section: LensSection, board: Board, opinions: tuple[Opinion, ...]
) -> LensResult:
    return LensResult(
        board=str(board),
        lens=section,
        focal_sigma_px=fit.focal_sigma_px,
        center_sigma_px=fit.center_sigma_px,
        k_sigma=fit.k_sigma,
        rms_px=fit.rms_px,
        known_to_deg=fit.known_deg,
        views=tuple(
            ViewOfLens(
                view.name,
                view.rms_px,
                view.lean_deg,
                len(view.is_used),
                int((~view.is_used).sum()),
            )
            for view in fit.views
        ),
        refused=tuple(RefusedPicture(view.name, view.reason) for view in fit.refused),
        opencv=tuple(
            OpencvResult(opinion.name, opinion.rms_px, opinion.focal_px) for opinion in opinions
        ),
    )


def _focal_share(fit: LensFit) -> float:
    return max(float(share) for share in np.divide(fit.focal_sigma_px, fit.focal_px))


def _pair(values: tuple[float, float], digits: int) -> str:
    return f"{values[0]:.{digits}f}, {values[1]:.{digits}f}"
