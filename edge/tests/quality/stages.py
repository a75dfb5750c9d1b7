"""Where scenes play: two cameras, four kinds of weather, and how a camera truly hangs."""

from __future__ import annotations

import enum
from typing import Any

import cv2
import msgspec
import numpy as np

from roeh.core.config import ComposedSource, DetectSection, LensSection, NodeConfig, SensorSection
from roeh.media.frames import UInt8Image

#: Looks a second, as a node is configured by default.
FPS = 5.0


class Weather(enum.Enum):
    """What spoils the pictures."""

    DAY = "day"
    NIGHT = "night"
    RAIN = "rain"
    FLICKER = "flicker"


_SPOILT: dict[Weather, dict[str, Any]] = {
    Weather.DAY: {},
    # Six tenths of the light, seven grey levels of noise; grey, as under infrared lamps.
    Weather.NIGHT: {"night": 0.5},
    Weather.RAIN: {"rain_drops": 400},
    Weather.FLICKER: {"flicker": 1.0},
}


class Camera(enum.Enum):
    """The kind of camera that a scene is seen by."""

    PINHOLE = "pinhole"
    FISHEYE = "fisheye"


def section_of(camera: Camera) -> SensorSection:
    """The camera as its node is told of it."""
    if camera is Camera.PINHOLE:
        return SensorSection(
            name="street",
            source=ComposedSource(),
            lens=LensSection(model="pinhole", width_px=1280, height_px=720, fov_deg=90.0),
            tilt_deg=28.0,
        )
    return SensorSection(
        name="dome",
        source=ComposedSource(),
        lens=LensSection(width_px=2048, height_px=2048, fov_deg=185.0),
    )


def detect_of(camera: Camera) -> DetectSection:
    """Scenes hold more people at once than a street does: every sector is looked at."""
    return DetectSection(fps=FPS, max_tiles_per_frame=8 if camera is Camera.FISHEYE else 3)


def truly(config: NodeConfig, rng: np.random.Generator) -> NodeConfig:
    """The node as it truly hangs: off by what its stated sigmas allow, drawn at random."""
    hung = tuple(
        msgspec.structs.replace(
            section,
            tilt_deg=min(section.tilt_deg + rng.normal(0, section.tilt_sigma_deg), 90.0),
            roll_deg=section.roll_deg + rng.normal(0, section.tilt_sigma_deg),
            height_m=section.height_m + rng.normal(0, section.height_sigma_m),
        )
        for section in config.sensors
    )
    return msgspec.structs.replace(config, sensors=hung)


def source_of(weather: Weather, seed: int, duration_s: float) -> ComposedSource:
    """What is drawn."""
    return ComposedSource(seed=seed, people=0, fps=FPS, duration_s=duration_s, **_SPOILT[weather])


def finish(picture: UInt8Image, weather: Weather) -> None:
    """What the drawn source does not do by itself, in place."""
    if weather is Weather.NIGHT:
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR, dst=picture)
