"""Steps in how a camera exposes: told by the camera before the picture shows them.

A picture that becomes brighter says the same late, or not at all: automatic exposure
keeps the brightness and changes the noise and the blur. Small steps are the ordinary
following of the daylight, which the motion detector divides out.
"""

from __future__ import annotations

import enum

from roeh.core.types import Light

#: Exposure times gain changed by this factor since the last picture: 0.8 stops.
_STEP_FACTOR = 1.75


class LightStep(enum.Enum):
    """What happened between two pictures of one camera."""

    NONE = "none"
    EXPOSURE = "exposure"
    INFRARED = "infrared"


class LightFollower:
    """Remembers how the last picture of one camera was exposed."""

    def __init__(self) -> None:
        self._last: Light | None = None

    def step_to(self, light: Light | None) -> LightStep:
        """What changed from the last picture to this one; nothing where nobody tells."""
        last, self._last = self._last, light or self._last
        if light is None or last is None:
            return LightStep.NONE
        if light.is_night != last.is_night:
            return LightStep.INFRARED
        before, now = last.exposure_us * last.gain, light.exposure_us * light.gain
        if before <= 0 or now <= 0:
            return LightStep.NONE
        changed = not 1 / _STEP_FACTOR < now / before < _STEP_FACTOR
        return LightStep.EXPOSURE if changed else LightStep.NONE
