"""Tracks and frames for the tests of rules: who is where, when, how surely."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from roeh.core.clock import NS_PER_S
from roeh.core.config import FileSource, LensSection, NodeConfig, RuleSection, SensorSection
from roeh.core.types import (
    AlertPhase,
    Box,
    Covariance,
    EvidenceReference,
    Frame,
    GroundPoint,
    RuleKind,
    Track,
)
from roeh.vision.rules import Finding, RuleEngine
from roeh.vision.scene import Scene
from roeh.vision.tracker import Tracker
from tests.unit.walkers import detection_at

#: Tuesday, 14 November 2023, 22:13:20 UTC.
T0_UTC_NS = 1_700_000_000 * NS_PER_S
FPS = 5.0
Place = tuple[float, float]


def node(*rules: RuleSection, **sections: object) -> NodeConfig:
    """A pole with these rules."""
    sensor = SensorSection(
        source=FileSource(path="street.mp4"),
        lens=LensSection(width_px=2048, height_px=2048, fov_deg=185.0),
    )
    return NodeConfig(sensors=(sensor,), rules=rules, **sections)


def frame_at(t_s: float, *, utc_step_s: float = 0.0, camera_id: str = "dome") -> Frame:
    """The frame of that time; UTC may be stepped apart from monotonic time."""
    return Frame(
        camera_id=camera_id,
        seq=round(t_s * FPS),
        t_mono_ns=round(t_s * NS_PER_S),
        t_utc_ns=T0_UTC_NS + round((t_s + utc_step_s) * NS_PER_S),
        utc_error_ns=0,
        boot_id="boot",
        width_px=2048,
        height_px=2048,
        pixel_format="bgr24",
    )


def track_at(
    east_m: float,
    north_m: float,
    t_s: float,
    *,
    track_id: int = 1,
    first_s: float = 0.0,
    last_s: float | None = None,
    sigma_m: float = 0.15,
    label: str = "person",
    confirmed: bool = True,
    sensor: str = "dome",
    best_sensor: str | None = None,
) -> Track:
    """A track; `last_s` before `t_s` means that it coasts."""
    last_seen_s = t_s if last_s is None else last_s
    return Track(
        id=track_id,
        label=label,
        confidence=0.8,
        t_mono_ns=round(t_s * NS_PER_S),
        position=GroundPoint(
            east_m=east_m,
            north_m=north_m,
            covariance=Covariance(
                east_east_m2=sigma_m**2, east_north_m2=0.0, north_north_m2=sigma_m**2
            ),
        ),
        velocity_east_mps=0.0,
        velocity_north_mps=0.0,
        speed_sigma_mps=0.2,
        bearing_deg=math.degrees(math.atan2(east_m, north_m)) % 360.0,
        range_m=math.hypot(east_m, north_m),
        first_seen_mono_ns=round(first_s * NS_PER_S),
        last_seen_mono_ns=round(last_seen_s * NS_PER_S),
        dwell_s=last_seen_s - first_s,
        confirmed=confirmed,
        seen=last_seen_s == t_s,
        sensor=sensor,
        best_sensor=best_sensor or sensor,
        box_sensor_px=Box(0, 0, 10, 20),
        outline_sensor_px=((0, 0), (10, 0), (10, 20), (0, 20)),
    )


def finding_at(
    rule: str,
    east_m: float,
    north_m: float,
    *,
    number: int = 1,
    phase: AlertPhase = AlertPhase.RAISED,
    track_ids: tuple[int, ...] = (1,),
    kind: RuleKind = RuleKind.ZONE_ENTRY,
) -> Finding:
    """What a rule tells of somebody there."""
    return Finding(
        rule=rule,
        rule_kind=kind,
        number=number,
        phase=phase,
        priority=5,
        zone=None,
        label="person",
        confidence=0.8,
        position=track_at(east_m, north_m, 0.0).position,
        track_ids=track_ids,
        count=len(track_ids),
        dwell_s=0.0,
        evidence=EvidenceReference("dome", 0, 0, 0, 0),
    )


def times(from_s: float, to_s: float, fps: float = FPS) -> list[float]:
    """Times of frames, the end left out."""
    return [round(n / fps, 6) for n in range(round(from_s * fps), round(to_s * fps))]


def play(
    engine: RuleEngine,
    where: Callable[[float], Iterable[Track]],
    from_s: float,
    to_s: float,
    **frame: object,
) -> list[tuple[float, Finding]]:
    """Run an engine over a scene; everything it found, with its time."""
    return [
        (t_s, finding)
        for t_s in times(from_s, to_s)
        for finding in engine.update(Scene(frame=frame_at(t_s, **frame), tracks=tuple(where(t_s))))
    ]


def standing(places: Mapping[int, Place], **track: object) -> Callable[[float], list[Track]]:
    """People who stand, by track id."""
    return lambda t_s: [
        track_at(east_m, north_m, t_s, track_id=track_id, **track)
        for track_id, (east_m, north_m) in places.items()
    ]


def walking(start: Place, velocity_mps: Place, **track: object) -> Callable[[float], list[Track]]:
    """One who walks on, from where they are at time 0."""
    return lambda t_s: [
        track_at(start[0] + velocity_mps[0] * t_s, start[1] + velocity_mps[1] * t_s, t_s, **track)
    ]


def nobody(t_s: float) -> list[Track]:
    """An empty street."""
    return []


def phases(found: Iterable[tuple[float, Finding]]) -> list[str]:
    """The phases alone."""
    return [finding.phase.value for _, finding in found]


def raised(found: Iterable[tuple[float, Finding]]) -> list[tuple[float, Finding]]:
    """Only what was raised."""
    return [(t_s, f) for t_s, f in found if f.phase is AlertPhase.RAISED]


def tracked_stander(
    place: Place, sigma_m: float, *, seed: int
) -> Callable[[float], tuple[Track, ...]]:
    """One who stands still, as the tracker sees them.

    Half the variance of each detection is new in each look.
    """
    rng = np.random.default_rng(seed)
    tracker = Tracker()

    def look(t_s: float) -> tuple[Track, ...]:
        east_m, north_m = rng.normal(place, math.sqrt(0.5) * sigma_m)
        return tracker.update(
            [detection_at(east_m, north_m, sigma_m=sigma_m)], round(t_s * NS_PER_S)
        )

    return look
