"""Somebody runs: faster than walking for a while, and by more than their speed may be wrong."""

from __future__ import annotations

import math
from collections.abc import Collection

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.config import RunningRule
from roeh.core.types import Frame, RuleKind, Track
from roeh.vision.rules.finding import Condition
from roeh.vision.rules.geometry import Area
from roeh.vision.rules.pace import WINDOW_S, PaceMeter
from roeh.vision.rules.presence import Presence
from roeh.vision.scene import Scene

#: A speed counts when it is so many sigmas of its own.
_SIGMAS = 3.0
#: Each half of the window at least this share of the speed: a jump is no running.
_LEAST_HALF = 0.5
#: Who runs goes on running down to this share of the speed ...
_STILL_SHARE = 0.75
#: ... and for so long below it, or unseen.
_BRIDGE_S = 1.5
#: A bicycle this near that goes the same way, but for so much, carries who is seen there ...
_RIDE_M, _RIDE_MPS = 1.5, 1.5
#: ... also while it is not seen for so long: of the two the network knows it less surely.
_RIDE_S = 2.0
#: Who is lost in full run and found under another number is the same alert within so far.
_SAME_M = 4.0


class _Run(msgspec.Struct):
    """What one track's last seconds were; mutable, private to the rule.

    Attributes:
        number: of the run that was found last.
        started: the frame with which that run began.
        fast_since: the frame since which no look was too slow; None otherwise.
        still_ns: when it was last as fast as somebody who goes on running.
        rode_ns: when a bicycle or motorcycle last carried it; None: never.
    """

    track: Track
    meter: PaceMeter
    number: int = 0
    started: Frame | None = None
    fast_since: Frame | None = None
    still_ns: int = 0
    rode_ns: int | None = None
    holds: bool = False


class Running:
    """One occurrence for each who runs."""

    kind = RuleKind.RUNNING

    def __init__(self, settings: RunningRule, area: Area | None) -> None:
        self.place: str | None = settings.zone or None
        self._settings = settings
        self._presence = Presence(area)
        self._runs: dict[int, _Run] = {}
        self._count = 0

    def update(self, scene: Scene) -> list[Condition]:
        """A condition for each who has run long enough."""
        tracks, frame = scene.tracks, scene.frame
        now_ns = frame.t_mono_ns
        inside = self._presence.update(tracks, now_ns)
        live = {track.id for track in tracks}
        self._runs = {key: run for key, run in self._runs.items() if key in live}
        for track in tracks:
            if track.seen:
                self._look(track, frame, scene.wheels, is_inside=track.id in inside)
        for run in self._runs.values():
            run.holds &= now_ns - run.still_ns <= _BRIDGE_S * NS_PER_S
        return [
            Condition(
                key=f"run-{run.number}",
                cool_key=f"track-{run.track.id}",
                cool_radius_m=_SAME_M,
                tracks=(run.track,),
                position=run.track.position,
                started=run.started,
            )
            for run in self._runs.values()
            if run.holds and run.started is not None
        ]

    def _look(
        self, track: Track, frame: Frame, wheels: Collection[Track], *, is_inside: bool
    ) -> None:
        run = self._runs.setdefault(track.id, _Run(track, PaceMeter()))
        run.track = track
        if any(_rides(track, wheel) for wheel in wheels):
            run.rode_ns = frame.t_mono_ns
        is_riding = run.rode_ns is not None and frame.t_mono_ns - run.rode_ns <= _RIDE_S * NS_PER_S
        pace = run.meter.look(track)
        if pace is None and is_inside:
            # Too few looks to tell: somebody who was fast a moment ago is not known to be slow.
            if frame.t_mono_ns - run.still_ns > WINDOW_S * NS_PER_S:
                run.fast_since = None
            return
        if pace is None or not is_inside or is_riding:
            run.fast_since = None
            return
        wanted_mps = self._settings.speed_mps
        is_real = pace.slower_half_mps >= _LEAST_HALF * wanted_mps
        if is_real and pace.speed_mps >= _STILL_SHARE * wanted_mps:
            run.still_ns = frame.t_mono_ns
        is_sure = pace.speed_mps >= _SIGMAS * track.speed_sigma_mps
        if not (is_real and is_sure and pace.speed_mps >= wanted_mps):
            run.fast_since = None
            return
        run.fast_since = run.fast_since or frame
        fast_ns = frame.t_mono_ns - run.fast_since.t_mono_ns
        if not run.holds and fast_ns >= self._settings.duration_s * NS_PER_S:
            self._count += 1
            run.number, run.started, run.holds = self._count, run.fast_since, True


def _rides(track: Track, wheel: Track) -> bool:
    """Whether a person moves with a bicycle or motorcycle; who runs past a parked one does not."""
    apart = (
        track.position.east_m - wheel.position.east_m,
        track.position.north_m - wheel.position.north_m,
    )
    astray = (
        track.velocity_east_mps - wheel.velocity_east_mps,
        track.velocity_north_mps - wheel.velocity_north_mps,
    )
    is_person = track.label == "person"
    return is_person and math.hypot(*apart) <= _RIDE_M and math.hypot(*astray) <= _RIDE_MPS
