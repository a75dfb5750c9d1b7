"""The pictures of the report: what each sensor sees, all round, and who sees which ground.

People are made unrecognisable before anything is drawn: the report is printed and passed on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from roeh.commission.landmarks import Landmark, draw_landmarks
from roeh.core.config import NodeConfig, SensorSection
from roeh.core.types import Size
from roeh.core.views import HEIGHT_SHARES, ViewChoice
from roeh.media.frames import UInt8Image
from roeh.media.masks import blackened, mask_of, outside
from roeh.media.overlay import Boxed, Overlay, found_words
from roeh.media.polar import zone_outline_m
from roeh.media.view_frame import framed
from roeh.media.views import draw_view
from roeh.optics.configured import rig_from
from roeh.optics.ground import bearing_of, range_of
from roeh.optics.rig import Rig
from roeh.optics.view_layout import View, view_of
from roeh.vision.open import open_model_for, open_still_detector

_PANORAMA_PX = Size(2000, 500)
_SENSOR_PX = 1100
_LANDMARK_PX = Size(960, round(960 * HEIGHT_SHARES["ptz"]))
_LANDMARK_FOV_DEG = 30.0
_JPEG_QUALITY = 86
#: A person of any size is this many blocks high: nobody is known by that.
_BLOCKS = 7
#: Rather a dustbin too many than a face.
_MAYBE_CONFIDENCE = 0.2
#: A capital's height on the panorama, which is printed 180 mm wide: 1.4 mm.
_PANORAMA_LETTER_PX = 16.0


class Seen(msgspec.Struct, frozen=True):
    """A sensor's picture with people made unrecognisable, and what was found in it."""

    picture: UInt8Image
    boxed: tuple[Boxed, ...]


def look_at(config: NodeConfig, pictures: Mapping[str, UInt8Image]) -> dict[str, Seen]:
    """A careful look at each sensor's picture; people in it are pixelated.

    Raises:
        RoehError: the model or the lens cannot be used.
    """
    rig = rig_from(config)
    sections = {section.name: section for section in config.sensors}
    return {name: _seen(config, rig, sections[name], each) for name, each in pictures.items()}


def panorama_jpeg(
    config: NodeConfig, seen: Mapping[str, Seen], landmarks: Sequence[Landmark]
) -> bytes:
    """All round, north in the middle, with rings, zones, boxes and landmarks."""
    rig = rig_from(config)
    choice = ViewChoice(layout="panorama")
    view = view_of(rig, [rig.sensor(name) for name in seen], choice, _PANORAMA_PX)
    overlay = _overlay(config, view, seen, letter_px=_PANORAMA_LETTER_PX)
    _draw_ground(config, overlay)
    for each in seen.values():
        # Their words stand in the sensors' own pictures: there is no room for them here.
        overlay.draw_boxes([boxed._replace(words="") for boxed in each.boxed])
    picture = overlay.finished()
    draw_landmarks(view, picture, landmarks)
    return jpeg(framed(view, picture, [], letter_px=_PANORAMA_LETTER_PX))


def sensor_jpeg(config: NodeConfig, name: str, seen: Mapping[str, Seen]) -> bytes:
    """One sensor's own picture with rings, compass, zones, boxes; masks black."""
    rig = rig_from(config)
    choice = ViewChoice(layout="picture")
    view = view_of(rig, [rig.sensor(name)], choice, Size(_SENSOR_PX, _SENSOR_PX))
    overlay = _overlay(config, view, {name: seen[name]})
    _draw_ground(config, overlay)
    overlay.draw_compass()
    overlay.draw_boxes(seen[name].boxed)
    return jpeg(overlay.finished())


def landmark_jpeg(
    config: NodeConfig, landmark: Landmark, number: int, seen: Mapping[str, Seen]
) -> bytes:
    """What lies in the direction of a landmark; the line is where it has to be."""
    rig = rig_from(config)
    choice = ViewChoice(
        layout="ptz",
        bearing_deg=landmark.bearing_deg,
        elevation_deg=-6.0,
        fov_deg=_LANDMARK_FOV_DEG,
    )
    view = view_of(rig, [rig.sensor(name) for name in seen], choice, _LANDMARK_PX)
    picture = _overlay(config, view, seen).finished()
    draw_landmarks(view, picture, [landmark], first_number=number)
    return jpeg(picture)


def jpeg(picture: UInt8Image) -> bytes:
    """As it stands in the report."""
    _, encoded = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    return encoded.tobytes()


def _seen(config: NodeConfig, rig: Rig, section: SensorSection, picture: UInt8Image) -> Seen:
    sensor, mask = rig.sensor(section.name), mask_of(section)
    detector = open_still_detector(
        rig,
        sensor,
        open_model_for(sensor, config.detect.model, config.paths.model_dir),
        labels=config.detect.labels,
        min_confidence=config.detect.min_confidence,
        threads=config.detect.threads,
        max_range_m=config.detect.max_range_m,
    )
    picture = blackened(picture, mask).copy()
    boxed: list[Boxed] = []
    for found in outside(detector.look(picture, range(len(detector.tiles))), mask):
        outline = np.asarray(found.outline_sensor_px, np.float64)
        if found.label == "person" and found.confidence >= _MAYBE_CONFIDENCE:
            _pixelate(picture, outline)
        if found.position is None or found.confidence < config.detect.min_confidence:
            continue
        bearing_deg, range_m = bearing_of(found.position), range_of(found.position)
        words = found_words(found.label, found.confidence, bearing_deg, range_m)
        boxed.append(Boxed(section.name, outline, words))
    return Seen(picture, tuple(boxed))


def _pixelate(picture: UInt8Image, outline_px: npt.NDArray[np.float64]) -> None:
    height_px, width_px = picture.shape[:2]
    left, top = np.floor(outline_px.min(axis=0)).astype(int)
    right, bottom = np.ceil(outline_px.max(axis=0)).astype(int) + 1
    left, top = max(0, left), max(0, top)
    part = picture[top : min(bottom, height_px), left : min(right, width_px)]
    if not part.size:
        return
    rows, columns = part.shape[:2]
    block = max(1, max(rows, columns) // _BLOCKS)
    few = (max(1, columns // block), max(1, rows // block))
    small = cv2.resize(part, few, interpolation=cv2.INTER_AREA)
    part[:] = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_NEAREST)


def _overlay(
    config: NodeConfig, view: View, seen: Mapping[str, Seen], *, letter_px: float | None = None
) -> Overlay:
    masks = {each.name: mask_of(each) for each in config.sensors}
    drawn = draw_view(view, {name: each.picture for name, each in seen.items()}, masks)
    return Overlay(view, drawn.picture, drawn.hidden, letter_px=letter_px)


def _draw_ground(config: NodeConfig, overlay: Overlay) -> None:
    for zone in config.zones:
        overlay.draw_outline(zone.name, zone_outline_m(zone))
    for line in config.lines:
        overlay.draw_outline(line.name, (line.from_m, line.to_m))
    overlay.draw_rings()
