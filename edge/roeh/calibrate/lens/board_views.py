"""The views of a board: found in pictures one by one, with why the others were refused."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from roeh.calibrate.lens.board import Board
from roeh.calibrate.lens.board_detection import LEAST_SPACING_PX, find_board
from roeh.calibrate.lens.lens_fit import LensView, RefusedView
from roeh.core.errors import CalibrationFailed
from roeh.media.frames import UInt8Image

#: From black to white, a tenth to nine tenths about; a sharp picture has 3. Of small
#: squares less, because their corners run into each other.
_MOST_EDGE_PX, _MOST_EDGE_OF_SQUARE = 8.0, 0.5
_SHARP_EDGE_PX = 4.5
_LEAST_SIDE_PX = 32


@dataclass(slots=True)
class BoardViews:
    """Views as they come.

    Attributes:
        board: what is held.
        views: pictures in which it was found.
        refused: those in which it was not, or not well.
        brightest: the lightest each pixel was in any picture (height, width): what the
            lens sees at all, and what shows where.
        size_px: (width, height) of all pictures.
    """

    board: Board
    views: list[LensView] = field(default_factory=list)
    refused: list[RefusedView] = field(default_factory=list)
    brightest: UInt8Image | None = None
    size_px: tuple[int, int] = (0, 0)

    def add(self, name: str, gray: UInt8Image) -> str:
        """Look at a picture (height, width); empty, or why it was refused.

        Raises:
            CalibrationFailed: it has another size than those before.
        """
        height_px, width_px = gray.shape
        if self.brightest is None:
            self.size_px, self.brightest = (width_px, height_px), gray.copy()
        if (width_px, height_px) != self.size_px:
            raise CalibrationFailed(
                what=f"pictures of different sizes, {self.size_px[0]}x{self.size_px[1]} "
                f"and {width_px}x{height_px}",
                which=name,
                remedy="use pictures of one camera in one size, neither cropped nor turned",
            )
        np.maximum(self.brightest, gray, out=self.brightest)
        # OpenCV's finders have no answer for a picture that is hardly one.
        is_picture = min(gray.shape) >= _LEAST_SIDE_PX
        sighting = find_board(gray, self.board) if is_picture else None
        if sighting is None:
            reason = "no whole board found"
        elif sighting.spacing_px < LEAST_SPACING_PX:
            reason = f"its squares are {sighting.spacing_px:.0f} px: hold the board nearer"
        elif sighting.edge_px > most_edge_px(sighting.spacing_px):
            reason = f"blurred: edges are {sighting.edge_px:.0f} px wide"
        else:
            self.views.append(LensView(name, sighting.corners_px))
            return ""
        self.refuse(name, reason)
        return reason

    def refuse(self, name: str, reason: str) -> None:
        """Note that a picture was not used."""
        self.refused.append(RefusedView(name, reason))


def most_edge_px(spacing_px: float) -> float:
    """How wide an edge may be where squares are that large."""
    return max(_SHARP_EDGE_PX, min(_MOST_EDGE_PX, _MOST_EDGE_OF_SQUARE * spacing_px))
