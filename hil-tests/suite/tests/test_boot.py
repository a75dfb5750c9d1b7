"""From power to the first alert."""

import pytest
from suite import faults

pytestmark = [pytest.mark.fault(faults.BOOT), pytest.mark.needs("systemd")]


@pytest.mark.short
def test_systemd_is_the_first_process_and_no_unit_has_failed(booted):
    assert booted.run("cat /proc/1/comm").strip() == "systemd"
    assert booted.run("systemctl --failed --plain --no-legend").strip() == ""


@pytest.mark.short
def test_a_boot_drops_no_unit(provisioned_pole):
    """Of units that wait for each other in a circle systemd leaves one out, and goes on."""
    # What systemd says before journald runs comes by the kernel's log, and names no process.
    said = provisioned_pole.machine.run("journalctl --boot --no-pager -o cat")
    assert [line for line in said.splitlines() if "ordering cycle" in line] == []
