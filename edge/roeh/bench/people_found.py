"""People in real pictures, labelled by hand: the product's average precision over the bare model's.

The pictures are frames of Debian's `vtest.avi`; `vtest_people.json` has the boxes and how they
were made.
"""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from roeh.core.types import Size
from roeh.detect.ordinary import ordinary_video
from roeh.media.frames import UInt8Image
from roeh.optics.configured import rig_from
from roeh.vision.layout import default_model
from roeh.vision.manifest import open_model
from roeh.vision.nanodet import NanodetDecoder, same_threshold
from roeh.vision.open import open_detector
from roeh.vision.runner import open_runner

LABELS = Path(__file__).parent / "vtest_people.json"
_LEAST_CONFIDENCE = 0.05
_SAME_IOU = 0.5

Boxes = NDArray[np.float64]
"""(n, 4): left, top, right, bottom, pixels."""


class LabelledFrame(msgspec.Struct, frozen=True):
    """One frame, and everybody in it.

    Attributes:
        number: of the frame in the file, from 0.
        people: boxes: left, top, right, bottom, pixels.
        unclear: boxes of what may be taken for somebody or not, without blame.
    """

    number: int
    people: tuple[tuple[int, int, int, int], ...]
    unclear: tuple[tuple[int, int, int, int], ...] = ()


class Labels(msgspec.Struct, frozen=True):
    """The labels of a video, with where they come from."""

    video: str
    provenance: str
    frames: tuple[LabelledFrame, ...]


class FoundFigures(msgspec.Struct, frozen=True):
    """How well people are found: average precision at an overlap of a half."""

    pictures: int
    people: int
    product_ap50: float
    bare_ap50: float


class _Found(msgspec.Struct, frozen=True):
    """A picture's boxes, with their confidences."""

    boxes: Boxes
    confidences: NDArray[np.float64]


def measure_people_found(footage: Path) -> FoundFigures:
    """Look at every labelled frame, as the product does and as the bare network does."""
    labels = msgspec.json.decode(LABELS.read_bytes(), type=Labels)
    wanted = {frame.number: frame for frame in labels.frames}
    pictures = _pictures(footage, set(wanted))
    size = Size(*next(iter(pictures.values())).shape[1::-1])
    looks = _ProductLook(size), _BareLook(size)
    scores = [
        average_precision([(wanted[number], look(picture)) for number, picture in pictures.items()])
        for look in looks
    ]
    return FoundFigures(
        pictures=len(pictures),
        people=sum(len(frame.people) for frame in labels.frames),
        product_ap50=scores[0],
        bare_ap50=scores[1],
    )


def average_precision(looked: list[tuple[LabelledFrame, _Found]]) -> float:
    """Area under precision over recall, all confidences of all pictures in one order."""
    verdicts: list[tuple[float, bool]] = []
    for frame, found in looked:
        people = np.asarray(frame.people, np.float64).reshape(-1, 4)
        unclear = np.asarray(frame.unclear, np.float64).reshape(-1, 4)
        free = np.ones(len(people), np.bool_)
        for row in np.argsort(-found.confidences):
            overlaps = _overlaps(found.boxes[row], people) * free
            best = int(np.argmax(overlaps)) if len(people) else -1
            if best >= 0 and overlaps[best] >= _SAME_IOU:
                free[best] = False
                verdicts.append((float(found.confidences[row]), True))
            elif not (_overlaps(found.boxes[row], unclear) >= _SAME_IOU / 2).any():
                verdicts.append((float(found.confidences[row]), False))
    verdicts.sort(key=lambda verdict: -verdict[0])
    right = np.cumsum([is_right for _, is_right in verdicts])
    precision = right / np.arange(1, len(verdicts) + 1)
    recall = right / sum(len(frame.people) for frame, _ in looked)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * best_from_here))


def _overlaps(box: Boxes, others: Boxes) -> NDArray[np.float64]:
    """Shared area over united area with each of the others (n,)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0.0, None), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    united: NDArray[np.float64] = shared / (np.prod(box[2:] - box[:2]) + areas - shared)
    return united


class _ProductLook:
    """The pipeline's own detector, as it looks at an ordinary camera's pictures."""

    def __init__(self, size: Size) -> None:
        config = ordinary_video("labelled", size, loop=False)
        rig = rig_from(config)
        (sensor,) = rig.sensors
        self._detector = open_detector(
            rig,
            sensor,
            open_model(default_model(sensor)),
            labels=("person",),
            min_confidence=_LEAST_CONFIDENCE,
            threads=1,
            max_range_m=config.detect.max_range_m,
            check_height=config.detect.check_height,
        )

    def __call__(self, picture: UInt8Image) -> _Found:
        found = self._detector.look(picture, range(len(self._detector.tiles)))
        boxes = [one.box_sensor_px for one in found]
        return _Found(
            np.asarray([(b.x0_px, b.y0_px, b.x1_px, b.y1_px) for b in boxes]).reshape(-1, 4),
            np.asarray([one.confidence for one in found]),
        )


class _BareLook:
    """The same network on the whole picture, squashed to its input."""

    def __init__(self, size: Size) -> None:
        (sensor,) = rig_from(ordinary_video("labelled", size, loop=False)).sensors
        model = open_model(default_model(sensor))
        self._runner = open_runner(model, threads=1)
        self._decoder = NanodetDecoder(
            input_size=model.input_size,
            labels=model.labels,
            classes=same_threshold(("person",), _LEAST_CONFIDENCE),
        )

    def __call__(self, picture: UInt8Image) -> _Found:
        view = self._runner.input_view()
        height_px, width_px = view.shape[:2]
        cv2.resize(picture, (width_px, height_px), dst=view, interpolation=cv2.INTER_AREA)
        found = self._decoder.decode(self._runner.invoke())
        scale = np.asarray([picture.shape[1] / width_px, picture.shape[0] / height_px] * 2)
        boxes = [one.box_input_px for one in found]
        raw = np.asarray([(b.x0_px, b.y0_px, b.x1_px, b.y1_px) for b in boxes]).reshape(-1, 4)
        return _Found(raw * scale, np.asarray([one.confidence for one in found]))


def _pictures(footage: Path, numbers: set[int]) -> dict[int, UInt8Image]:
    kept: dict[int, UInt8Image] = {}
    with av.open(str(footage)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in numbers:
                kept[number] = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
            if number >= max(numbers):
                break
    return kept
