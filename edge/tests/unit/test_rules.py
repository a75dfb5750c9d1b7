"""What the rules promise: who raises an alert, when it is updated, when it is cleared."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from roeh.core.clock import NS_PER_S
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
from roeh.core.config.load import parse_config
from roeh.core.types import RuleKind, Track
from roeh.vision.rules import RuleEngine
from roeh.vision.rules.crowd import fullest_circle
from roeh.vision.scene import Scene
from tests.unit.rule_scenes import (
    frame_at,
    nobody,
    node,
    phases,
    play,
    raised,
    standing,
    track_at,
    tracked_stander,
    walking,
)

YARD = ZoneSection(name="yard", polygon_m=((0, 0), (6, 0), (6, 6), (0, 6)))
GATE = LineSection(name="gate", from_m=(0, 0), to_m=(0, 4))


def yard_engine(**rule: object) -> RuleEngine:
    return RuleEngine(node(ZoneEntryRule(name="entry", zone="yard", **rule), zones=(YARD,)))


def gate_engine(**rule: object) -> RuleEngine:
    return RuleEngine(node(LineCrossingRule(name="cross", line="gate", **rule), lines=(GATE,)))


def loiter_engine(**rule: object) -> RuleEngine:
    settings = {"dwell_s": 10.0, "radius_m": 2.0, **rule}
    return RuleEngine(node(LoiteringRule(name="loiter", **settings), zones=(YARD,)))


def crowd_engine(**rule: object) -> RuleEngine:
    settings = {"count": 3, "radius_m": 2.0, "duration_s": 4.0, **rule}
    return RuleEngine(node(CrowdRule(name="crowd", **settings), zones=(YARD,)))


# Zone entry


def test_who_walks_through_a_zone_raises_once_and_clears_once():
    found = play(yard_engine(), walking((-3, 3), (1.0, 0)), 0, 15)

    alert = [finding for _, finding in found if finding.phase.value != "updated"]
    assert phases(found)[0] == "raised"
    assert phases(found)[-1] == "cleared"
    assert len(alert) == 2
    (raised_s, entry), (cleared_s, _) = found[0], found[-1]
    assert 3.0 < raised_s < 4.0
    assert 9.0 < cleared_s < 12.0
    assert (entry.rule, entry.rule_kind, entry.zone) == ("entry", RuleKind.ZONE_ENTRY, "yard")
    assert (entry.track_ids, entry.count, entry.label) == ((1,), 1, "person")


def test_a_flash_inside_a_zone_is_not_an_entry():
    """Two looks of five are fewer than the three asked for."""
    engine = yard_engine(min_frames=3, of_frames=5)

    def flickers(t_s: float) -> list[Track]:
        return [track_at(3.0 if t_s in (1.0, 1.2) else -3.0, 3.0, t_s)]

    assert play(engine, flickers, 0, 5) == []


@pytest.mark.parametrize("sigma_m", [0.1, 0.4, 0.8])
def test_who_stands_on_the_border_does_not_chatter(sigma_m: float):
    """Three minutes on the edge, tracked from detections with all the noise they may have."""
    engine = yard_engine(cool_down_s=0.0)

    found = play(engine, tracked_stander((6.0, 3.0), sigma_m, seed=2), 0, 180)

    assert len(raised(found)) <= 2


def test_who_passes_outside_within_sigma_of_the_edge_is_not_inside():
    assert play(yard_engine(), walking((-3, 6.1), (1.0, 0), sigma_m=0.5), 0, 12) == []


def test_a_track_that_coasts_into_a_zone_was_not_seen_there():
    def coasts(t_s: float) -> list[Track]:
        return [track_at(-2 + t_s, 3, t_s, last_s=min(t_s, 1.0))]

    assert play(yard_engine(), coasts, 0, 5) == []


def test_other_labels_and_unconfirmed_tracks_do_not_count():
    engine = yard_engine(labels=("person",))
    dog = standing({1: (3, 3)}, label="dog")
    ghost = standing({2: (3, 3)}, confirmed=False)

    assert play(engine, lambda t_s: dog(t_s) + ghost(t_s), 0, 5) == []


def test_a_second_person_updates_the_alert_of_the_first():
    one, two = standing({1: (2, 3)}), standing({1: (2, 3), 2: (4, 3)})
    engine = yard_engine()

    found = play(engine, one, 0, 5) + play(engine, two, 5, 12)

    assert phases(found)[0] == "raised"
    joined = [finding for _, finding in found if finding.count == 2]
    assert {finding.phase.value for finding in joined} == {"updated"}
    assert joined[0].track_ids == (1, 2)
    assert joined[0].number == found[0][1].number


def test_an_alert_that_only_lasts_is_updated_ever_more_rarely():
    found = play(yard_engine(), standing({1: (3, 3)}), 0, 100)

    updated = [finding.dwell_s for _, finding in found[1:]]
    assert all(later >= 2 * earlier for earlier, later in itertools.pairwise(updated))
    assert 3 <= len(updated) <= 5


def test_updates_come_at_most_every_five_seconds():
    def coming_and_going(t_s: float) -> list[Track]:
        places = {1: (2.0, 3.0), 2: (4.0, 3.0)} if int(t_s) % 2 else {1: (2.0, 3.0)}
        return standing(places)(t_s)

    found = play(yard_engine(), coming_and_going, 0, 30)

    at_s = [t_s for t_s, _ in found]
    assert len(at_s) > 3
    assert min(np.diff(at_s)) >= 5.0 - 1e-9


def test_somebody_lost_and_found_under_another_number_has_not_left():
    engine = yard_engine()
    found = play(engine, standing({1: (3, 3)}), 0, 5)
    found += play(engine, nobody, 5, 6.5)
    found += play(engine, standing({2: (3, 3)}), 6.5, 12)

    assert "cleared" not in phases(found)
    assert len(raised(found)) == 1


def test_after_clearing_a_zone_stays_quiet_for_its_cool_down_and_then_tells():
    engine = yard_engine(cool_down_s=20.0)
    found = play(engine, standing({1: (3, 3)}), 0, 3)
    found += play(engine, nobody, 3, 6)
    found += play(engine, standing({2: (3, 3)}), 6, 40)

    (cleared_s,) = [t_s for t_s, f in found if f.phase.value == "cleared"]
    again_s = raised(found)[1][0]
    assert again_s == pytest.approx(cleared_s + 20.0, abs=0.3)


# Line crossing


def test_a_crossing_raises_when_surely_over_and_clears_by_itself():
    found = play(gate_engine(), walking((-3, 2), (1.0, 0), sigma_m=0.5), 0, 15)

    assert phases(found) == ["raised", "cleared"]
    assert found[0][0] == pytest.approx(4.0, abs=0.21)
    assert found[1][0] == pytest.approx(found[0][0] + 5.0, abs=0.01)
    assert (found[0][1].rule_kind, found[0][1].zone) == (RuleKind.LINE_CROSSING, "gate")


@pytest.mark.parametrize(
    ("direction", "eastward", "crossings"),
    [
        ("left_to_right", True, 1),
        ("left_to_right", False, 0),
        ("right_to_left", True, 0),
        ("right_to_left", False, 1),
        ("any", True, 1),
        ("any", False, 1),
    ],
)
def test_only_the_wanted_direction_counts(direction: str, eastward: bool, crossings: int):
    walk = walking((-3, 2), (1, 0)) if eastward else walking((3, 2), (-1, 0))

    assert len(raised(play(gate_engine(direction=direction), walk, 0, 6))) == crossings


def test_who_walks_round_the_end_of_a_line_does_not_cross_it():
    """Over at 5 m, where the line has ended at 4 m, then back beside it."""

    def round_the_end(t_s: float) -> list[Track]:
        north_m = 5.0 if t_s < 6 else 5.0 - (t_s - 6)
        return [track_at(min(-3 + t_s, 3.0), north_m, t_s)]

    assert play(gate_engine(), round_the_end, 0, 10) == []


@pytest.mark.parametrize("sigma_m", [0.1, 0.4, 0.8])
def test_who_stands_on_a_line_does_not_cross_it_time_and_again(sigma_m: float):
    engine = gate_engine(cool_down_s=0.0)

    found = play(engine, tracked_stander((0.0, 2.0), sigma_m, seed=3), 0, 180)

    assert len(raised(found)) <= 1


def test_the_same_track_is_not_told_again_during_its_cool_down_but_another_is():
    engine = gate_engine(cool_down_s=30.0)

    def back_and_forth(t_s: float) -> list[Track]:
        east_m = 3.0 * np.cos(np.pi * t_s / 6)
        return [track_at(float(east_m), 2, t_s)] + [
            track_at(-float(east_m), 3, t_s, track_id=2) for _ in range(t_s > 12)
        ]

    found = raised(play(engine, back_and_forth, 0, 30))

    assert [finding.track_ids for _, finding in found] == [(1,), (2,)]


def test_a_crossing_that_was_only_predicted_did_not_happen():
    def hides(t_s: float) -> list[Track]:
        return [track_at(-2 + t_s, 2, t_s, last_s=min(t_s, 1.0))]

    assert play(gate_engine(), hides, 0, 6) == []


# Loitering


def test_who_stays_long_enough_loiters_and_who_leaves_clears_it():
    engine = loiter_engine()
    found = play(engine, standing({1: (3, 3)}), 0, 15)
    found += play(engine, walking((3 - 15, 3), (1.0, 0)), 15, 20)

    assert phases(found) == ["raised", "cleared"]
    assert found[0][0] == pytest.approx(10.0, abs=0.21)
    assert found[0][1].dwell_s == pytest.approx(10.0, abs=0.21)
    assert found[0][1].evidence.first_frame_seq == 0
    assert found[-1][0] == pytest.approx(17.4, abs=0.5)


@pytest.mark.parametrize("speed_mps", [0.5, 1.0, 2.0])
def test_who_strolls_past_does_not_loiter(speed_mps: float):
    assert play(loiter_engine(), walking((-10, 3), (speed_mps, 0)), 0, 40) == []


def test_who_paces_about_one_spot_loiters():
    def paces(t_s: float) -> list[Track]:
        return [track_at(3 + 1.2 * np.sin(t_s), 3 + 0.8 * np.cos(0.7 * t_s), t_s)]

    assert len(raised(play(loiter_engine(), paces, 0, 30))) == 1


@pytest.mark.parametrize(("gap_s", "alerts"), [(2.5, 1), (4.0, 0)])
def test_gaps_up_to_the_limit_are_bridged_even_under_another_number(gap_s: float, alerts: int):
    engine = loiter_engine(max_gap_s=3.0)
    found = play(engine, standing({1: (3, 3)}), 0, 6)
    back_s = 6 + gap_s
    found += play(engine, nobody, 6, back_s)
    found += play(engine, standing({2: (3.5, 3)}, first_s=back_s), back_s, 15)

    assert len(raised(found)) == alerts


def test_somebody_new_beside_one_who_loiters_has_a_stay_of_their_own():
    engine = loiter_engine()
    found = play(engine, standing({1: (3, 3)}), 0, 8)

    def both(t_s: float) -> list[Track]:
        return [track_at(3, 3, t_s), track_at(4, 3, t_s, track_id=2, first_s=8.0)]

    found += play(engine, both, 8, 15)

    assert [finding.track_ids for _, finding in raised(found)] == [(1,)]


def test_loitering_in_a_zone_counts_only_the_time_inside():
    engine = loiter_engine(zone="yard")

    def edges_in(t_s: float) -> list[Track]:
        return [track_at(-0.8 if t_s < 8 else 0.6, 3, t_s)]

    found = play(engine, edges_in, 0, 25)

    assert [t_s for t_s, _ in raised(found)] == [pytest.approx(18.0, abs=0.3)]


def test_two_who_loiter_apart_are_two_alerts():
    found = play(loiter_engine(), standing({1: (3, 3), 2: (-6, 1)}), 0, 12)

    assert sorted(finding.track_ids for _, finding in raised(found)) == [(1,), (2,)]


def test_the_cool_down_of_loitering_holds_for_its_place():
    engine = loiter_engine(cool_down_s=60.0)
    found = play(engine, standing({1: (3, 3)}), 0, 12)
    found += play(engine, nobody, 12, 18)
    found += play(engine, standing({2: (3, 3.5), 3: (-6, 1)}, first_s=18), 18, 40)

    assert [finding.track_ids for _, finding in raised(found)] == [(1,), (3,)]


# Crowd


def test_enough_people_for_long_enough_are_a_crowd_until_they_part():
    trio = {1: (0.0, 0.0), 2: (1.5, 0.0), 3: (0.7, 1.2)}
    engine = crowd_engine()
    found = play(engine, standing(trio), 0, 8)
    found += play(engine, standing({**trio, 3: (9.0, 9.0)}), 8, 14)

    (raised_s, crowd), (cleared_s, _) = found[0], found[-1]
    assert (phases(found)[0], phases(found)[-1]) == ("raised", "cleared")
    assert raised_s == pytest.approx(4.0, abs=0.21)
    assert cleared_s == pytest.approx(10.0, abs=0.5)
    assert (crowd.count, crowd.track_ids) == (3, (1, 2, 3))


def test_fewer_or_farther_apart_are_no_crowd():
    assert play(crowd_engine(), standing({1: (0, 0), 2: (1, 0)}), 0, 10) == []
    assert play(crowd_engine(), standing({1: (0, 0), 2: (5, 0), 3: (10, 0)}), 0, 10) == []


def test_people_in_a_ring_are_a_crowd_though_nobody_stands_in_the_middle():
    ring = {n: (1.9 * np.sin(n * 2.0944), 1.9 * np.cos(n * 2.0944)) for n in range(3)}

    assert len(raised(play(crowd_engine(), standing(ring), 0, 6))) == 1


def test_two_crowds_apart_are_two_alerts():
    left = {n: (-10.0 + 0.8 * n, 3.0) for n in range(3)}
    right = {n + 10: (10.0 + 0.8 * n, 3.0) for n in range(4)}

    found = raised(play(crowd_engine(), standing({**left, **right}), 0, 6))

    assert sorted(finding.count for _, finding in found) == [3, 4]


def test_a_crowd_outlives_a_member_unseen_for_a_moment():
    trio = {1: (0.0, 0.0), 2: (1.5, 0.0), 3: (0.7, 1.2)}
    engine = crowd_engine()

    def one_comes_and_goes(t_s: float) -> list[Track]:
        return standing(trio if t_s % 3 < 1.5 else {1: trio[1], 2: trio[2]})(t_s)

    found = play(engine, standing(trio), 0, 6) + play(engine, one_comes_and_goes, 6, 30)

    assert len(raised(found)) == 1
    assert "cleared" not in phases(found)


def test_a_crowd_on_the_rim_of_its_circle_does_not_chatter():
    noise = np.random.default_rng(4).normal(0, 0.15, (1000, 3, 2))
    trio = np.array([(0.0, 0.0), (4.0, 0.0), (2.0, 0.0)])

    def on_the_rim(t_s: float) -> list[Track]:
        places = trio + noise[round(t_s * 5)]
        return [track_at(*places[n], t_s, track_id=n + 1, sigma_m=0.3) for n in range(3)]

    assert len(raised(play(crowd_engine(cool_down_s=0.0), on_the_rim, 0, 180))) <= 1


def test_the_fullest_circle_is_the_fullest_there_is():
    rng = np.random.default_rng(5)
    for _ in range(20):
        places = rng.uniform(0, 6, (8, 2))
        grid = np.stack(np.meshgrid(np.arange(0, 6, 0.1), np.arange(0, 6, 0.1)), -1).reshape(-1, 2)
        held = np.hypot(*np.moveaxis(grid[:, None] - places[None], -1, 0)) <= 2.0

        middle, chosen = fullest_circle(places, 2.0)

        assert np.count_nonzero(chosen) >= held.sum(axis=1).max()
        assert (np.hypot(*(places[chosen] - middle).T) <= 2.0 + 1e-5).all()


# What all rules share


def test_a_rule_that_its_schedule_switches_off_clears_what_it_raised():
    # The scenes begin on Tuesday at 22:13:20.
    evening = ScheduleSection(name="evening", start="20:00", end="22:14")
    rule = ZoneEntryRule(name="entry", zone="yard", schedule="evening")
    engine = RuleEngine(node(rule, zones=(YARD,), schedules=(evening,)))

    found = play(engine, standing({1: (3, 3)}), 0, 60)

    assert (phases(found)[0], phases(found)[-1]) == ("raised", "cleared")
    assert found[-1][0] == pytest.approx(40.0, abs=0.01)


def test_who_is_there_when_a_schedule_comes_on_is_told():
    night = ScheduleSection(name="night", start="22:14", end="06:00")
    rule = ZoneEntryRule(name="entry", zone="yard", schedule="night")
    engine = RuleEngine(node(rule, zones=(YARD,), schedules=(night,)))

    found = play(engine, standing({1: (3, 3)}), 0, 45)

    assert found[0][0] == pytest.approx(40.0, abs=0.01)


@pytest.mark.parametrize("step_s", [-7200.0, -3.0, 3.0, 7200.0])
def test_a_step_of_utc_raises_clears_and_lengthens_nothing(step_s: float):
    def run(step_at_10_s: float) -> list[tuple[float, str, float]]:
        rules = (
            ZoneEntryRule(name="entry", zone="yard"),
            LoiteringRule(name="loiter", dwell_s=15.0, radius_m=2.0),
        )
        engine = RuleEngine(node(*rules, zones=(YARD,)))
        people = standing({1: (3, 3)})
        found = play(engine, people, 0, 10)
        found += play(engine, people, 10, 30, utc_step_s=step_at_10_s)
        return [(t_s, finding.phase.value, finding.dwell_s) for t_s, finding in found]

    assert run(step_s) == run(0.0)


def test_after_a_restart_nothing_is_remembered():
    before = play(yard_engine(), standing({1: (3, 3)}), 0, 5)
    after = play(yard_engine(), standing({1: (3, 3)}), 5, 10)

    assert (phases(before)[0], phases(after)[0]) == ("raised", "raised")
    assert after[0][1].number == 1


def west(t_s: float, *tracks: Track) -> Scene:
    """What the western camera's picture of that time shows."""
    return Scene(frame=frame_at(t_s, camera_id="west"), tracks=tracks)


