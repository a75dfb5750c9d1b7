"""Alerts that one event sets off carry the id of the first."""

from __future__ import annotations

from roeh.core.clock import NS_PER_S
from roeh.core.types import AlertPhase, RuleKind
from roeh.detect.groups import Groups
from roeh.vision.rules import Finding
from tests.unit.rule_scenes import finding_at


def told(groups: Groups, finding: Finding, message_id: str, t_s: float) -> str | None:
    return groups.of(finding, message_id, round(t_s * NS_PER_S))


def test_what_is_raised_near_by_within_seconds_is_one_group():
    groups = Groups()

    assert told(groups, finding_at("run", 5, 5, track_ids=(1,)), "a", 0.0) is None
    assert told(groups, finding_at("scatter", 9, 9, track_ids=(2, 3)), "b", 4.0) == "a"
    # The group is the first one's, however long it goes on.
    assert told(groups, finding_at("zone", 12, 12, track_ids=(4,)), "c", 12.0) == "a"
    assert told(groups, finding_at("far", -30, 0, track_ids=(9,)), "d", 12.5) is None


def test_the_same_person_is_the_same_event_wherever_they_got_to():
    groups = Groups()
    told(groups, finding_at("line", 0, 5, track_ids=(7,)), "a", 0.0)

    assert told(groups, finding_at("run", 0, 25, track_ids=(7,)), "b", 8.0) == "a"


def test_later_and_elsewhere_is_another():
    groups = Groups()
    told(groups, finding_at("line", 0, 5, track_ids=(7,)), "a", 0.0)

    assert told(groups, finding_at("line", 0, 5, number=2, track_ids=(8,)), "b", 10.1) is None


def test_a_message_keeps_its_group_until_the_alert_is_over():
    groups = Groups()
    told(groups, finding_at("line", 0, 5, track_ids=(7,)), "a", 0.0)
    told(groups, finding_at("run", 0, 6, track_ids=(7,)), "b", 1.0)
    over = finding_at("run", 0, 30, track_ids=(7,), phase=AlertPhase.CLEARED)

    assert told(groups, finding_at("run", 0, 30, phase=AlertPhase.UPDATED), "c", 60.0) == "a"
    assert told(groups, over, "d", 90.0) == "a"
    assert told(groups, over, "e", 91.0) is None


def foot(rule: str, kind: RuleKind, number: int = 1) -> Finding:
    """What has no place stands at the foot of the pole."""
    return finding_at(rule, 0, 0, number=number, track_ids=(), kind=kind)


def test_whoever_stands_near_the_pole_has_nothing_to_do_with_its_cameras_and_a_noise():
    groups = Groups()
    told(groups, finding_at("zone", 1, 2, track_ids=(1,)), "a", 0.0)

    assert told(groups, foot("blind", RuleKind.CAMERA_BLIND), "b", 1.0) is None
    assert told(groups, foot("bang", RuleKind.LOUD_NOISE), "c", 2.0) is None
    # Nor they with one another; the next person belongs to the first.
    assert told(groups, finding_at("run", 2, 2, track_ids=(2,)), "d", 3.0) == "a"


def test_what_is_done_to_the_cameras_of_a_pole_is_one_event():
    groups = Groups()
    told(groups, foot("tamper", RuleKind.CAMERA_TAMPER), "a", 0.0)

    assert told(groups, foot("tamper", RuleKind.CAMERA_TAMPER, 2), "b", 3.0) == "a"
    assert told(groups, foot("blind", RuleKind.CAMERA_BLIND), "c", 9.0) == "a"
    assert told(groups, foot("blind", RuleKind.CAMERA_BLIND, 2), "d", 19.5) is None


def test_two_rules_about_one_bang_are_one_event():
    groups = Groups()
    told(groups, foot("loud", RuleKind.LOUD_NOISE), "a", 0.0)

    assert told(groups, foot("very-loud", RuleKind.LOUD_NOISE), "b", 0.2) == "a"
