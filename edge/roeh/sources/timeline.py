"""When each frame was taken: presentation times made orderly, and set against a clock.

Files lie about time: stamps are missing, negative, run backwards or leap. What leaves
here grows with every frame.
"""

from __future__ import annotations

import threading

from roeh.core.clock import NS_PER_S, Clock, ClockReading
from roeh.core.types import Frame, Light
from roeh.media.decode import PictureFormat

#: The least time between two frames: distinct on the wire, where times are in us.
MIN_STEP_NS = 1_000
#: A step back or a leap forward beyond these is a splice in the footage, not time.
MAX_BACK_NS = NS_PER_S
MAX_LEAP_NS = 60 * NS_PER_S
#: How far a live source may fall behind its footage before it lets the footage wait.
MAX_LAG_NS = NS_PER_S // 2
#: Drift of a camera's clock against ours that is followed, parts per million.
MAX_DRIFT_PPM = 100
#: A camera whose stamps disagree with their arrival by more has restarted its count.
MAX_TRANSIT_NS = 2 * NS_PER_S


class FootageTimeline:
    """Presentation stamps as time since the first frame, growing with every frame.

    Args:
        step_ns: what one frame takes where the stamps do not tell.
    """

    def __init__(self, step_ns: int) -> None:
        self._step_ns = max(step_ns, MIN_STEP_NS)
        self._origin_ns: int | None = None
        self._last_ns: int | None = None

    def place(self, pts_ns: int | None) -> int:
        """Time of the next frame since the first one.

        A small step back is held at the last time; a large one, or a leap, is a splice
        and takes one frame's time.
        """
        last_ns = self._last_ns
        if last_ns is None:
            since_ns = 0
            self._origin_ns = pts_ns
        elif pts_ns is None or self._origin_ns is None:
            since_ns = last_ns + self._step_ns
            self._origin_ns = None if pts_ns is None else pts_ns - since_ns
        else:
            since_ns = pts_ns - self._origin_ns
            if not last_ns - MAX_BACK_NS <= since_ns <= last_ns + MAX_LEAP_NS:
                since_ns = last_ns + self._step_ns
                self._origin_ns = pts_ns - since_ns
            since_ns = max(since_ns, last_ns + MIN_STEP_NS)
        self._last_ns = since_ns
        return since_ns

    def splice(self) -> None:
        """The next frame begins other footage: it follows one frame's time later."""
        self._origin_ns = None


class LiveTimeline:
    """A camera's own stamps set against their arrival, without the network's jitter.

    A picture never arrives before it was taken, so the least transit seen is the best
    estimate of the constant part; it may grow by the drift of the camera's clock. A stamp that
    stands still tells nothing: then the arrival is the time.

    Args:
        after_ns: time of the last frame before; all of these are later.
    """

    def __init__(self, after_ns: int = 0) -> None:
        self._transit_ns: int | None = None
        self._last_pts_ns: int | None = None
        self._last_ns = after_ns

    def place(self, pts_ns: int | None, arrival_ns: int) -> int:
        """Monotonic time of a frame that arrived at `arrival_ns`."""
        taken_ns = arrival_ns
        if pts_ns is not None and pts_ns != self._last_pts_ns:
            transit_ns = arrival_ns - pts_ns
            if self._transit_ns is not None and abs(transit_ns - self._transit_ns) < MAX_TRANSIT_NS:
                drift_ns = abs(pts_ns - (self._last_pts_ns or 0)) * MAX_DRIFT_PPM // 1_000_000
                transit_ns = min(transit_ns, self._transit_ns + drift_ns)
            self._transit_ns, self._last_pts_ns = transit_ns, pts_ns
            taken_ns = pts_ns + transit_ns
        self._last_ns = max(taken_ns, self._last_ns + MIN_STEP_NS)
        return self._last_ns

    def locate(self, pts_ns: int | None, arrival_ns: int) -> int:
        """Monotonic time of a coded picture by what the frames have shown so far.

        Unlike `place` it changes nothing: pictures are coded in another order than shown.
        """
        if pts_ns is None or pts_ns == self._last_pts_ns:
            return arrival_ns
        transit_ns = arrival_ns - pts_ns
        if self._transit_ns is not None and abs(transit_ns - self._transit_ns) < MAX_TRANSIT_NS:
            transit_ns = self._transit_ns
        return pts_ns + transit_ns


class Pacer:
    """Sets footage against a clock, and lets each frame wait until it is due.

    Args:
        clock: the node's, or a simulated one.
        paced: whether frames wait. If not, the clock is read once and times run on
            from there by the footage alone: the same footage gives the same times.
    """

    def __init__(self, clock: Clock, *, paced: bool) -> None:
        self._clock = clock
        self._paced = paced
        self._start: ClockReading | None = None
        self._base_ns = 0

    def wait_until(self, since_ns: int, stop: threading.Event) -> ClockReading | None:
        """The instant of a frame `since_ns` after the first one; None when told to stop."""
        if stop.is_set():
            return None
        if self._start is None:
            self._start = self._clock.read()
            self._base_ns = self._start.t_mono_ns - since_ns
        if not self._paced:
            return moved(self._start, self._base_ns + since_ns)
        ahead_ns = self._base_ns + since_ns - self._clock.mono_ns()
        if ahead_ns > 0 and self._clock.wait(ahead_ns / NS_PER_S, stop):
            return None
        if ahead_ns < -MAX_LAG_NS:
            self._base_ns -= ahead_ns
        return moved(self._clock.read(), self._base_ns + since_ns)


def moved(reading: ClockReading, t_mono_ns: int) -> ClockReading:
    """What the clock would have read at another monotonic time near by."""
    return ClockReading(
        t_mono_ns=t_mono_ns,
        t_utc_ns=reading.t_utc_ns + t_mono_ns - reading.t_mono_ns,
        utc_error_ns=reading.utc_error_ns,
        synchronised=reading.synchronised,
        boot_id=reading.boot_id,
    )


def reading_at(clock: Clock, t_mono_ns: int) -> ClockReading:
    """What the clock read at a monotonic time just past."""
    return moved(clock.read(), t_mono_ns)


def frame_at(
    camera_id: str,
    seq: int,
    at: ClockReading,
    layout: PictureFormat,
    light: Light | None = None,
) -> Frame:
    """What is known of a frame taken at that instant."""
    return Frame(
        camera_id=camera_id,
        seq=seq,
        t_mono_ns=at.t_mono_ns,
        t_utc_ns=at.t_utc_ns,
        utc_error_ns=at.utc_error_ns,
        boot_id=at.boot_id,
        width_px=layout.size.width_px,
        height_px=layout.size.height_px,
        pixel_format=layout.pixel_format,
        light=light,
    )