def test_the_frames_named_are_of_the_camera_that_speaks():
    engine = yard_engine()
    for t_s in (0.0, 0.2, 0.4):
        found = engine.update(west(t_s, track_at(3, 3, t_s, sensor="west")))
    assert [finding.evidence.first_frame_seq for finding in found] == [2]

    for t_s in (0.6, 20.0):
        tracks = [track_at(3, 3 + n, t_s, track_id=n, sensor="east") for n in (1, 2)]
        found = engine.update(Scene(frame=frame_at(t_s, camera_id="east"), tracks=tuple(tracks)))

    assert [(f.phase.value, f.evidence.first_frame_seq) for f in found] == [("updated", 3)]
    assert found[0].evidence.camera_id == "east"
    assert found[0].evidence.first_t_mono_us == 600_000


def test_a_camera_that_shows_nobody_neither_updates_nor_is_named_when_it_is_over():
    engine = yard_engine()
    for t_s in (0.0, 0.2, 0.4):
        engine.update(west(t_s, track_at(3, 3, t_s, sensor="west")))
    engine.update(west(6.0, track_at(3, 3, 6.0, sensor="west")))

    tracks = tuple(track_at(3, 3 + n, 9.0, track_id=n, sensor="west", last_s=8.9) for n in (1, 2))
    assert engine.update(Scene(frame=frame_at(9.0, camera_id="east"), tracks=tracks)) == ()
    engine.update(Scene(frame=frame_at(30.0, camera_id="east")))
    (cleared,) = engine.update(Scene(frame=frame_at(33.0, camera_id="east")))

    assert cleared.phase.value == "cleared"
    assert (cleared.evidence.camera_id, cleared.evidence.last_frame_seq) == ("west", 30)


