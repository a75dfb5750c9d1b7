"""Operations: times in which rules of their own hold, and the rules that rest meanwhile."""

import msgspec
import pytest

from roeh.core.clock import NS_PER_S
from roeh.core.config import (
    NodeSection,
    OperationSection,
    ScheduleSection,
    ZoneEntryRule,
    ZoneSection,
    parse_config,
)
from roeh.core.errors import ConfigError
from roeh.core.operations import OperationNow
from roeh.core.types import AlertPhase
from roeh.vision.rules import OrderedOperation, OrderedSchedule, RuleEngine
from tests.unit.rule_scenes import T0_UTC_NS, node, play, standing

YARD = ZoneSection(name="yard", polygon_m=((0, 0), (6, 0), (6, 6), (0, 6)))
PLAIN = ZoneEntryRule(name="plain", zone="yard", cool_down_s=0.0)
TIGHT = ZoneEntryRule(
    name="tight", zone="yard", cool_down_s=0.0, operation="festival", instead_of="plain"
)
#: Scenes begin on Tuesday, 14 November 2023, at 22:13:20 UTC.
MINUTE = OperationSection(
    name="festival", from_local="2023-11-14T22:14", to_local="2023-11-14T22:15"
)
BEGINS_S, ENDS_S = 40, 100
SOMEBODY = standing({1: (3, 3)})


def engine_of(operation, *rules, **more):
    return RuleEngine(node(*rules, zones=(YARD,), operations=(operation,), **more))


def order(engine, in_force, until_s, command_id="c1"):
    ordered = OrderedOperation(in_force, round(until_s * NS_PER_S), command_id)
    assert engine.operations.order("festival", ordered)


def said(engine, from_s, to_s):
    """What each rule raises and clears, in order."""
    found = [finding for _, finding in play(engine, SOMEBODY, from_s, to_s)]
    return [(one.rule, one.phase.value) for one in found if one.phase is not AlertPhase.UPDATED]


def now_at(engine, t_s):
    (now,) = engine.operations.now(
        t_utc_ns=T0_UTC_NS + round(t_s * NS_PER_S), t_mono_ns=round(t_s * NS_PER_S)
    )
    return now


def test_the_tight_rule_is_in_force_at_once_and_the_other_rests_until_the_end():
    engine = engine_of(MINUTE, PLAIN, TIGHT)
    assert said(engine, 0, BEGINS_S) == [("plain", "raised")]
    begun = said(engine, BEGINS_S, BEGINS_S + 1)
    # Whoever was there before is told with the first picture.
    assert sorted(begun) == [("plain", "cleared"), ("tight", "raised")]
    assert said(engine, BEGINS_S + 1, ENDS_S) == []
    assert sorted(said(engine, ENDS_S, ENDS_S + 1)) == [("plain", "raised"), ("tight", "cleared")]


def test_an_order_comes_before_the_hours_and_ends_by_itself():
    engine = engine_of(MINUTE, PLAIN, TIGHT)
    order(engine, in_force=True, until_s=10)
    assert said(engine, 0, 10) == [("tight", "raised")]
    assert sorted(said(engine, 10, 20)) == [("plain", "raised"), ("tight", "cleared")]
    order(engine, in_force=False, until_s=60)
    assert said(engine, 20, 60) == []
    assert sorted(said(engine, 60, 61)) == [("plain", "cleared"), ("tight", "raised")]


def test_an_order_about_the_rule_itself_comes_first_of_all():
    engine = engine_of(MINUTE, PLAIN, TIGHT)
    engine.order("plain", OrderedSchedule(is_on=True, until_mono_ns=200 * NS_PER_S))
    assert said(engine, 0, 50) == [("plain", "raised"), ("tight", "raised")]


def test_a_rule_does_not_rest_while_the_other_is_outside_its_own_hours():
    """Nobody would watch then."""
    morning = ScheduleSection(name="morning", start="06:00", end="12:00")
    tight = msgspec.structs.replace(TIGHT, schedule="morning")
    engine = engine_of(MINUTE, PLAIN, tight, schedules=(morning,))
    assert said(engine, 0, ENDS_S) == [("plain", "raised")]


def test_without_hours_only_an_order_lets_it_hold():
    engine = engine_of(OperationSection(name="festival"), TIGHT, PLAIN)
    assert said(engine, 0, 5) == [("plain", "raised")]
    assert now_at(engine, 5) == OperationNow("festival", False, "configuration")
    order(engine, in_force=True, until_s=20)
    assert now_at(engine, 6) == OperationNow("festival", True, "order", "c1")
    assert now_at(engine, 19.9).is_in_force
    assert now_at(engine, 20) == OperationNow("festival", False, "order", "c1")


