"""A view of the recording: masked, bent upright, and words beneath that say what it is."""

from __future__ import annotations

import cv2
import numpy as np

from roeh.core.errors import LensError
from roeh.core.moments import utc_text
from roeh.core.rendering import Dewarp, Masks
from roeh.core.types import Size
from roeh.core.views import HEIGHT_SHARES, Layout
from roeh.media.decode import DecodedPicture, PictureFormat
from roeh.media.encode import i420_shape
from roeh.media.frames import UInt8Image
from roeh.media.view_frame import framed, words_of
from roeh.media.views import draw_view
from roeh.optics.configured import lens_from
from roeh.optics.rig import Pose, Rig, Sensor
from roeh.optics.view_layout import View, view_of
from roeh.render.obscure import drawn_mask

#: Of a preview: enough to recognise, little enough to make ten a second of.
_PREVIEW_WIDTHS_PX: dict[Layout, int] = {
    "panorama": 1280, "double_panorama": 640, "quad": 640, "ptz": 640,
}  # fmt: skip
#: Nothing on the ground is drawn: any height will do.
_HEIGHT_M = 1.0
_LETTER_PX = 9.0


class Dewarper:
    """Draws one view of one camera's pictures.

    Args:
        order: which view.
        masks: of the camera.
        recorded: size of its pictures as recorded.
        width_px: of the view.

    Raises:
        LensError: the recording has another shape than the lens.
    """

    def __init__(self, order: Dewarp, masks: Masks | None, recorded: Size, width_px: int) -> None:
        pose = Pose(order.azimuth_deg, order.tilt_deg, order.roll_deg, _HEIGHT_M)
        sensor = Sensor(order.camera_id, lens_from(order.lens), pose)
        sensor = sensor.scaled_to(recorded.width_px, recorded.height_px)
        height_px = round(width_px * HEIGHT_SHARES[order.choice.layout])
        rig = Rig((sensor,), order.heading_deg, 0.0)
        self._order = order
        self._view: View = view_of(rig, (sensor,), order.choice, Size(width_px, height_px))
        # As small as the view needs it: the decoder's scaling is cheaper than ours.
        lens = self._view.sensors[0].lens
        source = Size(lens.width_px, lens.height_px)
        self._layout = PictureFormat(source, "bgr24")
        self._pixels = np.empty(self._layout.shape(), np.uint8)
        self._mask = drawn_mask(masks, source)

    @classmethod
    def of(
        cls,
        order: Dewarp | None,
        masks: Masks | None,
        recorded: Size,
        width_px: int | None = None,
    ) -> Dewarper | None:
        """What draws the view, by default at a preview's size; None: it cannot be drawn.

        What was recorded before the camera was changed may have another shape than the lens
        of today; it is shown as it is.
        """
        if order is None:
            return None
        try:
            return cls(order, masks, recorded, width_px or _PREVIEW_WIDTHS_PX[order.choice.layout])
        except LensError:
            return None

    def draw(self, picture: DecodedPicture, t_utc_us: int) -> UInt8Image:
        """The view with its words, (height, width, 3) blue green red, sides even."""
        picture.write_into(self._pixels, self._layout)
        name = self._order.camera_id
        drawn = draw_view(self._view, {name: self._pixels}, {name: self._mask})
        lines = [f"{name}  {utc_text(t_utc_us)}  {words_of(self._order.choice)}"]
        if self._order.words:
            lines.append(self._order.words)
        whole = framed(self._view, drawn.picture, lines, letter_px=_LETTER_PX)
        height_px, width_px = whole.shape[:2]
        return whole[: height_px // 2 * 2, : width_px // 2 * 2]


def as_i420(picture_bgr: UInt8Image) -> UInt8Image:
    """The picture as an encoder takes it."""
    height_px, width_px = picture_bgr.shape[:2]
    i420 = cv2.cvtColor(np.ascontiguousarray(picture_bgr), cv2.COLOR_BGR2YUV_I420)
    return np.asarray(i420, np.uint8).reshape(i420_shape(Size(width_px, height_px)))