def test_an_alert_waits_a_moment_for_the_camera_that_sees_better():
    def entering(t_s: float, camera_id: str) -> tuple[Track, ...]:
        return (track_at(3, 3, t_s, sensor=camera_id, best_sensor="east"),)

    def raised_by(cameras: Sequence[str]) -> list[tuple[float, str]]:
        engine = yard_engine()
        return [
            (number * 0.1, finding.evidence.camera_id)
            for number, camera_id in enumerate(cameras)
            for finding in engine.update(
                Scene(
                    frame=frame_at(number * 0.1, camera_id=camera_id),
                    tracks=entering(number * 0.1, camera_id),
                )
            )
        ]

    assert raised_by(["west"] * 4 + ["east"] * 2) == [(pytest.approx(0.4), "east")]
    # One that has gone blind is not waited for.
    assert raised_by(["west"] * 12) == [(pytest.approx(0.7), "west")]


def test_a_pole_without_rules_finds_nothing():
    assert play(RuleEngine(node()), standing({1: (3, 3)}), 0, 5) == []


def test_the_examples_of_the_rules_page_are_a_configuration():
    page = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    sensor = """
        [[sensors]]
        source = { kind = "file", path = "street.mp4" }
        lens = { width_px = 2048, height_px = 2048, fov_deg = 185 }
    """

    config = parse_config("\n".join([sensor, *examples]), name="rules.md")

    assert len(config.rules) == "".join(examples).count("[[rules]]") > 0
    assert play(RuleEngine(config), standing({1: (3, 5)}), 0, 5) != []


