"""The decoder finds what the outputs say: where, of which class, each object once."""

from __future__ import annotations

import math

import numpy as np
import pytest

from roeh.core.types import Box, Size
from roeh.vision.nanodet import (
    MAX_CANDIDATES,
    ClassThreshold,
    NanodetDecoder,
    TileDetection,
    same_threshold,
)
from roeh.vision.runner import RawOutput

SIZE = Size(width_px=128, height_px=64)
LABELS = ("person", "bicycle", "car", "dog", "knife")
BINS = 8
#: Rows of each stride's squares in the outputs, as (stride, first row, columns).
GRIDS = ((8, 0, 16), (16, 128, 8), (32, 160, 4))
ROWS = 128 + 32 + 8


class Scene:
    """Outputs of a network that sees nothing, until something is put there."""

    def __init__(self) -> None:
        self.scores = np.zeros((ROWS, len(LABELS)), np.float32)
        self.distribution = np.zeros((ROWS, 4 * BINS), np.float32)

    def put(
        self,
        label: str,
        confidence: float,
        *,
        stride_px: int = 8,
        square: tuple[int, int] = (0, 0),
        sides: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0),
    ) -> None:
        """An object at a square (column, row), its sides so many strides away."""
        _, first, columns = next(grid for grid in GRIDS if grid[0] == stride_px)
        row = first + square[1] * columns + square[0]
        self.scores[row, LABELS.index(label)] = confidence
        self.distribution[row] = np.concatenate([logits_of(side) for side in sides])

    def raw(self) -> RawOutput:
        return RawOutput(scores=self.scores, distribution=self.distribution)


def logits_of(expected: float) -> np.ndarray:
    """Logits whose softmax has this expectation, in bins."""
    weights = np.full(BINS, 1e-9, np.float32)
    below = math.floor(expected)
    weights[below] = 1 - (expected - below)
    weights[min(below + 1, BINS - 1)] += expected - below
    return np.log(weights)


def decoder(
    *classes: ClassThreshold, max_iou: float = 0.6, max_detections: int = 100
) -> NanodetDecoder:
    return NanodetDecoder(
        input_size=SIZE,
        labels=LABELS,
        classes=classes or same_threshold(LABELS, 0.4),
        max_iou=max_iou,
        max_detections=max_detections,
    )


def corners(detection: TileDetection) -> tuple[float, float, float, float]:
    box = detection.box_input_px
    return box.x0_px, box.y0_px, box.x1_px, box.y1_px


@pytest.mark.parametrize("stride_px", [8, 16, 32])
def test_a_box_lies_its_distances_from_the_centre_of_its_square(stride_px: int) -> None:
    scene = Scene()
    scene.put("person", 0.9, stride_px=stride_px, square=(2, 1), sides=(0.5, 1.25, 2.0, 3.75))
    (found,) = decoder().decode(scene.raw())
    x, y = 2.5 * stride_px - 0.5, 1.5 * stride_px - 0.5
    expected = (
        x - 0.5 * stride_px,
        y - 1.25 * stride_px,
        x + 2.0 * stride_px,
        y + 3.75 * stride_px,
    )
    assert corners(found) == pytest.approx(expected, abs=1e-3)


def test_an_empty_picture_gives_nothing() -> None:
    assert decoder().decode(Scene().raw()) == []


def test_a_class_counts_from_its_own_threshold() -> None:
    scene = Scene()
    scene.put("person", 0.5, square=(1, 1))
    scene.put("car", 0.5, square=(8, 1))
    scene.put("dog", 0.25, square=(14, 6))
    found = decoder(ClassThreshold("person", 0.6), ClassThreshold("car", 0.5)).decode(scene.raw())
    assert [(one.label, one.confidence) for one in found] == [("car", 0.5)]


def test_a_class_that_is_not_looked_for_is_never_reported() -> None:
    scene = Scene()
    scene.put("knife", 0.99)
    scene.put("person", 0.5, square=(9, 4))
    found = decoder(ClassThreshold("dog", 0.1), ClassThreshold("person", 0.1)).decode(scene.raw())
    assert [one.label for one in found] == ["person"]


def test_one_object_seen_by_several_squares_is_one_detection() -> None:
    scene = Scene()
    scene.put("person", 0.7, square=(4, 4), sides=(2, 3, 2, 3))
    scene.put("person", 0.8, square=(5, 4), sides=(3, 3, 1, 3))
    scene.put("person", 0.6, stride_px=16, square=(2, 2), sides=(1, 1.5, 1, 1.5))
    (found,) = decoder().decode(scene.raw())
    assert found.confidence == pytest.approx(0.8)


def test_classes_do_not_suppress_each_other() -> None:
    scene = Scene()
    scene.put("person", 0.7, square=(4, 4))
    scene.scores[4 * 16 + 4, LABELS.index("bicycle")] = 0.6
    assert [one.label for one in decoder().decode(scene.raw())] == ["person", "bicycle"]


