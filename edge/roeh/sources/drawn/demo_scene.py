"""The demo's scene: where to hang the footage that the demo comes with.

The numbers fit `vtest.avi` of Debian's opencv-doc, and how they were found stands in
edge/design/sources.md. Other footage gets the same arrangement, which is right only if
its camera hung alike.
"""

from __future__ import annotations

from roeh.core.config import PanoramaView

#: With these three, standing people measure 1.70 m (middle half: 1.62 to 1.78).
FOOTAGE_HFOV_DEG = 72.2
FOOTAGE_TILT_DEG = 29.6
DEMO_HEIGHT_M = 5.0

# Across 0/360, across 180 and one between: (azimuth, second of the 79.5 s of footage).
_PLACES = ((355.0, 0.0), (95.0, 26.0), (195.0, 52.0))


def demo_views() -> tuple[PanoramaView, ...]:
    """The demo's three views of one piece of footage."""
    return tuple(
        PanoramaView(
            azimuth_deg=azimuth_deg,
            hfov_deg=FOOTAGE_HFOV_DEG,
            tilt_deg=FOOTAGE_TILT_DEG,
            start_s=start_s,
        )
        for azimuth_deg, start_s in _PLACES
    )
