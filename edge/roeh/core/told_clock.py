"""How the kernel keeps the clock, told in a file to those whose sandbox forbids asking it.

Evidence may ask (adjtimex(2)) and tells every second. What was told holds for a minute: meanwhile
the clock can have drifted by the 500 ppm that the kernel itself reckons with, which are added.
Somebody who set the clock meanwhile shows, since nothing but that changes how far UTC is from
monotonic time. Whatever is older, of another boot or not evidence's own file says nothing: then
the clock counts as unsynchronised.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

from roeh.core.clock import NS_PER_S, UNKNOWN_DISCIPLINE, Clock, ClockReading, Discipline
from roeh.core.durable_files import write_all
from roeh.core.log import log_for

TOLD_EVERY_S = 1.0
_HOLDS_NS = 60 * NS_PER_S
_LOOKED_AT_EVERY_NS = NS_PER_S // 2
#: MAXFREQ of the kernel (linux/timex.h), by which it lets its own bound grow.
_DRIFT_PPM = 500
_PPM = 1_000_000
#: Less passes between two looks at two clocks on a busy machine.
_STEP_NS = NS_PER_S // 10
_MAX_BYTES = 1024
_MODE = 0o644

_LOG = log_for("clock")


def tell_clock(path: Path, clock: Clock) -> None:
    """Write what the clock says now, in one step.

    Raises:
        OSError: nothing was told.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    # What lies there may be a link, or another's.
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    try:
        write_all(descriptor, msgspec.json.encode(clock.read()))
        os.fchmod(descriptor, _MODE)
    finally:
        os.close(descriptor)
    fresh.replace(path)


class ToldClock:
    """What evidence told last, for an instant soon after.

    Args:
        path: evidence's file.
        owner_uid: its user; a file of anybody else's is not believed.
    """

    def __init__(self, path: Path, owner_uid: int) -> None:
        self._path, self._owner_uid = path, owner_uid
        self._told: ClockReading | None = None
        self._looked_mono_ns = 0
        self._was_known = True

    def at(self, t_mono_ns: int, t_utc_ns: int, boot_id: str) -> Discipline:
        """How the clock was kept when it read this."""
        if self._told is None or t_mono_ns - self._looked_mono_ns >= _LOOKED_AT_EVERY_NS:
            self._told, self._looked_mono_ns = self._read(), t_mono_ns
        told = self._told
        # Evidence may have told between the look at the clock and the look at the file.
        is_known = (
            told is not None
            and told.boot_id == boot_id
            and -NS_PER_S < t_mono_ns - told.t_mono_ns <= _HOLDS_NS
        )
        self._say(is_known=is_known)
        if told is None or not is_known or not told.synchronised:
            return UNKNOWN_DISCIPLINE
        age_ns = t_mono_ns - told.t_mono_ns
        moved_ns = abs(t_utc_ns - told.t_utc_ns - age_ns)
        if moved_ns >= _STEP_NS:
            return UNKNOWN_DISCIPLINE
        drift_ns = abs(age_ns) * _DRIFT_PPM // _PPM
        return Discipline(True, told.utc_error_ns + drift_ns + moved_ns)

    def _read(self) -> ClockReading | None:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(self._path, flags)
        except OSError:
            return None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != self._owner_uid:
                return None
            return msgspec.json.decode(os.read(descriptor, _MAX_BYTES), type=ClockReading)
        except (OSError, msgspec.MsgspecError):
            return None
        finally:
            os.close(descriptor)

    def _say(self, *, is_known: bool) -> None:
        if is_known != self._was_known:
            self._was_known = is_known
            if is_known:
                _LOG.info("evidence tells again how the clock is kept")
            else:
                _LOG.warning(
                    "evidence does not tell how the clock is kept (%s): until it does, times "
                    "count as unsynchronised; see roeh-evidence.service",
                    self._path,
                )
