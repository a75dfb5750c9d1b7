"""The rigs of the bench: drawn people round a pole, seen by one, two or four cameras."""

from __future__ import annotations

import msgspec

from roeh.core.config import (
    ComposedSource,
    CrowdRule,
    DetectSection,
    LensSection,
    LoiteringRule,
    NodeConfig,
    SensorSection,
)

_FPS = 10.0
_SEED = 107
_PEOPLE = 8
_FISHEYE = LensSection(width_px=2048, height_px=2048, fov_deg=185.0)
_HALF = LensSection(width_px=1440, height_px=1440, fov_deg=190.0)
_QUARTER = LensSection(model="pinhole", width_px=1280, height_px=720, fov_deg=100.0)


def rig_scenes() -> dict[str, NodeConfig]:
    """Each rig by name: the same people on the same street."""
    return {
        "fisheye 2048 x 2048": _scene(_sensor("down", _FISHEYE, 0.0, 90.0)),
        "back-to-back, two of 1440 x 1440": _scene(
            _sensor("front", _HALF, 0.0, 25.0), _sensor("back", _HALF, 180.0, 25.0)
        ),
        "ring, four of 1280 x 720": _scene(
            *(_sensor(f"ring-{azimuth}", _QUARTER, azimuth, 35.0) for azimuth in range(0, 360, 90))
        ),
    }


def _sensor(name: str, lens: LensSection, azimuth_deg: float, tilt_deg: float) -> SensorSection:
    return SensorSection(
        name=name,
        source=ComposedSource(seed=_SEED, people=_PEOPLE, fps=_FPS),
        lens=lens,
        height_m=5.0,
        azimuth_deg=azimuth_deg,
        tilt_deg=tilt_deg,
    )


def _scene(*sensors: SensorSection) -> NodeConfig:
    return NodeConfig(
        sensors=sensors,
        detect=msgspec.structs.replace(DetectSection(), fps=_FPS),
        rules=(LoiteringRule(name="loitering"), CrowdRule(name="crowd")),
    )
