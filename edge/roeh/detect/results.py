"""How `roeh detect` prints what it found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

import msgspec

from roeh.detect.stills import StillResult


def write_results(results: Iterable[StillResult], *, as_json: bool, out: TextIO) -> None:
    """One JSON line per picture, or a readable list; each as soon as it is known."""
    for result in results:
        if as_json:
            out.write(msgspec.json.encode(result).decode() + "\n")
        else:
            out.write(f"{result.image}: {len(result.detections)} found\n")
            for found in result.detections:
                x, y = found.center_px
                place = ""
                if found.bearing_deg is not None and found.range_m is not None:
                    place = f"  bearing {found.bearing_deg:5.1f} deg  range {found.range_m:5.1f} m"
                out.write(
                    f"  {found.confidence:4.2f} {found.label:10} at ({x:.0f}, {y:.0f}){place}\n"
                )
        out.flush()
