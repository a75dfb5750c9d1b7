"""When the infrared filter goes away and comes back, from exposure times gain. Pure.

By day the filter keeps infrared out, for true colours; by night it is away and the lamps
are on. Both make the picture brighter, so what is measured by night says nothing of the
day before. Against going back and forth:

- Night begins and ends at levels far apart, each held for a while without interruption.
- What the camera needs when its lamps have just come on is what lamps alone give. Day is
  believed only when it is several times brighter than that: then most of the light is not
  the lamps', and when they go out it stays day.
"""

from __future__ import annotations

import math

from roeh.core.clock import NS_PER_S
from roeh.core.config import IrCutSection

#: How long exposure takes to follow the switch, before its level means anything.
SETTLE_S = 5.0
#: How much brighter than by the lamps alone it must be for day.
_BRIGHTER = 4.0
#: Of what a camera can do at most: a section that asks for more would never see night.
_REACHABLE = 0.9


class DayNight:
    """Whether it is night for one camera.

    Args:
        section: the levels, and for how long.
        most_s: the most that the camera's exposure times gain can be, seconds.
    """

    def __init__(self, section: IrCutSection, most_s: float = math.inf) -> None:
        self._night_s = min(section.night_exposure_s, _REACHABLE * most_s)
        # Where both are far below what is reachable, hysteresis has to stay.
        self._day_s = min(section.day_exposure_s, self._night_s / _BRIGHTER)
        self._after_ns = round(section.switch_after_s * NS_PER_S)
        self._settle_ns = round(min(SETTLE_S, section.switch_after_s) * NS_PER_S)
        self._beyond_since_ns: int | None = None
        self._switched_ns: int | None = None
        self._lamps_alone_s: float | None = None
        self.is_night = False

    def see(self, exposure_s: float, t_mono_ns: int) -> bool:
        """Take what a picture was exposed with; whether day or night has just begun.

        Args:
            exposure_s: exposure times gain, seconds.
            t_mono_ns: when the picture was taken; grows.
        """
        if self._switched_ns is not None:
            if t_mono_ns - self._switched_ns < self._settle_ns:
                return False
            self._switched_ns = None
            self._lamps_alone_s = exposure_s if self.is_night else None
        if not self._is_beyond(exposure_s):
            self._beyond_since_ns = None
            return False
        if self._beyond_since_ns is None:
            self._beyond_since_ns = t_mono_ns
        if t_mono_ns - self._beyond_since_ns < self._after_ns:
            return False
        self.is_night = not self.is_night
        self._switched_ns, self._beyond_since_ns = t_mono_ns, None
        return True

    def interrupt(self) -> None:
        """Pictures were missing: what they would have shown speaks for nothing."""
        self._beyond_since_ns = None

    def _is_beyond(self, exposure_s: float) -> bool:
        """Whether this speaks for a switch."""
        if not self.is_night:
            return exposure_s >= self._night_s
        limit_s = self._day_s
        if self._lamps_alone_s is not None:
            limit_s = min(limit_s, self._lamps_alone_s / _BRIGHTER)
        return exposure_s <= limit_s
