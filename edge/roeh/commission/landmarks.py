"""Landmarks whose bearing somebody knows: drawn where the pole believes that they are.

Nobody's eye judges a figure; whether a line goes through the clock tower, everybody sees.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

import msgspec
import numpy as np

from roeh.media.frames import UInt8Image
from roeh.media.lettering import Color, text_size, trace, write
from roeh.optics.rig import directions_of, wrap_deg
from roeh.optics.view_layout import View

_LINE: Color = (60, 60, 255)
#: From the ground beside the pole to above what cameras see.
_FROM_DEG, _TO_DEG, _POINTS = -60.0, 30.0, 91
_MAX_NAME_CHARS = 40


class Landmark(msgspec.Struct, frozen=True):
    """Something that is seen from the pole, and its true bearing from the pole."""

    name: str
    bearing_deg: float


class LandmarkAction(argparse.Action):
    """`--landmark NAME DEG`, any number of times."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        """Parse one and add it."""
        assert values is not None
        name, bearing = (str(value) for value in values)
        try:
            bearing_deg = float(bearing)
        except ValueError:
            bearing_deg = math.nan
        if not 0 <= bearing_deg <= 360:
            parser.error(f"{option_string}: {bearing!r} is no bearing from 0 to 360 degrees")
        if not 0 < len(name.strip()) <= _MAX_NAME_CHARS or not name.isprintable():
            parser.error(f"{option_string}: give a name of 1 to {_MAX_NAME_CHARS} characters")
        given: list[Landmark] = list(getattr(namespace, self.dest) or [])
        setattr(namespace, self.dest, [*given, Landmark(name.strip(), bearing_deg)])


def draw_landmarks(
    view: View, picture: UInt8Image, landmarks: Sequence[Landmark], *, first_number: int = 1
) -> None:
    """A line upwards at each one's bearing, numbered as in the report, in place."""
    elevations = np.linspace(_FROM_DEG, _TO_DEG, _POINTS)
    for number, landmark in enumerate(landmarks, start=first_number):
        azimuth = wrap_deg(view.rig.azimuth_of(landmark.bearing_deg))
        directions = directions_of(np.full(_POINTS, azimuth), elevations)
        for pane in view.panes:
            points = pane.points_of(directions)
            inside = pane.contains(points)
            if not inside.any():
                continue
            shown = points[inside] + np.asarray([pane.left_px, pane.top_px])
            trace(picture, shown, _LINE, thick_px=2)
            letter_px = max(9.0, pane.size.height_px * 0.035)
            words = f"{number}: {landmark.bearing_deg:g}\N{DEGREE SIGN}"
            width_px, height_px = text_size(words, letter_px)
            x, y = shown[np.argmin(shown[:, 1])]
            left = min(max(x + 4, 0.0), picture.shape[1] - width_px)
            write(picture, words, (left, max(y, 0.0) + height_px + 2), letter_px, _LINE)