# Running


def running_engine(**rule: object) -> RuleEngine:
    return RuleEngine(node(RunningRule(name="run", **rule), zones=(YARD,)))


def runner(*stretches: tuple[float, float], start: tuple[float, float] = (-12.0, 2.0)):
    """One who goes east at each speed for each time: (m/s, s)."""

    def where(t_s: float) -> list[Track]:
        east_m, left_s = start[0], t_s
        for speed_mps, lasts_s in stretches:
            east_m += speed_mps * min(left_s, lasts_s)
            left_s = max(0.0, left_s - lasts_s)
        return [track_at(east_m, start[1], t_s)]

    return where


def test_who_runs_raises_once_within_the_rules_own_time():
    found = play(running_engine(), runner((1.4, 4.0), (5.0, 4.0), (1.4, 6.0)), 0, 14)

    assert phases(found)[0] == "raised"
    assert phases(found)[-1] == "cleared"
    assert len(raised(found)) == 1
    # A second's pace, the 0.7 s asked for, and a look.
    assert 4.7 < found[0][0] <= 4.0 + 1.0 + 0.7 + 0.5
    assert 8.0 < found[-1][0] < 8.0 + 3.0
    assert found[0][1].rule_kind is RuleKind.RUNNING


@pytest.mark.parametrize("speed_mps", [0.0, 1.4, 2.5, 3.2])
def test_who_walks_or_jogs_slower_does_not_run(speed_mps: float):
    assert play(running_engine(), runner((speed_mps, 10.0)), 0, 10) == []


