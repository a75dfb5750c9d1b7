"""What holds for any coming and going: each alert lives once, and only in its hours."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from roeh.core.config import (
    CrowdRule,
    DispersalRule,
    LineCrossingRule,
    LineSection,
    LoiteringRule,
    RunningRule,
    ScheduleSection,
    VehicleStoppedRule,
    ZoneEntryRule,
    ZoneSection,
)
from roeh.core.schedule import Schedule
from roeh.core.types import AlertPhase, Track
from roeh.vision.rules import RuleEngine
from roeh.vision.scene import Scene
from tests.unit.rule_scenes import (
    FPS,
    frame_at,
    node,
    play,
    raised,
    times,
    track_at,
    tracked_stander,
)

YARD = ZoneSection(name="yard", polygon_m=((-2, -2), (4, -2), (4, 5), (-2, 5)))
RING = ZoneSection(name="ring", bearing_from_deg=300, bearing_to_deg=60, range_to_m=9)
GATE = LineSection(name="gate", from_m=(0, -6), to_m=(0, 6))
RULES = (
    ZoneEntryRule(name="entry", zone="yard", cool_down_s=2.0),
    ZoneEntryRule(name="sector", zone="ring", min_frames=1, of_frames=1, cool_down_s=0.0),
    LineCrossingRule(name="cross", line="gate", cool_down_s=1.0),
    LoiteringRule(name="loiter", dwell_s=3.0, radius_m=2.0, cool_down_s=0.0),
    CrowdRule(name="crowd", count=2, radius_m=3.0, duration_s=1.0, cool_down_s=1.0),
    RunningRule(name="run", speed_mps=1.0, duration_s=0.2, cool_down_s=0.0),
    DispersalRule(name="scatter", count=3, radius_m=6.0, speed_mps=0.1, cool_down_s=0.0),
    VehicleStoppedRule(name="stop", labels=("person",), dwell_s=2.0, cool_down_s=0.0),
)
LASTS_S = 20.0


@st.composite
def comings_and_goings(draw: st.DrawFn) -> dict[float, tuple[Track, ...]]:
    """Random walks that begin, pause, coast and end as they please."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scene: dict[float, list[Track]] = {t_s: [] for t_s in times(0, LASTS_S)}
    for track_id in range(1, draw(st.integers(1, 6)) + 1):
        place, heading = rng.uniform(-8, 8, 2), rng.uniform(0, 2 * math.pi)
        first_s = last_s = float(rng.integers(0, 60)) / FPS
        for t_s in times(first_s, min(LASTS_S, first_s + rng.uniform(1, 15))):
            heading += rng.normal(0, 0.3)
            place = place + rng.uniform(0, 2.5) / FPS * np.array(
                [math.sin(heading), math.cos(heading)]
            )
            last_s = t_s if rng.random() < 0.8 else last_s
            scene[t_s].append(
                track_at(
                    *place,
                    t_s,
                    track_id=track_id,
                    first_s=first_s,
                    last_s=last_s,
                    sigma_m=float(rng.uniform(0.05, 1.5)),
                )
            )
    return {t_s: tuple(tracks) for t_s, tracks in scene.items()}


@settings(max_examples=40, deadline=None)
@given(scene=comings_and_goings())
def test_every_alert_is_raised_once_then_perhaps_updated_then_cleared_once(
    scene: dict[float, tuple[Track, ...]],
):
    engine = RuleEngine(node(*RULES, zones=(YARD, RING), lines=(GATE,)))

    found = play(engine, lambda t_s: scene.get(t_s, ()), 0, LASTS_S + 20)

    lives: dict[tuple[str, int], list[AlertPhase]] = {}
    for _, finding in found:
        lives.setdefault((finding.rule, finding.number), []).append(finding.phase)
        assert finding.count == len(set(finding.track_ids)) >= 1
        assert finding.dwell_s >= 0
    for life in lives.values():
        assert life[0] is AlertPhase.RAISED
        assert life[-1] is AlertPhase.CLEARED  # nobody is there any more
        assert set(life[1:-1]) <= {AlertPhase.UPDATED}


@settings(max_examples=25, deadline=None)
@given(
    scene=comings_and_goings(),
    start_min=st.integers(0, 24 * 60 - 1),
    end_min=st.integers(0, 24 * 60 - 1),
    first_utc_min=st.integers(0, 7 * 24 * 60),
)
def test_nothing_is_raised_or_stays_raised_outside_the_schedule(
    scene: dict[float, tuple[Track, ...]], start_min: int, end_min: int, first_utc_min: int
):
    hours = ScheduleSection(
        name="hours",
        days=("mon", "wed", "sun"),
        start=f"{start_min // 60:02}:{start_min % 60:02}",
        end=f"{end_min // 60:02}:{end_min % 60:02}",
    )
    rules = tuple(type(rule)(**{**_fields(rule), "schedule": "hours"}) for rule in RULES)
    engine = RuleEngine(node(*rules, zones=(YARD, RING), lines=(GATE,), schedules=(hours,)))
    schedule = Schedule(hours, "UTC")
    up: set[tuple[str, int]] = set()
    for t_s in times(0, LASTS_S):
        # A minute a frame, so that the schedule comes and goes within the scene.
        frame = frame_at(t_s, utc_step_s=60.0 * (first_utc_min + t_s * FPS))
        for finding in engine.update(Scene(frame=frame, tracks=scene.get(t_s, ()))):
            key = (finding.rule, finding.number)
            up = up - {key} if finding.phase is AlertPhase.CLEARED else up | {key}
        assert schedule.holds(frame.t_utc_ns) or not up


def _fields(rule: object) -> dict[str, object]:
    return {name: getattr(rule, name) for name in rule.__struct_fields__}


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    sigma_m=st.floats(0.05, 1.0),
    along_m=st.floats(-1.0, 4.0),
)
def test_a_stander_on_a_border_does_not_chatter(seed: int, sigma_m: float, along_m: float):
    """Half a minute on the edge of a zone that is also a line."""
    edge = LineSection(name="edge", from_m=(4, -2), to_m=(4, 5))
    rules = (
        ZoneEntryRule(name="entry", zone="yard", cool_down_s=0.0),
        LineCrossingRule(name="cross", line="edge", cool_down_s=0.0),
    )
    engine = RuleEngine(node(*rules, zones=(YARD,), lines=(edge,)))

    found = play(engine, tracked_stander((4.0, along_m), sigma_m, seed=seed), 0, 30)

    assert len(raised(found)) <= 2


@settings(max_examples=20, deadline=None)
@given(scene=comings_and_goings(), utc_step_s=st.floats(-1e6, 1e6))
def test_utc_does_not_matter_to_rules_without_schedule(
    scene: dict[float, tuple[Track, ...]], utc_step_s: float
):
    one, other = (RuleEngine(node(*RULES, zones=(YARD, RING), lines=(GATE,))) for _ in range(2))

    assert play(one, lambda t_s: scene.get(t_s, ()), 0, LASTS_S) == play(
        other, lambda t_s: scene.get(t_s, ()), 0, LASTS_S, utc_step_s=utc_step_s
    )
