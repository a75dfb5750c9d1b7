"""`python -m street_camera plug|unplug`: exit status 0 done, 2 it could not be started."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from roeh.core.clock import SystemClock
from street_camera.camera import RATE_FPS, CameraFailed, StreetCamera


def main() -> int:
    """Plug or unplug; the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m street_camera", description=__doc__)
    parser.add_argument("action", choices=("plug", "unplug"))
    parser.add_argument("--state", type=Path, required=True, help="directory of its record")
    parser.add_argument("--address", default="10.77.1.1", help="where it listens")
    parser.add_argument("--port", type=int, default=8554)
    parser.add_argument(
        "--rate", type=float, default=RATE_FPS, metavar="FPS", help="fewer: slow motion"
    )
    chosen = parser.parse_args()
    camera = StreetCamera(chosen.state.resolve(), SystemClock())
    try:
        if chosen.action == "plug":
            camera.plug(chosen.address, chosen.port, chosen.rate)
        else:
            camera.unplug()
    except CameraFailed as failure:
        print(f"street_camera: {failure}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
