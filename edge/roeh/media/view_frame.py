"""What stands round a view: bearings along its strips, and lines of words beneath.

Beside the pixels of the view, never on them: nothing is covered, and no mask drawn over.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from roeh.core.views import Layout, ViewChoice
from roeh.media.frames import UInt8Image
from roeh.media.lettering import WHITE, Color, text_size, trace, write
from roeh.media.overlay import bearing_name, letter_px_of
from roeh.optics.projection import Cylindrical
from roeh.optics.rig import angles_of, directions_of, wrap_deg
from roeh.optics.view_layout import View
from roeh.optics.view_pane import Pane

_GROUND: Color = (40, 34, 28)
_TICK: Color = (200, 200, 200)
_NORTH: Color = (120, 150, 255)
_BIG_STEP_DEG, _SMALL_STEP_DEG = 45, 15
_LAYOUT_WORDS: dict[Layout, str] = {
    "picture": "camera's picture",
    "panorama": "panorama 360\N{DEGREE SIGN}",
    "double_panorama": "panorama 2 x 180\N{DEGREE SIGN}",
    "quad": "four views",
    "ptz": "view",
}


def words_of(choice: ViewChoice) -> str:
    """What a view is, for its frame: `view 124°`."""
    words = _LAYOUT_WORDS[choice.layout]
    if choice.layout != "ptz":
        return words
    return f"{words} {round(choice.bearing_deg) % 360}\N{DEGREE SIGN}"


def framed(
    view: View, picture: UInt8Image, lines: Sequence[str], *, letter_px: float | None = None
) -> UInt8Image:
    """The picture with rulers of bearings above and below it, and lines of words beneath.

    Args:
        view: whose picture it is.
        picture: of the view.
        lines: ASCII and signs of degrees; cut where they are too long.
        letter_px: height of a capital; default by the view's height.
    """
    letter = letter_px or letter_px_of(view)
    parts = [picture]
    strips = [pane for pane in view.panes if isinstance(pane.projection, Cylindrical)]
    if strips:
        parts.insert(0, _ruler(view, strips[0], letter, is_above=True))
    if len(strips) > 1:
        parts.append(_ruler(view, strips[-1], letter, is_above=False))
    width_px = picture.shape[1]
    for line in lines:
        band = _band(width_px, round(letter * 1.9))
        write(band, _cut(line, letter, width_px - 8), (4.0, letter * 1.45), letter)
        parts.append(band)
    return np.concatenate(parts)


def _ruler(view: View, pane: Pane, letter: float, *, is_above: bool) -> UInt8Image:
    """Bearings along a strip: a tick every 15 degrees, words every 45."""
    tick_px = max(3.0, letter * 0.5)
    band = _band(view.size.width_px, round(letter * 1.5 + tick_px))
    height_px = band.shape[0]
    edge, inward = (height_px - 1.0, -1.0) if is_above else (0.0, 1.0)
    base_px = letter * 1.2 if is_above else height_px - letter * 0.3
    for bearing in range(0, 360, _SMALL_STEP_DEG):
        is_big = bearing % _BIG_STEP_DEG == 0
        for x in _columns(view, pane, bearing):
            reach = tick_px * (1.0 if is_big else 0.5)
            line = np.asarray([(x, edge), (x, edge + inward * reach)])
            trace(band, line, _TICK, edge="none")
            if is_big:
                words = bearing_name(bearing)
                if letter * 90 < pane.size.width_px:
                    words += f" {bearing}\N{DEGREE SIGN}"
                half = text_size(words, letter)[0] / 2
                left = min(max(x - half, 0.0), view.size.width_px - 2 * half)
                write(band, words, (left, base_px), letter, WHITE if bearing else _NORTH)
    return band


def _columns(view: View, pane: Pane, bearing_deg: float) -> list[float]:
    """Where a strip shows a bearing; both of its edges where they are the same one."""
    azimuth = wrap_deg(view.rig.azimuth_of(bearing_deg))
    middle = np.asarray([[0.0, (pane.size.height_px - 1) / 2]])
    _, elevation = angles_of(pane.projection.pole_directions(middle))
    x = float(pane.points_of(directions_of(np.asarray([azimuth]), elevation))[0, 0])
    period_px = pane.period_px or np.inf
    right = pane.size.width_px - 0.5
    return [
        min(max(at, 0.0), right) for at in (x - period_px, x, x + period_px) if -0.6 <= at <= right
    ]


def _band(width_px: int, height_px: int) -> UInt8Image:
    return np.full((height_px, width_px, 3), _GROUND, np.uint8)


def _cut(line: str, letter: float, width_px: int) -> str:
    while line and text_size(line, letter)[0] > width_px:
        line = line[:-1]
    return line
