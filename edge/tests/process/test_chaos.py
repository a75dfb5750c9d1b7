"""Kills and a bad link: no accepted alert is lost (the long form: make chaos)."""

import os

import pytest

from tests.apt import require_packages
from tests.chaos.plan import plan_runs
from tests.chaos.report import complaints
from tests.chaos.suite import run

pytestmark = [pytest.mark.apt("mosquitto iproute2 nftables"), pytest.mark.timeout(300)]

ALERTS = 300
PLANS = {plan.name: plan for plan in plan_runs(2, ALERTS, is_short=True)}


@pytest.fixture(autouse=True)
def machine(as_root):
    require_packages("mosquitto", "iproute2", "nftables")
    assert os.geteuid() == 0


def test_every_accepted_alert_is_at_the_desk_exactly_once(tmp_path):
    outcome = run(PLANS["kills+link"], tmp_path)
    assert outcome.is_good, complaints([outcome])
    assert outcome.kills >= 5
    assert outcome.cuts == 1


def test_acknowledged_by_the_broker_some_are_lost_or_the_suite_finds_nothing(tmp_path):
    outcome = run(PLANS["by broker"], tmp_path)
    assert outcome.missing
    assert not outcome.twice
    assert not outcome.foreign
