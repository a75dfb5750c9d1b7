"""From power to the first alert."""

import pytest
from suite import faults
from suite.waiting import Stopwatch

pytestmark = [pytest.mark.fault(faults.BOOT), pytest.mark.needs("systemd")]


@pytest.mark.short
def test_systemd_is_the_first_process_and_no_unit_has_failed(booted):
    assert booted.run("cat /proc/1/comm").strip() == "systemd"
    assert booted.run("systemctl --failed --plain --no-legend").strip() == ""


def test_a_pole_whose_power_went_boots_again_with_its_disk(strategy, booted):
    booted.run("mkdir -p /var/lib/kept && echo kept > /var/lib/kept/mark && sync")
    took = Stopwatch()
    strategy.transition("off")
    strategy.transition("booted")
    assert booted.run("cat /var/lib/kept/mark").strip() == "kept"
    assert took.elapsed_s < 120
    booted.run("rm -r /var/lib/kept")
