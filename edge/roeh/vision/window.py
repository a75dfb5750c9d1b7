"""A window of an ordinary picture as a tile: for small things in large pictures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from roeh.core.types import Size
from roeh.optics.remap import Mask, Picture
from roeh.optics.rig import Nadir, Sensor
from roeh.optics.tiles import check_picture

Array = npt.NDArray[np.float64]


class Window(msgspec.Struct, frozen=True):
    """Part of a picture in whole pixels, right and lower edge not included."""

    x0_px: int
    y0_px: int
    x1_px: int
    y1_px: int


def windows_over(sensor: Sensor, share: float) -> tuple[Window, ...]:
    """Four windows in the corners of the picture, which overlap in its middle.

    Args:
        sensor: whose picture.
        share: of its width and height that each window takes, at least a half.
    """
    lens = sensor.lens
    width_px, height_px = (max(1, round(share * n)) for n in (lens.width_px, lens.height_px))
    return tuple(
        Window(left, top, left + width_px, top + height_px)
        for top in (0, lens.height_px - height_px)
        for left in (0, lens.width_px - width_px)
    )


@dataclass(frozen=True, slots=True)
class PictureWindow:
    """A window at a uniform scale in the upper left of a tile, black beside it.

    See `roeh.optics.tiles.Tile` for what its methods promise.
    """

    name: str
    sensor: Sensor
    width_px: int
    height_px: int
    window: Window
    drawn: Size

    @classmethod
    def of(cls, sensor: Sensor, window: Window, size: Size) -> PictureWindow:
        """The window, as large as fits a tile of that size."""
        width_px, height_px = window.x1_px - window.x0_px, window.y1_px - window.y0_px
        scale = min(size.width_px / width_px, size.height_px / height_px)
        drawn = Size(max(1, round(width_px * scale)), max(1, round(height_px * scale)))
        name = f"{sensor.name}/{window.x0_px},{window.y0_px}"
        return cls(name, sensor, size.width_px, size.height_px, window, drawn)

    @property
    def nadir(self) -> Nadir | None:
        """Where the world's verticals meet, if the lens keeps them straight."""
        nadir = self.sensor.nadir
        scale = self._scale()
        return nadir and nadir.in_part(scale, (0.5 - self._corner()) * scale - 0.5)

    def render(self, picture: Picture, out: Picture | None = None) -> Picture:
        """The tile (height, width, 3) from the sensor's picture."""
        check_picture(picture, self.sensor)
        if out is None:
            out = np.empty((self.height_px, self.width_px, 3), np.uint8)
        out[:] = 0
        width_px, height_px = self.drawn.width_px, self.drawn.height_px
        how = cv2.INTER_AREA if self._scale().max() < 1 else cv2.INTER_LINEAR
        out[:height_px, :width_px] = cv2.resize(
            self._shown(picture), (width_px, height_px), interpolation=how
        )
        return out

    def render_mask(self, mask: Mask) -> Mask:
        """The sensor's mask in the tile."""
        check_picture(mask, self.sensor)
        blended = np.zeros((self.height_px, self.width_px), np.uint8)
        width_px, height_px = self.drawn.width_px, self.drawn.height_px
        blended[:height_px, :width_px] = cv2.resize(
            self._shown(mask.astype(np.uint8) * np.uint8(255)), (width_px, height_px)
        )
        masked: Mask = blended > 0
        return masked

    def to_source_px(self, points: Array) -> Array:
        """Points (n, 2) of the tile to pixels of the sensor, over its edges as well."""
        pixels: Array = (np.asarray(points) + 0.5) / self._scale() - 0.5 + self._corner()
        return pixels

    def from_source_px(self, pixels: Array) -> Array:
        """Pixels (n, 2) of the sensor to points of the tile."""
        points: Array = (np.asarray(pixels) - self._corner() + 0.5) * self._scale() - 0.5
        return points

    def pole_directions(self, points: Array) -> Array:
        """Points (n, 2) of the tile to unit directions (n, 3) in the pole frame."""
        return self.sensor.pole_directions(self.to_source_px(points))

    def pixels_of(self, pole_directions: Array, *, beyond: bool = False) -> Array:
        """Directions (n, 3) in the pole frame to points (n, 2) of the tile."""
        points = self.from_source_px(self.sensor.pixels_of(pole_directions, beyond=beyond))
        return points if beyond else np.where(self.contains(points)[:, None], points, np.nan)

    def contains(self, points: Array) -> npt.NDArray[np.bool_]:
        """Whether points (n, 2) lie in the window."""
        size_px = np.asarray([self.drawn.width_px, self.drawn.height_px])
        inside: npt.NDArray[np.bool_] = np.all(
            (np.asarray(points) >= -0.5) & (np.asarray(points) <= size_px - 0.5), axis=1
        )
        return inside

    def _shown(self, picture: Picture) -> Picture:
        window = self.window
        return picture[window.y0_px : window.y1_px, window.x0_px : window.x1_px]

    def _scale(self) -> Array:
        # Per axis, because what is drawn has a whole number of pixels.
        window = self.window
        size_px = np.asarray([window.x1_px - window.x0_px, window.y1_px - window.y0_px])
        scale: Array = np.asarray([self.drawn.width_px, self.drawn.height_px]) / size_px
        return scale

    def _corner(self) -> Array:
        return np.asarray([self.window.x0_px, self.window.y0_px], np.float64)
