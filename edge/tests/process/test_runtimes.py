"""Both TensorFlow Lite runtimes see the same in the same picture.

tflite-runtime needs numpy < 2 and stops at Python 3.11, so it lives in an environment
of its own below `build/`, made from its lock and kept while the lock stays the same.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from roeh.core.types import Box
from roeh.vision.manifest import VerifiedModel, find_models_dir, load_manifest, open_model
from roeh.vision.nanodet import NanodetDecoder, TileDetection, same_threshold
from roeh.vision.runner import RawOutput

REPOSITORY = Path(__file__).parents[3]
LOCK = REPOSITORY / "requirements" / "tflite.txt"
MODELS = [entry.name for _, entry in load_manifest(find_models_dir(environ={})).entries()]

LEAST_IOU = 0.95
MOST_CONFIDENCE_DIFFERENCE = 0.05

PROGRAM = """
import sys
import numpy as np
from roeh.vision.manifest import open_model
from roeh.vision.runner import open_runner
output = open_runner(open_model(sys.argv[1])).run(np.load(sys.argv[2]))
np.savez(sys.argv[3], scores=output.scores, distribution=output.distribution)
print(" ".join({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.fixture(scope="module")
def tflite_python() -> Path:
    """A Python with tflite-runtime and hardly anything else."""
    if sys.version_info >= (3, 12):
        pytest.skip("tflite-runtime has no release for Python 3.12 or later")
    lock_hash = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    tag = f"py{sys.version_info.major}{sys.version_info.minor}"
    directory = REPOSITORY / "build" / f"tflite-runtime-{tag}-{lock_hash}"
    python = directory / "bin" / "python"
    installed = directory / "installed"
    if not installed.exists():
        shutil.rmtree(directory, ignore_errors=True)
        venv.create(directory, with_pip=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "--requirement", LOCK], check=True)
        installed.touch()
    return python


@pytest.mark.parametrize("name", MODELS)
def test_both_runtimes_find_the_same_person(name: str, tflite_python: Path, tmp_path: Path) -> None:
    model = open_model(name)
    picture = tmp_path / "picture.npy"
    np.save(picture, person_on_a_lawn(model.input_size.width_px, model.input_size.height_px))

    one, one_modules = run(Path(sys.executable), "ai-edge-litert", model, picture)
    other, other_modules = run(tflite_python, "tflite-runtime", model, picture)

    assert "ai_edge_litert" in one_modules
    assert "tflite_runtime" not in one_modules
    assert "tflite_runtime" in other_modules
    assert not other_modules & {"ai_edge_litert", "cv2", "av", "scipy"}
    assert [found.label for found in one] == ["person"]
    assert [found.label for found in other] == ["person"]
    assert iou(one[0].box_input_px, other[0].box_input_px) >= LEAST_IOU
    assert abs(one[0].confidence - other[0].confidence) <= MOST_CONFIDENCE_DIFFERENCE


def run(
    python: Path, runtime: str, model: VerifiedModel, picture: Path
) -> tuple[list[TileDetection], set[str]]:
    """What a runtime finds in a picture, and the modules it took."""
    output = picture.with_name(f"{runtime}.npz")
    finished = subprocess.run(
        [python, "-c", PROGRAM, model.name, picture, output],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "edge"), "ROEH_TFLITE": runtime},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    decoder = NanodetDecoder(
        input_size=model.input_size,
        labels=model.labels,
        classes=same_threshold(model.network.used_labels, 0.35),
    )
    with np.load(output) as raw:
        found = decoder.decode(RawOutput(raw["scores"], raw["distribution"]))
    return found, set(finished.stdout.split())


def person_on_a_lawn(width_px: int, height_px: int) -> np.ndarray:
    """A standing figure in red coat and dark trousers, drawn: BGR, three quarters high."""
    y, x = np.mgrid[:height_px, :width_px].astype(float)
    picture = np.empty((height_px, width_px, 3))
    picture[:] = (150, 160, 165)
    picture[y > 0.55 * height_px] = (95, 105, 100)
    tall = 0.5 * height_px
    middle, foot = width_px / 2, 0.9 * height_px

    def paint(inside: np.ndarray, colour: tuple[int, int, int]) -> None:
        cover = np.clip(inside, 0, 1)[..., None]
        picture[:] = picture * (1 - cover) + cover * np.array(colour)

    def limb(start: tuple[float, float], end: tuple[float, float], thick: float, colour) -> None:
        """A rounded stroke; points as (right of the middle, above the foot) in body heights."""
        x0, y0 = middle + start[0] * tall, foot - start[1] * tall
        x1, y1 = middle + end[0] * tall, foot - end[1] * tall
        length2 = max((x1 - x0) ** 2 + (y1 - y0) ** 2, 1e-9)
        along = np.clip(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length2, 0, 1)
        away = np.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0))
        paint(thick * tall - away, colour)

    skin, coat, trousers, dark = (140, 170, 215), (45, 45, 165), (65, 48, 38), (28, 34, 45)
    for side in (-1, 1):
        limb((side * 0.03, 0.47), (side * 0.075, 0.03), 0.05, trousers)
        limb((side * 0.07, 0.01), (side * 0.12, 0.01), 0.022, dark)
        limb((side * 0.1, 0.8), (side * 0.15, 0.44), 0.033, coat)
        limb((side * 0.15, 0.42), (side * 0.15, 0.4), 0.03, skin)
    limb((0, 0.78), (0, 0.5), 0.1, coat)
    limb((0, 0.87), (0, 0.82), 0.03, skin)
    limb((0, 0.935), (0, 0.91), 0.062, skin)
    limb((-0.02, 0.965), (0.02, 0.965), 0.045, dark)
    return np.clip(picture, 0, 255).astype(np.uint8)


def iou(one: Box, other: Box) -> float:
    width = min(one.x1_px, other.x1_px) - max(one.x0_px, other.x0_px)
    height = min(one.y1_px, other.y1_px) - max(one.y0_px, other.y0_px)
    shared = max(width, 0.0) * max(height, 0.0)
    areas = [(box.x1_px - box.x0_px) * (box.y1_px - box.y0_px) for box in (one, other)]
    return shared / (sum(areas) - shared)
