"""The truth of `make quality` is read off exact ways, with a margin either way."""

from __future__ import annotations

import pytest

from roeh.bench.rule_quality import Share
from roeh.core.config import (
    CrowdRule,
    LineCrossingRule,
    LineSection,
    LoiteringRule,
    NodeConfig,
    RunningRule,
    ZoneEntryRule,
    ZoneSection,
)
from tests.quality.play import Told
from tests.quality.scenes import Kind, scene_of
from tests.quality.score import judged
from tests.quality.stages import Camera, Weather, detect_of, section_of
from tests.quality.truth import Event, events_of
from tests.quality.ways import Way

ZONE = ZoneSection(name="yard", polygon_m=((-2, 6), (-2, 10), (2, 10), (2, 6)))
LINE = LineSection(name="gate", from_m=(0, 6), to_m=(0, 10))


def events(rule, *ways, duration_s=10.0):
    config = NodeConfig(
        sensors=(section_of(Camera.PINHOLE),),
        detect=detect_of(Camera.PINHOLE),
        zones=(ZONE,),
        lines=(LINE,),
        rules=(rule,),
    )
    return [
        (event.rule, event.doubtful, pytest.approx(event.due_s, abs=0.15))
        for event in events_of(config, ways, duration_s)
    ]


def walk(*places, stay_s=20.0, speed_mps=1.3):
    return Way.walked([(places[0], 0.5), *((place, stay_s) for place in places[1:])], speed_mps)


def test_a_zone_is_entered_when_the_visitor_is_clearly_inside_for_three_looks():
    rule = ZoneEntryRule(name="in", zone="yard")
    # Off at 0.5 s, half of 0.87 s lost in getting going; four sigmas are 0.86 m here.
    assert events(rule, walk((0, 4.0), (0, 8.5))) == [("in", False, 0.5 + 0.43 + 2.9 / 1.3 + 0.6)]
    assert events(rule, walk((-6, 8.0), (-2.8, 8.0))) == []
    assert [doubtful for _, doubtful, _ in events(rule, walk((-6, 8), (-2.0, 8)))] == [True]


def test_a_line_is_crossed_when_clearly_on_the_other_side_between_its_ends():
    rule = LineCrossingRule(name="over", line="gate")
    assert events(rule, walk((-3, 8), (3, 8))) == [("over", False, 0.5 + 0.43 + 3.9 / 1.3)]
    assert events(rule, walk((-3, 8), (-1, 8))) == []
    assert events(rule, walk((-1, 5), (-1, 11))) == []
    assert events(rule, walk((-3, 11.5), (3, 11.5))) == []
    assert [doubtful for _, doubtful, _ in events(rule, walk((-3, 8), (-0.1, 8)))] == [True]


def test_loitering_is_to_stay_for_the_dwell():
    rule = LoiteringRule(name="stays", dwell_s=5.0, radius_m=1.0)
    arrives_s = 0.5 + 4.0 / 1.3 + 0.87
    told = events(rule, walk((0, 4), (0, 8)), duration_s=11.0)
    # The last 0.4 m take seven tenths of a second.
    assert told == [("stays", False, arrives_s - 0.7 + 5.0)]
    assert events(rule, walk((0, 4), (0, 8), (0, 13), stay_s=0.3), duration_s=9.0) == []


def test_three_of_four_are_no_crowd():
    rule = CrowdRule(name="crowd", count=4, radius_m=2.0, duration_s=2.0)
    four = [walk((east, 5), (east, 8)) for east in (-1.0, -0.3, 0.4, 1.1)]
    assert [doubtful for _, doubtful, _ in events(rule, *four)] == [False]
    assert events(rule, *four[:3]) == []
    apart = [walk((3.5 * east, 5), (3.5 * east, 8)) for east in (-1.0, -0.3, 0.4, 1.1)]
    assert events(rule, *apart) == []


def test_to_run_is_a_pace_over_a_second_for_a_while():
    rule = RunningRule(name="runs")
    run = Way.dashed((-8, 9), (8, 9), [(0.0, 4.5)])
    assert events(rule, run, duration_s=3.5) == [("runs", False, 0.6 + 1.0 + 0.7)]
    assert events(rule, Way.dashed((-8, 9), (8, 9), [(0.0, 2.5)]), duration_s=5.0) == []


def test_what_is_told_twice_or_of_nobody_is_wrong_and_what_is_late_is_missed():
    scene = scene_of(Kind.RUNS, Camera.PINHOLE, Weather.DAY, 1)
    wanted = [one for one in scene.events if one.rule == "running" and not one.doubtful]
    assert wanted

    def told(event: Event, late_s: float) -> Told:
        return Told(event.rule, event.due_s + late_s, event.east_m, event.north_m)

    def running(*said: Told):
        return next(one for one in judged(scene, said) if one.rule_kind == "running")

    everything = running(*(told(one, 0.1) for one in wanted))
    assert (everything.events, everything.missed, everything.wrong) == (len(wanted), (), ())
    assert set(everything.delays_s) == {0.1}
    late = running(*(told(one, 2.5) for one in wanted))
    assert (len(late.missed), len(late.wrong)) == (len(wanted), len(wanted))
    doubtful = [one for one in scene.events if one.rule == "running" and one.doubtful]
    twice = running(*(told(one, 0.1) for one in wanted for _ in range(2)))
    assert bool(twice.wrong) or doubtful


def test_the_interval_is_wilsons():
    assert Share(196, 200).interval == pytest.approx((0.9497, 0.9922), abs=1e-4)
    assert Share(0, 0).interval == (0.0, 1.0)
