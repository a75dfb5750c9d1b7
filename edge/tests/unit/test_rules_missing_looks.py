"""Pictures in which nobody looked, or nobody was found, neither delay nor invent an alert."""

from __future__ import annotations

from roeh.core.config import LoiteringRule, RunningRule
from roeh.vision.rules import RuleEngine
from tests.unit.rule_scenes import node, play, raised, track_at


def seen_at(looks: list[float], t_s: float) -> float:
    """When the last look was."""
    return max(look for look in looks if look <= t_s + 1e-9)


def test_a_dwell_is_over_when_its_time_is_though_who_stands_is_looked_at_once_a_second():
    engine = RuleEngine(node(LoiteringRule(name="stays", dwell_s=5.0, radius_m=1.0)))
    looks = [0.0, 1.0, 2.0, 3.0, 4.0, 4.8, 5.8]
    found = raised(
        play(engine, lambda t_s: [track_at(0, 8, t_s, last_s=seen_at(looks, t_s))], 0.0, 5.6)
    )
    assert [t_s for t_s, _ in found] == [5.0]


def test_who_was_not_seen_for_longer_than_that_does_not_stay_by_themselves():
    engine = RuleEngine(node(LoiteringRule(name="stays", dwell_s=5.0, radius_m=1.0)))
    looks = [0.0, 1.0, 2.0, 3.0]
    found = play(engine, lambda t_s: [track_at(0, 8, t_s, last_s=seen_at(looks, t_s))], 0.0, 6.0)
    assert found == []


def runner(speed_mps: float, missed: tuple[float, ...]):
    looks = [n / 5 for n in range(20) if n / 5 not in missed]

    def where(t_s: float):
        last_s = seen_at(looks, t_s)
        return [track_at(-6 + speed_mps * t_s, 8, t_s, last_s=last_s)]

    return where


def test_a_run_is_told_though_looks_are_missing():
    engine = RuleEngine(node(RunningRule(name="runs")))
    found = raised(play(engine, runner(4.5, missed=(0.8, 1.0, 1.4)), 0.0, 3.0))
    assert len(found) == 1
    assert found[0][0] <= 2.2


def test_a_walk_with_missing_looks_is_no_run():
    engine = RuleEngine(node(RunningRule(name="runs")))
    assert play(engine, runner(2.5, missed=(0.8, 1.0, 1.4)), 0.0, 4.0) == []
