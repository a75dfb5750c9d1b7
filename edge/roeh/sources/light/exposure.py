"""How long a camera gathers light, and with how much gain, from how bright the ground is. Pure.

Why not libcamera's own: its metering knows regions only through each sensor's tuning file
(rpi.agc, whose zones differ from VC4 to PiSP), and a longest exposure below the frame's
duration likewise. With exposure and gain set by hand it is the same on every camera, and
what is measured is the ground that this camera sees as it hangs.

Each step is computed from the exposure that the measured picture itself had, so what is
still on its way through sensor and driver does no harm. A camera's answer is concave
(gamma), so a step never overshoots: it falls short of the target, and the next is smaller.
"""

from __future__ import annotations

import math

import msgspec

from roeh.core.clock import NS_PER_S

#: Mean of the ground aimed at, of full scale: a street by day is a little darker than grey.
TARGET = 0.42
#: Black and white of luma in limited range (ITU-R BT.601).
_BLACK, _WHITE = 16, 235
#: Log2 of how far off the mean may be before anything is done, and when it is done.
_STARTS_AT_EV = 0.45
_DONE_AT_EV = 0.12
#: How long it must be off: headlights pass.
_STARTS_AFTER_NS = NS_PER_S // 2
#: The most that one step changes.
_MAX_STEP_EV = 2.0
#: A picture within this of what was asked for has it.
_SAME_EV = 0.1
#: Pictures to wait for one that has it; a driver rounds, and may never come as near.
_PATIENCE = 10
#: A longer exposure is taken only when it leaves this much gain, lest it goes back and forth.
_SPARE_GAIN = 1.2
#: Luma of nothing at all still tells that it is dark.
_LEAST_LEVEL = 1 / 256


class Exposure(msgspec.Struct, frozen=True):
    """What one picture is taken with; `gain` 1 or more."""

    exposure_us: int
    gain: float

    @property
    def total_us(self) -> float:
        """Microseconds at gain 1."""
        return self.exposure_us * self.gain


class ExposureLimits(msgspec.Struct, frozen=True):
    """Between which exposures lie.

    Attributes:
        half_period_us: of the mains; 0: no lamps that beat.
        least_us: the sensor's shortest.
        most_us: the longest, by blur and by the frame's duration.
        most_gain: the highest.
    """

    half_period_us: float
    least_us: int
    most_us: int
    most_gain: float

    def bounded(self, total_us: float) -> float:
        """The nearest that can be done."""
        return min(max(total_us, float(self.least_us)), self.most_us * self.most_gain)

    def split(self, total_us: float, now: Exposure | None = None) -> Exposure:
        """Exposure and gain for so much light: whole half periods first, then gain.

        Below half a period, by day, no exposure is free of beats: then it is as short as
        it has to be. `now` is kept where it still serves.
        """
        total_us = self.bounded(total_us)
        half_us = self.half_period_us
        most = math.floor(self.most_us / half_us + 1e-6) if half_us else 0
        if most == 0 or total_us < half_us:
            exposure_us = min(total_us, float(self.most_us))
        else:
            halves = min(math.floor(total_us / half_us + 1e-6), most)
            held = 0 if now is None else round(now.exposure_us / half_us)
            if 0 < held < halves and total_us < halves * half_us * _SPARE_GAIN:
                halves = max(held, halves - 1)
            exposure_us = halves * half_us
        whole_us = max(round(exposure_us), self.least_us)
        return Exposure(whole_us, min(max(total_us / whole_us, 1.0), self.most_gain))


class ExposureLoop:
    """Follows the light of one camera.

    Args:
        limits: between which exposures lie.
        now: what the camera begins with.
    """

    def __init__(self, limits: ExposureLimits, now: Exposure | None = None) -> None:
        self._limits = limits
        self._asked = limits.split((now or Exposure(10_000, 2.0)).total_us)
        self._off_since_ns: int | None = None
        self._is_moving = True
        self._waited = 0

    @property
    def asked(self) -> Exposure:
        """What the camera is to have now."""
        return self._asked

    def see(self, mean_luma: float, taken_with: Exposure, t_mono_ns: int) -> Exposure | None:
        """What to ask for after a picture; None for no change.

        Args:
            mean_luma: of the ground in it, 0 to 255, limited range.
            taken_with: what it was taken with, as the camera tells.
            t_mono_ns: when.
        """
        self._waited += 1
        has_it = abs(_ev(taken_with.total_us, self._asked.total_us)) < _SAME_EV
        if not has_it and self._waited < _PATIENCE:
            return None
        level = max((mean_luma - _BLACK) / (_WHITE - _BLACK), _LEAST_LEVEL)
        off_ev = _ev(TARGET, level)
        step = 2 ** min(max(off_ev, -_MAX_STEP_EV), _MAX_STEP_EV)
        wanted = self._limits.split(taken_with.total_us * step, self._asked)
        if has_it and abs(_ev(wanted.total_us, self._asked.total_us)) < _DONE_AT_EV / 2:
            # At a limit, or as near as it gets.
            self._is_moving, self._off_since_ns = False, None
            return None
        if not self._is_to_move(off_ev, t_mono_ns):
            return None
        self._asked, self._waited = wanted, 0
        return wanted

    def _is_to_move(self, off_ev: float, t_mono_ns: int) -> bool:
        """Hysteresis: begun when it is well off for a while, done when it is near."""
        if self._is_moving:
            self._is_moving = abs(off_ev) > _DONE_AT_EV
        elif abs(off_ev) <= _STARTS_AT_EV:
            self._off_since_ns = None
        elif self._off_since_ns is None:
            self._off_since_ns = t_mono_ns
        elif t_mono_ns - self._off_since_ns >= _STARTS_AFTER_NS:
            self._is_moving, self._off_since_ns = True, None
        return self._is_moving


def _ev(one: float, other: float) -> float:
    """How many times one is twice the other."""
    return math.log2(one / other)
