"""Alerts that one event sets off carry the id of the first."""

from __future__ import annotations

from roeh.core.clock import NS_PER_S
from roeh.core.types import AlertPhase
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