@pytest.mark.parametrize("jump_m", [2.0, 4.0, 8.0])
def test_a_track_that_jumps_to_somebody_else_does_not_run(jump_m: float):
    def swapped(t_s: float) -> list[Track]:
        return [track_at(0.0 if t_s < 3.0 else jump_m, 2.0, t_s)]

    assert play(running_engine(), swapped, 0, 8) == []


def test_a_speed_that_may_be_an_error_is_no_running():
    def unsure(t_s: float) -> list[Track]:
        (track,) = runner((4.0, 10.0))(t_s)
        return [msgspec.structs.replace(track, speed_sigma_mps=2.0)]

    assert play(running_engine(), unsure, 0, 5) == []


def beside_a_bicycle(speed_mps: float, bicycle_mps: float):
    """One who goes east, and a bicycle that goes east from the same place."""

    def where(t_s: float) -> list[Track]:
        there = ((1, "person", speed_mps, 0.3), (2, "bicycle", bicycle_mps, 0.0))
        return [
            msgspec.structs.replace(
                track_at(-12.0 + ahead_m + mps * t_s, 2.0, t_s, track_id=number, label=label),
                velocity_east_mps=mps,
            )
            for number, label, mps, ahead_m in there
        ]

    return where


def test_who_rides_a_bicycle_does_not_run_also_while_it_is_not_seen():
    riding = beside_a_bicycle(5.0, 5.0)
    assert play(running_engine(), riding, 0, 4) == []

    def seldom(t_s: float) -> list[Track]:
        return riding(t_s)[: 2 if t_s % 1.6 < 0.1 else 1]

    assert play(running_engine(), seldom, 0, 4) == []


