"""A rule that is set off again and again is held to a rate; nothing of it falls silent."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from roeh.core.clock import NS_PER_S
from roeh.core.config import LineCrossingRule, LineSection
from roeh.core.types import Track
from roeh.vision.rules import RuleEngine
from roeh.vision.rules.chatter import Chatter
from tests.unit.rule_scenes import node, phases, play, track_at

GATE = LineSection(name="gate", from_m=(0, 5), to_m=(10, 5))


def walking_over_the_gate(t_s: float) -> list[Track]:
    """Somebody new goes over the line every two seconds."""
    number = int(t_s // 2)
    return [track_at(5, 3 + 2 * (t_s - 2 * number), t_s, track_id=number, first_s=2.0 * number)]


def crossings(**settings: object) -> RuleEngine:
    return RuleEngine(node(LineCrossingRule(name="in", line="gate", **settings), lines=(GATE,)))


def raised(engine: RuleEngine, to_s: float) -> list[tuple[float, int]]:
    found = play(engine, walking_over_the_gate, 0, to_s)
    return [(t_s, one.chatter) for t_s, one in found if one.phase.value == "raised"]


def test_more_than_the_count_is_held_back_and_told_with_the_next():
    engine = crossings(chatter_count=3, chatter_window_s=60.0)
    alarms = raised(engine, 80.0)
    everybody = [t_s for t_s, _ in raised(crossings(chatter_count=0), 80.0)]

    assert [t_s for t_s, _ in alarms[:3]] == everybody[:3]
    assert [told for _, told in alarms[:3]] == [0, 0, 0]
    # A crossing stands for five seconds: who went over less than that ago is raised now.
    assert alarms[3][0] == alarms[0][0] + 60.0
    assert alarms[3][1] == sum(t_s + 5.0 <= alarms[3][0] for t_s in everybody[3:])


def test_urgent_rules_and_those_told_so_hold_nothing_back():
    everything = len(raised(crossings(chatter_count=0), 40.0))

    assert len(raised(crossings(chatter_count=3, priority=8), 40.0)) == everything
    assert everything > 15


def test_what_is_still_there_when_there_is_room_again_is_raised_then():
    chatter = Chatter(1, 10.0)

    assert not chatter.holds_back("first", 0)
    assert chatter.raise_now("first", 0) == 0
    assert chatter.holds_back("second", 5 * NS_PER_S)
    chatter.keep({"second"})
    assert not chatter.holds_back("second", 10 * NS_PER_S)
    assert chatter.raise_now("second", 10 * NS_PER_S) == 0


def test_an_alert_held_back_has_neither_updates_nor_an_end():
    found = play(crossings(chatter_count=1, chatter_window_s=600.0), walking_over_the_gate, 0, 30)

    assert phases(found) == ["raised", "cleared"]


@settings(max_examples=60, deadline=None)
@given(
    comings_s=st.lists(st.floats(0, 400, allow_nan=False), max_size=60),
    count=st.integers(1, 6),
    window_s=st.floats(5, 120),
)
def test_no_window_ever_holds_more_and_everything_is_counted_once(
    comings_s: list[float], count: int, window_s: float
):
    chatter = Chatter(count, window_s)
    raised_ns: list[int] = []
    untold = 0
    for number, t_s in enumerate(sorted(comings_s)):
        now_ns = round(t_s * NS_PER_S)
        # Each is over as soon as the next one comes.
        chatter.keep((str(number),))
        if chatter.holds_back(str(number), now_ns):
            untold += 1
        else:
            assert chatter.raise_now(str(number), now_ns) == untold
            untold = 0
            raised_ns.append(now_ns)

    for first_ns in raised_ns:
        within = [t for t in raised_ns if 0 <= t - first_ns < round(window_s * NS_PER_S)]
        assert len(within) <= count
