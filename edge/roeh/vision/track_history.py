"""What a track remembers beside its motion: who saw it, how surely, and what it was taken for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from roeh.core.clock import NS_PER_S
from roeh.core.types import Covariance, Detection, GroundPoint, Track

#: A sensor that has not seen a track for longer does not show it any more.
SHOWN_NS = NS_PER_S
_VOTE_MEMORY = 0.9


@dataclass(slots=True)
class Glimpse:
    """What a sensor last saw of a track."""

    confidence: float
    t_mono_ns: int


@dataclass(slots=True)
class History:
    """What a track remembers beside its motion."""

    id: int
    first_seen_mono_ns: int
    last: Detection
    last_seen_mono_ns: int
    confidence: float
    looks: int = 1
    hits: int = 1
    confirmed: bool = False
    seen: bool = True
    votes: dict[str, float] = field(default_factory=dict)
    glimpses: dict[str, Glimpse] = field(default_factory=dict)

    @property
    def best_sensor(self) -> str:
        """Of the sensors that see the track these days, the one that does most surely."""
        since_ns = self.last_seen_mono_ns - SHOWN_NS
        return max(
            (name for name, glimpse in self.glimpses.items() if glimpse.t_mono_ns >= since_ns),
            key=lambda name: (self.glimpses[name].confidence, name),
        )

    @property
    def label(self) -> str:
        """The label with most votes, older votes counting less."""
        return max(self.votes, key=lambda label: self.votes[label])

    def see(self, detection: Detection, t_mono_ns: int) -> None:
        """Take a detection that belongs to the track."""
        self.last, self.last_seen_mono_ns = detection, t_mono_ns
        self.confidence += 0.3 * (detection.confidence - self.confidence)
        self.looks += 1
        self.hits += 1
        self.seen = True
        self.note(detection, t_mono_ns)
        self.vote(detection)

    def note(self, detection: Detection, t_mono_ns: int) -> None:
        """Remember how surely the sensor sees the track."""
        glimpse = self.glimpses.get(detection.sensor)
        if glimpse is None:
            self.glimpses[detection.sensor] = Glimpse(detection.confidence, t_mono_ns)
            return
        glimpse.confidence += 0.3 * (detection.confidence - glimpse.confidence)
        glimpse.t_mono_ns = t_mono_ns

    def vote(self, detection: Detection) -> None:
        """Count a detection's label by its confidence."""
        for label in self.votes:
            self.votes[label] *= _VOTE_MEMORY
        self.votes[detection.label] = self.votes.get(detection.label, 0.0) + detection.confidence


def as_track(
    history: History, row: list[float], spread: list[list[float]], sigma: float, now_ns: int
) -> Track:
    """The track as others see it.

    Args:
        history: what it remembers.
        row: east and north in metres, velocity east and north in metres a second.
        spread: covariance (2, 2) of the place, square metres.
        sigma: of the speed, metres a second.
        now_ns: of the look.
    """
    east, north, velocity_east, velocity_north = row
    return Track(
        id=history.id,
        label=history.label,
        confidence=history.confidence,
        t_mono_ns=now_ns,
        position=GroundPoint(
            east_m=east,
            north_m=north,
            covariance=Covariance(
                east_east_m2=spread[0][0], east_north_m2=spread[0][1], north_north_m2=spread[1][1]
            ),
        ),
        velocity_east_mps=velocity_east,
        velocity_north_mps=velocity_north,
        speed_sigma_mps=sigma,
        bearing_deg=math.degrees(math.atan2(east, north)) % 360.0 % 360.0,
        range_m=math.hypot(east, north),
        first_seen_mono_ns=history.first_seen_mono_ns,
        last_seen_mono_ns=history.last_seen_mono_ns,
        dwell_s=(history.last_seen_mono_ns - history.first_seen_mono_ns) / NS_PER_S,
        confirmed=history.confirmed,
        seen=history.seen,
        sensor=history.last.sensor,
        best_sensor=history.best_sensor,
        box_sensor_px=history.last.box_sensor_px,
        outline_sensor_px=history.last.outline_sensor_px,
    )