def test_who_runs_past_a_bicycle_runs():
    assert len(raised(play(running_engine(), beside_a_bicycle(5.0, 0.0), 0, 4))) == 1


def test_running_counts_in_its_zone_alone():
    assert play(running_engine(zone="yard"), runner((5.0, 2.2)), 0, 2) == []
    found = play(running_engine(zone="yard"), runner((4.0, 6.0), start=(-6.0, 2.0)), 0, 6)
    assert found[0][1].zone == "yard"


# Dispersal


def dispersal_engine(**rule: object) -> RuleEngine:
    return RuleEngine(node(DispersalRule(name="scatter", **rule), zones=(YARD,)))


def ring_of(count: int, outwards_mps: float, from_s: float, stay: int = 0):
    """People in a ring of 1.5 m who go outwards from a moment on; `stay` of them do not."""

    def where(t_s: float) -> list[Track]:
        tracks = []
        for number in range(count):
            bearing = 2 * np.pi * number / count
            gone_m = 0.0 if number < stay else outwards_mps * max(0.0, t_s - from_s)
            reach_m = 1.5 + gone_m
            east_mps, north_mps = outwards_mps * np.sin(bearing), outwards_mps * np.cos(bearing)
            track = track_at(
                3 + reach_m * np.sin(bearing), 3 + reach_m * np.cos(bearing), t_s,
                track_id=number + 1,
            )  # fmt: skip
            if gone_m:
                track = msgspec.structs.replace(
                    track, velocity_east_mps=float(east_mps), velocity_north_mps=float(north_mps)
                )
            tracks.append(track)
        return tracks

    return where


