"""`roeh detect`: what the detector sees in single pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import msgspec

from roeh.core.config import StandaloneLens, parse_lens
from roeh.core.errors import LensError, RoehError, SourceUnreadable
from roeh.core.types import Detection
from roeh.media.picture_file import PICTURE_SUFFIXES, read_picture
from roeh.optics.configured import standalone_rig
from roeh.optics.ground import bearing_of, range_of
from roeh.optics.rig import Rig
from roeh.vision.detector import SensorDetector
from roeh.vision.open import open_model_for, open_still_detector

DEFAULT_LABELS = ("person", "bicycle", "car", "motorcycle", "bus", "truck", "dog")

_ANY_RANGE_M = 1000.0
#: Nothing can be seen in a picture that is a line or a point.
_LEAST_SIDE_PX = 2
#: Without a lens nothing is known of angles; this one only carries the picture's size.
_UNKNOWN_HFOV_DEG = 60.0


class StillDetection(msgspec.Struct, frozen=True):
    """One object in one picture, in pixels of that picture.

    Attributes:
        label: class name.
        confidence: in [0, 1].
        center_px: middle of the object, (x, y).
        box_px: upright box round it, x0, y0, x1, y1.
        bearing_deg: clockwise from the direction in which the picture's upper edge points
            (of the lens's azimuth_deg, where given); None without a lens.
        range_m: along the ground from below the camera; None without a lens or when the
            foot is at or above the horizon.
    """

    label: str
    confidence: float
    center_px: tuple[float, float]
    box_px: tuple[float, float, float, float]
    bearing_deg: float | None
    range_m: float | None


class StillResult(msgspec.Struct, frozen=True):
    """What was found in one picture, most confident first."""

    image: str
    detections: tuple[StillDetection, ...]


def pictures_at(path: Path) -> list[Path]:
    """The picture, or all pictures of a directory in the order of their names.

    Raises:
        SourceUnreadable: nothing there.
    """
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
        if found:
            return found
        what = f"no pictures ({', '.join(PICTURE_SUFFIXES)}) in the directory"
    elif path.is_file():
        return [path]
    else:
        what = "no such file or directory"
    raise SourceUnreadable(what=what, which=str(path), remedy="name a picture or a directory")


def detect_stills(
    pictures: list[Path], lens_path: Path | None, *, model: str, min_confidence: float
) -> Iterator[StillResult]:
    """Look at each picture; one that cannot be looked at does not keep the others back.

    Args:
        pictures: files.
        lens_path: LENS.toml; None for ordinary pictures.
        model: name in the manifest; empty for the one that fits.
        min_confidence: from which a detection counts.

    Raises:
        SourceUnreadable: a file is not a picture, after all others were looked at.
        LensError: a picture has another size than the lens, likewise.
    """
    # What is wrong with a file is said once, by the error below.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    lens = parse_lens(lens_path) if lens_path is not None else None
    detector: SensorDetector | None = None
    refused: RoehError | None = None
    for path in pictures:
        try:
            picture = read_picture(path, is_turned=True)
            height_px, width_px = picture.shape[:2]
            if lens is None and min(picture.shape[:2]) < _LEAST_SIDE_PX:
                yield StillResult(image=str(path), detections=())
                continue
            if detector is None or (lens is None and (width_px, height_px) != _size(detector)):
                detector = _open(_rig(lens, width_px, height_px), model, min_confidence)
            found = detector.look(picture, range(len(detector.tiles)))
        except (SourceUnreadable, LensError) as error:
            refused = refused or error
            continue
        yield StillResult(
            image=str(path),
            detections=tuple(
                _still(detection, lens is not None)
                for detection in found
                if detection.confidence >= min_confidence
            ),
        )
    if refused is not None:
        raise refused


def _rig(lens: StandaloneLens | None, width_px: int, height_px: int) -> Rig:
    if lens is None:
        lens = StandaloneLens(
            model="pinhole",
            width_px=width_px,
            height_px=height_px,
            fov_deg=_UNKNOWN_HFOV_DEG,
            height_m=5.0,
            tilt_deg=0.0,
        )
    return standalone_rig(lens, "still")


def _open(rig: Rig, model: str, min_confidence: float) -> SensorDetector:
    (sensor,) = rig.sensors
    return open_still_detector(
        rig,
        sensor,
        open_model_for(sensor, model, ""),
        labels=DEFAULT_LABELS,
        min_confidence=min_confidence,
        threads=1,
        max_range_m=_ANY_RANGE_M,
    )


def _size(detector: SensorDetector) -> tuple[int, int]:
    lens = detector.sensor.lens
    return lens.width_px, lens.height_px


def _still(detection: Detection, located: bool) -> StillDetection:
    box, place = detection.box_sensor_px, detection.position if located else None
    center_x, center_y = box.center_px
    return StillDetection(
        label=detection.label,
        confidence=round(detection.confidence, 4),
        center_px=(round(center_x, 2), round(center_y, 2)),
        box_px=(
            round(box.x0_px, 2), round(box.y0_px, 2), round(box.x1_px, 2), round(box.y1_px, 2),
        ),
        bearing_deg=None if place is None else round(bearing_of(place), 2),
        range_m=None if place is None else round(range_of(place), 3),
    )  # fmt: skip