@pytest.mark.parametrize(
    ("section", "holds_at_s"),
    [
        (MINUTE, (40, 99)),
        (OperationSection(name="festival", from_local="2023-11-14T22:14"), (40, 99, 100, 10**6)),
        (OperationSection(name="festival", to_local="2023-11-14T22:14"), (0, 39)),
        (OperationSection(name="festival", schedule="minute"), (40, 99)),
        (OperationSection(name="festival", schedule="minute", to_local="2023-11-14T22:14"), ()),
    ],
)
def test_its_hours_are_those_of_the_schedule_and_of_the_days_named(section, holds_at_s):
    minute = ScheduleSection(name="minute", days=("tue",), start="22:14", end="22:15")
    engine = engine_of(section, schedules=(minute,))
    for t_s in (0, 39, 40, 99, 100, 10**6):
        assert now_at(engine, t_s).is_in_force == (t_s in holds_at_s), t_s


def test_local_times_are_those_of_the_pole():
    section = OperationSection(name="festival", from_local="2023-11-15T00:14")
    config = node(operations=(section,))
    there = NodeSection(time_zone="Asia/Jerusalem")
    engine = RuleEngine(msgspec.structs.replace(config, node=there))
    assert [now_at(engine, t_s).is_in_force for t_s in (39, 40)] == [False, True]


def test_the_cause_of_each_change_is_told():
    engine = engine_of(MINUTE)
    assert now_at(engine, 0) == OperationNow("festival", False, "hours")
    assert now_at(engine, 40) == OperationNow("festival", True, "hours")
    order(engine, in_force=False, until_s=60, command_id="end")
    assert now_at(engine, 45) == OperationNow("festival", False, "order", "end")
    assert now_at(engine, 60) == OperationNow("festival", True, "order", "end")
    order(engine, in_force=False, until_s=90, command_id="again")
    assert now_at(engine, 61) == OperationNow("festival", False, "order", "again")
    order(engine, in_force=None, until_s=90, command_id="back")
    assert now_at(engine, 62) == OperationNow("festival", True, "order", "back")
    assert now_at(engine, 100) == OperationNow("festival", False, "hours")


def test_an_order_for_what_holds_anyway_changes_nothing():
    engine = engine_of(MINUTE)
    assert now_at(engine, 50) == OperationNow("festival", True, "hours")
    order(engine, in_force=True, until_s=120)
    assert now_at(engine, 51) == OperationNow("festival", True, "hours")
    assert now_at(engine, 110).is_in_force
    assert now_at(engine, 120) == OperationNow("festival", False, "order", "c1")


def test_there_is_no_other_operation():
    assert not engine_of(MINUTE).operations.order("fair", OrderedOperation(True, 1, "c"))


NODE = """
[[sensors]]
source = { kind = "composed" }
lens = { width_px = 640, height_px = 640, fov_deg = 180 }
[[zones]]
name = "yard"
polygon_m = [[0, 1], [1, 1], [1, 2]]
"""
OPERATION = '[[operations]]\nname = "festival"\n'


def rule_of(name, **keys):
    keys = "".join(f'{key} = "{value}"\n' for key, value in keys.items())
    return f'[[rules]]\nkind = "zone_entry"\nzone = "yard"\nname = "{name}"\n{keys}'


def test_a_configuration_is_read_as_it_is_meant():
    text = f'{NODE}{OPERATION}from = "2027-04-02T18:00"\nto = "2027-04-05T02:00"\n'
    text += rule_of("plain") + rule_of("tight", operation="festival", instead_of="plain")
    config = parse_config(text, name="node.toml")
    assert config.operations[0].from_local == "2027-04-02T18:00"
    assert config.rules[1].instead_of == "plain"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rule_of("a", operation="fair"), "rules[0] a operation = 'fair'"),
        (OPERATION + OPERATION, "'festival' in operations"),
        (OPERATION + 'schedule = "night"\n', "operations[0] festival schedule = 'night'"),
        (OPERATION + 'from = "tomorrow"\n', "from"),
        (OPERATION + 'to = "2027-02-30T18:00"\n', "operations[0] festival to"),
        (
            OPERATION + 'from = "2027-02-20T18:00"\nto = "2027-02-20T18:00"\n',
            "operations[0] festival in node.toml",
        ),
        (OPERATION + rule_of("a", operation="festival", instead_of="b"), "instead_of = 'b'"),
        (rule_of("a") + rule_of("b", instead_of="a"), "rules[1] b instead_of = 'a'"),
        (
            OPERATION + rule_of("a", operation="festival", instead_of="a"),
            "instead_of: a > a in node.toml",
        ),
        (
            OPERATION
            + rule_of("a", operation="festival", instead_of="b")
            + rule_of("b", operation="festival", instead_of="c")
            + rule_of("c", operation="festival", instead_of="a"),
            "instead_of: a > b > c > a in node.toml",
        ),
        (
            OPERATION
            + rule_of("a", operation="festival", instead_of="b")
            + rule_of("b", operation="festival", instead_of="c")
            + rule_of("c", operation="festival", instead_of="b"),
            "instead_of: b > c > b in node.toml",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(text, said):
    with pytest.raises(ConfigError) as refused:
        parse_config(NODE + text, name="node.toml")
    assert said in str(refused.value)
