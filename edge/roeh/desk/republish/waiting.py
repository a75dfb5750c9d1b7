"""When a parent patrol may be told: how long ago an alert was, by clocks that may be wrong.

A text waits for `delay_s` after the alert and is gone `expire_s` after that. Neither a restart
nor a clock that is set may make the wait shorter, so an age is an interval: the delay is over
when the alert is certainly that old, and the text is gone when the alert may be that old.

| between storing and now | adds to both |
| --- | --- |
| the same boot | monotonic time, whatever was done to the clock |
| another boot, the clock synchronised then and now | UTC |
| another boot, not synchronised | nothing to the certain age, UTC to the possible one |

Pure: no clock is asked here.
"""

from __future__ import annotations

import enum

import msgspec

from roeh.core.clock import ClockReading
from roeh.core.types import ClockState


class Stamp(msgspec.Struct, frozen=True):
    """When something was put into the database, on every time scale."""

    t_utc_us: int
    t_mono_us: int
    boot_id: str
    synchronised: bool


class Age(msgspec.Struct, frozen=True):
    """How long ago, at least and at most; microseconds."""

    least_us: int
    most_us: int


class Due(enum.Enum):
    """What is to be done with a text that waits."""

    WAIT = "wait"
    TELL = "tell"
    EXPIRED = "expired"


def stamp(now: ClockReading) -> Stamp:
    """This instant, as it is kept."""
    return Stamp(
        t_utc_us=now.t_utc_ns // 1000,
        t_mono_us=now.t_mono_ns // 1000,
        boot_id=now.boot_id,
        synchronised=now.synchronised,
    )


def age_when_seen(
    *, t_alert_utc_us: int, pole_clock: ClockState, t_received_utc_us: int, now: Stamp
) -> Age:
    """How old an alert is when the republisher first sees it.

    Args:
        t_alert_utc_us: of the alert, by the pole's clock.
        pole_clock: what may be believed of that.
        t_received_utc_us: when the desk stored it, by the desk's clock.
        now: when it is seen.
    """
    since_received_us = max(0, now.t_utc_us - t_received_utc_us)
    if not pole_clock.synchronised:
        return Age(0, since_received_us)
    since_alert_us = now.t_utc_us - t_alert_utc_us
    most_us = max(since_received_us, since_alert_us + pole_clock.error_us, 0)
    if not now.synchronised:
        return Age(0, most_us)
    return Age(max(0, since_alert_us - pole_clock.error_us), most_us)


def age_now(seen: Age, then: Stamp, now: Stamp) -> Age:
    """The age of what was `seen` at `then`."""
    if now.boot_id == then.boot_id:
        passed_us = max(0, now.t_mono_us - then.t_mono_us)
        return Age(seen.least_us + passed_us, seen.most_us + passed_us)
    passed_us = max(0, now.t_utc_us - then.t_utc_us)
    certain_us = passed_us if now.synchronised and then.synchronised else 0
    return Age(seen.least_us + certain_us, seen.most_us + passed_us)


def due(age: Age, *, delay_us: int, expire_us: int) -> Due:
    """What is to be done at this age; what expired is never told."""
    if age.most_us >= delay_us + expire_us:
        return Due.EXPIRED
    return Due.TELL if age.least_us >= delay_us else Due.WAIT


def left_us(age: Age, *, delay_us: int, expire_us: int) -> int:
    """For how long a text told now may still be kept."""
    return max(0, delay_us + expire_us - age.most_us)
