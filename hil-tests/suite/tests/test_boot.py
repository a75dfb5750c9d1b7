"""From power to the first alert."""

import pytest
from suite import faults

pytestmark = [pytest.mark.fault(faults.BOOT), pytest.mark.needs("systemd")]


@pytest.mark.short
def test_systemd_is_the_first_process_and_no_unit_has_failed(booted):
    assert booted.run("cat /proc/1/comm").strip() == "systemd"
    assert booted.run("systemctl --failed --plain --no-legend").strip() == ""
