"""The evidence partition's key: who gets it."""

from __future__ import annotations

import shlex
from pathlib import Path

from suite.machine import Machine

DEVICE = "/dev/disk/by-partlabel/roeh-evidence"
MOUNT = "/var/lib/roeh"
_EXTEND = Path(__file__).parent / "probes/extend_pcr.py"
_DECOMMISSION = (
    Path(__file__).resolve().parent.parent.parent / "deploy/ansible/roles/decommission/files"
)
_STEPS = ("end.sh", "erase.sh")
_PATIENCE_S = 120.0


def opens_by_tpm(machine: Machine) -> bool:
    """Whether this machine's TPM, as it stands now, gives out the disk's key."""
    said = machine.ask(
        f"cryptsetup open --test-passphrase --token-only {DEVICE}", patience_s=_PATIENCE_S
    )
    return said.status == 0


def another_boot_state(machine: Machine) -> None:
    """What a firmware with other keys for secure boot measures; until the next start."""
    said = machine.python(_EXTEND, "7", interpreter="python3")
    assert said.status == 0, said.err


def erase_as_decommission_does(machine: Machine) -> None:
    """The steps of decommission.yml after which nobody can read what the pole held."""
    end, erase = (shlex.quote((_DECOMMISSION / name).read_text()) for name in _STEPS)
    machine.run(f"sh -c {end}", patience_s=_PATIENCE_S)
    machine.run(f"sh -ec {erase} erase {DEVICE}", patience_s=_PATIENCE_S)
