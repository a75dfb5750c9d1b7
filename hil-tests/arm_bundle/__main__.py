"""`make bundle-aarch64`: the offline bundle's wheels are imported and see what they see here.

There is no binfmt_misc needed: the interpreter of the bundle is given to qemu-aarch64-static.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import msgspec

from arm_bundle.root import unpacked
from roeh.core.clock import NS_PER_S, SystemClock

REPOSITORY = Path(__file__).parents[2]
_PICTURE = Path("/usr/share/doc/opencv-doc/examples/data/basketball1.png")
#: What a pole's processes import.
_MODULES = (
    *("roeh.capture.main", "roeh.detect.main", "roeh.evidence.main", "roeh.publish.main"),
    *("roeh.retrieve.main", "av", "cv2", "scipy.optimize"),
)
#: Kernels of two processors round differently; edge/docs/releases.md has what was measured.
CONFIDENCE_TOLERANCE = 0.05
PLACE_TOLERANCE_PX = 8.0


class Found(msgspec.Struct, frozen=True):
    """One detection."""

    label: str
    confidence: float
    box_px: tuple[float, float, float, float]


class Picture(msgspec.Struct, frozen=True):
    """What was seen in the picture."""

    detections: tuple[Found, ...]


def main() -> int:
    """Run it and say what differs; 0 when nothing does."""
    parser = argparse.ArgumentParser(prog="python -m arm_bundle", description=__doc__)
    parser.add_argument("--bundle", type=Path, help="default: the newest for bookworm")
    parser.add_argument("--picture", type=Path, default=_PICTURE)
    parser.add_argument("--cpu", default="cortex-a72", help="as qemu names it; a Pi 4's")
    parser.add_argument("--short", action="store_true", help="the inference alone")
    chosen = parser.parse_args()
    clock = SystemClock()
    began_ns = clock.mono_ns()
    bundle = chosen.bundle or newest_bundle()
    root = unpacked(bundle, REPOSITORY / "build/cache/arm_bundle")
    ready_ns = clock.mono_ns()
    code = "from roeh.cli import main; import sys; sys.exit(main(sys.argv[1:]))"
    if not chosen.short:
        code = f"import {', '.join(_MODULES)}; {code}"
    words = ["detect", str(chosen.picture), "--lens", "none", "--json"]
    there = seen(arm_python(root, chosen.cpu, "-c", code, *words))
    done_ns = clock.mono_ns()
    here = seen([sys.executable, "-m", "roeh", *words])
    wrong = differences(here, there)
    print(f"{bundle.name}: {len(there.detections)} seen on aarch64, {len(here.detections)} here")
    for one, other in zip(here.detections, there.detections, strict=False):
        print(f"  {one.label}: {one.confidence:.3f} here, {other.confidence:.3f} there")
    print(
        f"unpacked in {(ready_ns - began_ns) / NS_PER_S:.0f} s, "
        f"imported and run in {(done_ns - ready_ns) / NS_PER_S:.0f} s"
    )
    for line in wrong:
        print(f"arm_bundle: {line}", file=sys.stderr)
    return 1 if wrong else 0


def newest_bundle() -> Path:
    """The one that was made last."""
    found = sorted(
        (REPOSITORY / "build/bundle").glob("roeh-*-bookworm-aarch64"),
        key=lambda path: path.stat().st_mtime,
    )
    if not found:
        raise SystemExit("arm_bundle: no bundle; make bundle ARCH=aarch64 SUITE=bookworm")
    return found[-1]


def arm_python(root: Path, cpu: str, *arguments: str) -> list[str]:
    """The bundle's Python, as this machine runs it."""
    variables = {
        "PYTHONPATH": str(root / "site"),
        "PYTHONHOME": str(root / "usr"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    settings = [word for name, value in variables.items() for word in ("-E", f"{name}={value}")]
    python = str(root / "usr/bin/python3.11")
    return ["qemu-aarch64-static", "-L", str(root), "-cpu", cpu, *settings, python, *arguments]


def seen(command: list[str]) -> Picture:
    """What a command's one line of JSON says that it saw."""
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Picture)


def differences(here: Picture, there: Picture) -> list[str]:
    """What another processor sees otherwise, beyond what rounding may do."""
    if [one.label for one in here.detections] != [one.label for one in there.detections]:
        return [f"seen here {here.detections}, there {there.detections}"]
    wrong = []
    for one, other in zip(here.detections, there.detections, strict=True):
        if abs(one.confidence - other.confidence) > CONFIDENCE_TOLERANCE:
            wrong.append(f"{one.label}: confidence {one.confidence} here, {other.confidence} there")
        moved_px = max(abs(a - b) for a, b in zip(one.box_px, other.box_px, strict=True))
        if moved_px > PLACE_TOLERANCE_PX:
            wrong.append(f"{one.label}: its box lies {moved_px:.1f} px elsewhere")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
