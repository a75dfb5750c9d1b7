"""A pole that leaves the city: nothing on it can be read any more, and nothing of it runs."""

import pytest
from suite import faults
from suite.pole import ROLES, unit_of

pytestmark = [pytest.mark.fault(faults.DECOMMISSION), pytest.mark.needs("systemd")]

#: Where keys and evidence are while a pole works.
SECRETS = (
    "/var/lib/roeh/data",
    "/var/lib/roeh/tls",
    "/var/lib/roeh/https",
    "/var/lib/roeh/exports",
)


def test_a_pole_that_was_decommissioned_keeps_no_key_and_no_evidence_and_runs_nothing(
    pole, strategy, target
):
    provision = target.get_driver("ProvisionProtocol")
    provision.decommission()
    # It may have ended the very connection it came by.
    strategy.force("unknown")
    strategy.transition("booted")
    for role in ROLES:
        shown = pole.machine.show(unit_of(role), "ActiveState")
        assert shown["ActiveState"] == "inactive"
    assert pole.machine.ask("systemctl is-enabled roeh.target").out.strip() != "enabled"
    left = pole.machine.run(f"find {' '.join(SECRETS)} -type f 2>/dev/null || true")
    assert left.strip() == ""
    # Somebody may have been cut off in the middle: once more is no harm.
    provision.decommission()
