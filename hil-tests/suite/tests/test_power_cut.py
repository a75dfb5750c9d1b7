"""What a power cut takes and what it leaves: bytes that were synced, and bytes that were not."""

import pytest
from suite import faults

pytestmark = [
    pytest.mark.needs("kernel", "power"),
    pytest.mark.fault(faults.CUT_POWER),
]

FOLDER = "/var/lib/roeh/cut"
#: A fragment's size, as evidence writes them.
BYTES = 262_144

WRITE = f"""
import os
folder = os.open("{FOLDER}", os.O_RDONLY)
for name, is_synced in (("synced", True), ("unsynced", False)):
    file = os.open("{FOLDER}/" + name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    os.write(file, bytes(range(256)) * {BYTES // 256})
    if is_synced:
        os.fsync(file)
        os.fsync(folder)
print("written")
"""
COUNT = f"""
import os
for name in ("synced", "unsynced"):
    try:
        kept = open("{FOLDER}/" + name, "rb").read()
    except FileNotFoundError:
        kept = b""
    print(kept == bytes(range(256)) * {BYTES // 256})
"""


def test_a_fragment_that_was_synced_survives_and_one_that_was_not_is_gone(strategy, booted):
    booted.run(f"rm -rf {FOLDER} && mkdir -m 700 {FOLDER} && sync")
    assert booted.run(f"python3 -c '{WRITE}'").strip() == "written"
    # Both can be read now: what is in memory counts, until the power goes.
    assert booted.run(f"python3 -c '{COUNT}'").split() == ["True", "True"]
    strategy.transition("off")
    strategy.transition("booted")
    assert booted.run(f"python3 -c '{COUNT}'").split() == ["True", "False"]
    booted.run(f"rm -r {FOLDER} && sync")