def test_neighbours_that_overlap_less_than_allowed_both_stay() -> None:
    scene = Scene()
    scene.put("person", 0.7, square=(4, 4), sides=(1, 2, 1, 2))
    scene.put("person", 0.6, square=(5, 4), sides=(1, 2, 1, 2))  # IoU 1/3
    assert len(decoder(max_iou=0.4).decode(scene.raw())) == 2
    assert len(decoder(max_iou=0.3).decode(scene.raw())) == 1


def test_of_equally_confident_doubles_the_first_square_wins() -> None:
    scene = Scene()
    scene.put("person", 0.5, square=(4, 4), sides=(3, 3, 3, 3))
    scene.put("person", 0.5, square=(5, 4), sides=(3, 3, 3, 3))
    (found,) = decoder().decode(scene.raw())
    assert corners(found)[0] == pytest.approx(4.5 * 8 - 0.5 - 24, abs=1e-3)


def test_the_most_confident_come_first_and_are_the_ones_kept() -> None:
    scene = Scene()
    for column, confidence in enumerate((0.5, 0.9, 0.7, 0.8)):
        scene.put("person", confidence, square=(column * 4, 1))
    found = decoder(max_detections=3).decode(scene.raw())
    assert [round(one.confidence, 1) for one in found] == [0.9, 0.8, 0.7]


def test_decoding_the_same_outputs_twice_gives_the_same() -> None:
    scene = noise(seed=5)
    one = decoder(*same_threshold(LABELS, 0.2))
    assert one.decode(scene.raw()) == one.decode(scene.raw())


@pytest.mark.parametrize("seed", range(8))
def test_it_agrees_with_the_definition_written_out(seed: int) -> None:
    scene = noise(seed)
    classes = same_threshold(("car", "person"), 0.45)
    found = decoder(*classes, max_iou=0.5).decode(scene.raw())
    expected = written_out(scene.raw(), classes, max_iou=0.5)
    assert len(found) > 5
    assert [one.label for one in found] == [one.label for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.confidence == other.confidence
        assert corners(one) == pytest.approx(corners(other), abs=1e-3)


def test_a_threshold_of_nothing_still_ends_with_the_most_confident() -> None:
    size = Size(width_px=640, height_px=384)
    rows = 80 * 48 + 40 * 24 + 20 * 12
    rng = np.random.default_rng(1)
    raw = RawOutput(
        scores=rng.random((rows, len(LABELS)), np.float32),
        distribution=rng.normal(size=(rows, 4 * BINS)).astype(np.float32),
    )
    assert raw.scores.size > MAX_CANDIDATES
    everything = NanodetDecoder(input_size=size, labels=LABELS, classes=same_threshold(LABELS, 0.0))
    found = everything.decode(raw)
    assert found[0].confidence == raw.scores.max()
    assert len(found) == 100


def noise(seed: int) -> Scene:
    rng = np.random.default_rng(seed)
    scene = Scene()
    # In steps, as a quantised network gives them: equal scores are common.
    scene.scores[:] = np.round(rng.random(scene.scores.shape, np.float32) ** 3 * 16) / 16
    scene.distribution[:] = rng.normal(scale=2.0, size=scene.distribution.shape)
    return scene


def written_out(
    raw: RawOutput, classes: tuple[ClassThreshold, ...], max_iou: float
) -> list[TileDetection]:
    """The same, one square at a time, as the paper says it."""
    candidates: list[TileDetection] = []
    for wanted in classes:
        for stride_px, first, columns in GRIDS:
            for square in range(columns * SIZE.height_px // stride_px):
                confidence = float(raw.scores[first + square, LABELS.index(wanted.label)])
                if confidence < wanted.min_confidence:
                    continue
                x = (square % columns + 0.5) * stride_px - 0.5
                y = (square // columns + 0.5) * stride_px - 0.5
                sides = []
                for logits in raw.distribution[first + square].reshape(4, BINS).astype(float):
                    weights = np.exp(logits) / np.exp(logits).sum()
                    sides.append(sum(weights * range(BINS)) * stride_px)
                left, top, right, bottom = sides
                box = Box(x - left, y - top, x + right, y + bottom)
                candidates.append(TileDetection(wanted.label, confidence, box))
    kept: list[TileDetection] = []
    for one in sorted(candidates, key=lambda one: -one.confidence):
        if all(one.label != other.label or iou(one, other) <= max_iou for other in kept):
            kept.append(one)
    return kept


def iou(one: TileDetection, other: TileDetection) -> float:
    a, b = corners(one), corners(other)
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area_a = (a[2] - a[0]) * (a[3] - a[1])
    area_b = (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (area_a + area_b - width * height)
