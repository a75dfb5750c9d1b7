"""Whether two files of one model see the same.

Quantisation fixes its ranges from floating-point sums, which differ between kinds of
processor: elsewhere the bytes of a conversion differ, its detections must not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from roeh.core.types import Box
from roeh.vision.manifest import VerifiedModel
from roeh.vision.nanodet import NanodetDecoder, TileDetection, same_threshold
from roeh.vision.runner import open_runner

#: Detections from here on must be found by the other file too ...
CONFIDENT = 0.40
#: ... at this confidence or above: quantised scores come in steps.
NEARLY_CONFIDENT = 0.30
SAME_OBJECT_IOU = 0.5

#: Int8 multiplies any small difference: input scaled by 1.00001 already gives a mean
#: IoU of 0.98, a tenth of the pictures missing 0.964. A forgotten mean of the
#: normalisation gives 0.946 and 0.030.
LEAST_SHARE_FOUND = 0.98
LEAST_MEAN_IOU = 0.955
MOST_CONFIDENCE_DIFFERENCE = 0.025

FRAME_STEP = 40


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two models compare over the same frames.

    Attributes:
        detections: confident detections of both together.
        share_found: of those, how many the other found as well.
        mean_iou: of the boxes of the found ones.
        mean_confidence_difference: absolute, of the found ones.
    """

    detections: int
    share_found: float
    mean_iou: float
    mean_confidence_difference: float

    @property
    def holds(self) -> bool:
        """Whether the two may pass for the same model."""
        return (
            self.share_found >= LEAST_SHARE_FOUND
            and self.mean_iou >= LEAST_MEAN_IOU
            and self.mean_confidence_difference <= MOST_CONFIDENCE_DIFFERENCE
        )


def compare(committed: VerifiedModel, converted: VerifiedModel, video: Path) -> Agreement:
    """Both models on every fortieth frame of a video.

    Raises:
        ValueError: the video has no frames, or neither model sees anything in it.
    """
    pictures = _frames(video, committed.input_size.width_px, committed.input_size.height_px)
    ious: list[float] = []
    differences: list[float] = []
    lost = 0
    pairs = zip(_detect(committed, pictures), _detect(converted, pictures), strict=True)
    for one, other in pairs:
        for seeker, sought in ((one, other), (other, one)):
            for detection in seeker:
                if detection.confidence < CONFIDENT:
                    continue
                match = _match(detection, sought)
                if match is None:
                    lost += 1
                else:
                    ious.append(_iou(detection.box_input_px, match.box_input_px))
                    differences.append(abs(detection.confidence - match.confidence))
    if not ious:
        raise ValueError(f"no detections in common on {video}")
    return Agreement(
        detections=len(ious) + lost,
        share_found=len(ious) / (len(ious) + lost),
        mean_iou=float(np.mean(ious)),
        mean_confidence_difference=float(np.mean(differences)),
    )


def _frames(video: Path, width_px: int, height_px: int) -> list[NDArray[np.uint8]]:
    """Every fortieth frame, scaled to fit and padded with grey on the right and below."""
    capture = cv2.VideoCapture(str(video))
    pictures = []
    seq = 0
    while capture.grab():
        if seq % FRAME_STEP == FRAME_STEP // 2:
            _, frame = capture.retrieve()
            scale = min(width_px / frame.shape[1], height_px / frame.shape[0])
            size = (round(frame.shape[1] * scale), round(frame.shape[0] * scale))
            picture = np.full((height_px, width_px, 3), 114, np.uint8)
            picture[: size[1], : size[0]] = cv2.resize(frame, size)
            pictures.append(picture)
        seq += 1
    return pictures


def _detect(model: VerifiedModel, pictures: list[NDArray[np.uint8]]) -> list[list[TileDetection]]:
    runner = open_runner(model)
    decoder = NanodetDecoder(
        input_size=model.input_size,
        labels=model.labels,
        classes=same_threshold(model.network.used_labels, NEARLY_CONFIDENT),
    )
    return [decoder.decode(runner.run(picture)) for picture in pictures]


def _match(detection: TileDetection, others: list[TileDetection]) -> TileDetection | None:
    """The one of the same class that overlaps most, if enough."""
    same = [other for other in others if other.label == detection.label]
    best = max(
        same, key=lambda other: _iou(detection.box_input_px, other.box_input_px), default=None
    )
    if best is None or _iou(detection.box_input_px, best.box_input_px) < SAME_OBJECT_IOU:
        return None
    return best


def _iou(one: Box, other: Box) -> float:
    width = min(one.x1_px, other.x1_px) - max(one.x0_px, other.x0_px)
    height = min(one.y1_px, other.y1_px) - max(one.y0_px, other.y0_px)
    shared = max(width, 0.0) * max(height, 0.0)
    joined = _area(one) + _area(other) - shared
    return shared / joined


def _area(box: Box) -> float:
    return (box.x1_px - box.x0_px) * (box.y1_px - box.y0_px)