def test_a_cluster_that_breaks_up_fast_raises_once():
    found = play(dispersal_engine(), ring_of(6, 4.0, 5.0), 0, 14)

    assert phases(found) == ["raised", "cleared"]
    raised_s, alert = found[0]
    assert 5.0 < raised_s < 5.0 + 3.0
    assert alert.count == 6
    assert (round(alert.position.east_m), round(alert.position.north_m)) == (3, 3)


def test_two_crowds_that_scatter_at_one_bang_are_two_alerts():
    crowd = ring_of(6, 4.0, 5.0)

    def where(t_s: float) -> list[Track]:
        far = [
            msgspec.structs.replace(
                track,
                id=track.id + 100,
                position=msgspec.structs.replace(
                    track.position, east_m=track.position.east_m + 60.0
                ),
            )
            for track in crowd(t_s)
        ]
        return [*crowd(t_s), *far]

    found = play(dispersal_engine(), where, 0, 9)
    raised = [alert for _, alert in found if alert.phase.value == "raised"]

    assert sorted(round(alert.position.east_m) for alert in raised) == [3, 63]


def test_people_who_stroll_apart_do_not_scatter():
    assert play(dispersal_engine(), ring_of(6, 1.2, 5.0), 0, 14) == []


def test_who_leaves_a_crowd_that_stays_does_not_scatter_it():
    assert play(dispersal_engine(), ring_of(8, 4.0, 5.0, stay=5), 0, 14) == []


def test_who_stands_and_was_not_looked_at_just_now_has_not_gone():
    """Who is known to stand is looked at now and then only (edge/design/tracking.md)."""
    crowd = ring_of(8, 4.0, 5.0, stay=5)

    def where(t_s: float) -> list[Track]:
        looked_s = t_s - t_s % 0.8
        return [
            msgspec.structs.replace(
                track, seen=t_s == looked_s, last_seen_mono_ns=round(looked_s * NS_PER_S)
            )
            if track.id <= 3
            else track
            for track in crowd(t_s)
        ]

    assert play(dispersal_engine(), where, 0, 14) == []


def test_a_crowd_lost_from_sight_has_not_scattered():
    """Detection failed: nobody was seen going."""
    crowd = ring_of(6, 0.0, 5.0)

    assert play(dispersal_engine(), lambda t_s: crowd(t_s) if t_s < 5.0 else [], 0, 10) == []


# Vehicles


def stopping_engine(**rule: object) -> RuleEngine:
    settings = {"dwell_s": 10.0, **rule}
    return RuleEngine(node(VehicleStoppedRule(name="stopped", **settings), zones=(YARD,)))


def test_a_vehicle_that_stops_is_told_and_who_passes_before_it_ends_nothing():
    car = standing({1: (3, 3)}, label="car")

    def hidden(t_s: float) -> list[Track]:
        return [] if 5.0 <= t_s < 9.0 else car(t_s)

    found = play(stopping_engine(), hidden, 0, 20)

    assert phases(found)[0] == "raised"
    assert found[0][0] == pytest.approx(10.0, abs=0.4)
    assert found[0][1].rule_kind is RuleKind.VEHICLE_STOPPED


def test_a_person_is_no_vehicle_and_a_vehicle_that_crawls_has_not_stopped():
    assert play(stopping_engine(), standing({1: (3, 3)}), 0, 20) == []
    assert play(stopping_engine(), walking((-10, 3), (0.5, 0), label="car"), 0, 30) == []
