"""Evidence's disk opens for its own board, as it starts today, and for nobody else."""

import json

import pytest
from suite import faults
from suite.disk_key import (
    DEVICE,
    MOUNT,
    another_boot_state,
    erase_as_decommission_does,
    opens_by_tpm,
)
from suite.machine import Machine

pytestmark = [pytest.mark.needs("kernel", "tpm"), pytest.mark.fault(faults.DISK_KEY)]

#: One more than a TPM as delivered allows.
CUTS = 5
BOOT_PATIENCE_S = 600.0
SECRET = f"{MOUNT}/a-test-was-here"


@pytest.fixture
def copy_in(strategy, target):
    """Boots a copy of the pole's disk in another board; the pole is back afterwards."""
    theft = target.get_driver("TheftProtocol")

    def start(tpm):
        strategy.transition("off")
        theft.start(tpm)
        target.activate(strategy.ssh)
        copy = Machine("copy", strategy.ssh)
        # Somebody may come in before its disk was asked for: nothing would be shown then.
        copy.ask("systemctl is-system-running --wait", patience_s=BOOT_PATIENCE_S)
        return copy

    yield start
    target.deactivate(strategy.ssh)
    theft.end()
    strategy.force("off")
    strategy.transition("booted")


def test_evidence_is_on_luks2_that_the_tpm_opened_before_anybody_came_in(booted):
    said = json.loads(booted.run(f"findmnt --json --output SOURCE,FSTYPE,OPTIONS {MOUNT}"))
    (mounted,) = said["filesystems"]
    assert mounted["source"] == "/dev/mapper/roeh-evidence"
    assert {"nodev", "nosuid", "noexec"} <= set(mounted["options"].split(","))
    header = json.loads(booted.run(f"cryptsetup luksDump --dump-json-metadata {DEVICE}"))
    assert [token["type"] for token in header["tokens"].values()] == ["systemd-tpm2"]
    # No second way in: one key slot, and the TPM's token names it.
    (token,) = header["tokens"].values()
    assert token["keyslots"] == list(header["keyslots"])
    assert token["tpm2-pcrs"] == [7]


@pytest.mark.needs("theft")
@pytest.mark.parametrize("tpm", ["another", "none"])
def test_a_copied_disk_opens_in_no_other_board(booted, copy_in, tpm):
    booted.run(f"mountpoint {MOUNT} && echo evidence > {SECRET} && sync")
    copy = copy_in(tpm)
    # It is the pole's disk: whatever is not encrypted is there to read.
    assert copy.run("cat /etc/machine-id").strip() == booted_machine_id(copy)
    assert copy.ask(f"test -e {SECRET}").status != 0
    assert copy.ask("test -b /dev/mapper/roeh-evidence").status != 0
    assert not opens_by_tpm(copy)


def booted_machine_id(machine):
    return machine.run("cat /run/roeh-root/state/upper/etc/machine-id").strip()


def test_its_own_board_in_another_boot_state_does_not_open_it(strategy, booted):
    """PCR 7 holds which keys the firmware trusts: another secure boot, another value."""
    assert opens_by_tpm(booted)
    another_boot_state(booted)
    assert not opens_by_tpm(booted)
    strategy.transition("off")
    strategy.transition("booted")
    assert opens_by_tpm(booted)


def test_power_that_comes_and_goes_does_not_lock_the_disk(strategy, booted):
    """A TPM that loses its power after it gave out a key counts a wrong guess, unless told."""
    for _ in range(CUTS):
        strategy.transition("off")
        strategy.transition("booted")
        booted.run(f"findmnt {MOUNT}")
    assert opens_by_tpm(booted)


@pytest.mark.needs("theft")
@pytest.mark.fault(faults.DECOMMISSION)
def test_after_the_erasure_of_its_keys_not_even_its_own_board_opens_it(booted, copy_in):
    """On a twin with a copy of the same TPM, so that the pole itself is kept."""
    booted.run(f"mountpoint {MOUNT} && echo evidence > {SECRET} && sync")
    twin = copy_in("own")
    assert twin.run(f"cat {SECRET}").strip() == "evidence"
    assert opens_by_tpm(twin)
    erase_as_decommission_does(twin)
    assert not opens_by_tpm(twin)
    assert twin.ask(f"cryptsetup isLuks {DEVICE}").status != 0
    assert twin.ask(f"test -e {SECRET}").status != 0
