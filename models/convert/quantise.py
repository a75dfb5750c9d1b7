"""Post-training quantisation to int8, with ranges taken from pictures."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from .retrace import TracedNetwork

#: With fewer of the listed pictures the ranges would be another model's.
LEAST_SHARE_OF_PICTURES = 0.9


def listed_pictures(list_file: Path, unpacked: Path) -> list[Path]:
    """The calibration pictures in the list's order, found by hash below `unpacked`.

    By hash, because releases of the package lay the same pictures under other names.

    Raises:
        ValueError: more than a tenth of them is not there.
    """
    wanted = [
        line.split()[0]
        for line in list_file.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    found: dict[str, Path] = {}
    for path in sorted(unpacked.rglob("*")):
        if path.suffix.lower() in {".jpg", ".png"} and path.is_file():
            found.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), path)
    pictures = [found[sha256] for sha256 in wanted if sha256 in found]
    if len(pictures) < LEAST_SHARE_OF_PICTURES * len(wanted):
        raise ValueError(
            f"only {len(pictures)} of the {len(wanted)} pictures in {list_file} lie in {unpacked}"
        )
    return pictures


def quantise(network: TracedNetwork, pictures: list[Path], height_px: int, width_px: int) -> bytes:
    """A .tflite with int8 inside, uint8 pictures in and float32 out.

    Args:
        network: from `retrace.network`.
        pictures: calibration pictures; black and white frames are added, so that the
            input's range is 0..255 exactly and a byte means itself.
        height_px: of the input.
        width_px: of the input.
    """

    def calibration() -> Iterator[list[NDArray[np.float32]]]:
        for level in (0, 255):
            yield [np.full((1, height_px, width_px, 3), level, np.float32)]
        for path in pictures:
            picture = cv2.imread(str(path))
            if picture is None:
                raise ValueError(f"not a picture: {path}")
            scaled = cv2.resize(picture, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
            yield [scaled[None].astype(np.float32)]

    # It asks for an owner of the variables; there are none, only constants.
    logging.getLogger("absl").setLevel(logging.ERROR)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([network])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = calibration
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.float32
    return bytes(converter.convert())
