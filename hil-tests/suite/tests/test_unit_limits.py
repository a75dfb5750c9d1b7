"""What the units as delivered hold a process to, where the kernel has control groups of its own.

The unit's own text, another program in it, and once more without the line in question, so that it
is known what stops it. On a pole that was provisioned the firewall stands open meanwhile.
"""

import base64
from pathlib import Path

import pytest
import yaml
from suite import faults
from suite.sandbox import probe_text

pytestmark = [pytest.mark.needs("kernel"), pytest.mark.fault(faults.SANDBOX)]

REPOSITORY = Path(__file__).resolve().parent.parent.parent.parent
DELIVERED = REPOSITORY / "firmware-config/systemd"
POLE_ROLE = REPOSITORY / "deploy/ansible/roles/pole/vars/main.yml"
PLACE = "/run/roeh-tried"
UNIT = "roeh-tried.service"
#: Somebody who refuses was reached.
CALL = """
import errno, socket, sys
for address, port in (sys.argv[1].split(":"), sys.argv[2].split(":")):
    try:
        socket.create_connection((address, int(port)), 10).close()
        print("reached")
    except ConnectionRefusedError:
        print("reached")
    except OSError as error:
        print(errno.errorcode.get(error.errno or 0, "silence"))
"""
#: More than evidence is given, less than the machine has.
TAKE = "print(len(bytearray(700_000_000)))"


def unit_of_capture(cameras):
    """With what Ansible puts beside it where cameras are in the network."""
    (drop_in,) = yaml.safe_load(POLE_ROLE.read_text())["pole_camera_files"]
    words = drop_in["content"].replace("{{ roeh_camera_networks | join(' ') }}", cameras)
    assert "{{" not in words
    return (DELIVERED / "roeh-capture.service").read_text() + words


def without(name, text):
    kept = [line for line in text.splitlines() if not line.startswith(f"{name}=")]
    assert len(kept) < len(text.splitlines())
    return "\n".join(kept)


@pytest.fixture
def tried(booted):
    """Runs a program in the place of a unit's; how it ended and what it said."""
    sysusers = (DELIVERED / "sysusers.d/roeh.conf").read_text()
    booted.run(f"echo {coded(sysusers)} | base64 -d | systemd-sysusers -")
    made = booted.ask("test -d /run/roeh").status != 0
    booted.run(f"mkdir -p /run/roeh {PLACE}")

    def start(text, program, *arguments):
        line = f"/usr/bin/python3 {PLACE}/program.py {' '.join(arguments)}"
        unit = probe_text(text, line, f"{PLACE}/said")
        said = booted.ask(
            f"rm -f {PLACE}/said; echo {coded(program)} | base64 -d > {PLACE}/program.py;"
            f" echo {coded(unit)} | base64 -d > /run/systemd/system/{UNIT};"
            f" systemctl daemon-reload; systemctl start {UNIT}; status=$?; cat {PLACE}/said;"
            " exit $status"
        )
        result = booted.show(UNIT, "Result")["Result"]
        told = booted.ask(f"journalctl --no-pager -o cat -n 8 -u {UNIT}").out
        booted.ask(f"systemctl reset-failed {UNIT}")
        return result, said.out.split(), told

    # Its rules for users would stop the same as the unit's own; they outlive its unit.
    has_firewall = booted.ask("systemctl is-active --quiet nftables").status == 0
    if has_firewall:
        booted.run("systemctl stop nftables && nft flush ruleset")
    yield start
    if has_firewall:
        booted.run("systemctl start nftables")
    booted.run(f"rm -rf {PLACE} /run/systemd/system/{UNIT}; systemctl daemon-reload")
    if made:
        booted.run("rmdir /run/roeh")


def coded(text):
    return base64.b64encode(text.encode()).decode()


def test_capture_as_delivered_reaches_its_cameras_and_nobody_else(tried, env):
    reached = env.config.get_option("addresses")
    camera = f"{reached['camera']}:{reached['camera_port']}"
    control_room = f"{reached['control_room']}:8883"
    text = unit_of_capture(f"{reached['camera']}/32")
    result, said, told = tried(text, CALL, camera, control_room)
    assert (result, said[:1]) == ("success", ["reached"]), (said, told)
    assert said[1:] in (["EPERM"], ["silence"], ["ETIMEDOUT"]), said
    open_to_all = without("IPAddressAllow", without("IPAddressDeny", text))
    found = tried(open_to_all, CALL, camera, control_room)
    assert found[:2] == ("success", ["reached", "reached"]), found


def test_evidence_as_delivered_is_given_its_memory_and_no_more(tried):
    text = (DELIVERED / "roeh-evidence.service").read_text()
    result, said, told = tried(text, TAKE)
    # Which of the two words it is depends on who hears of it first.
    assert result in ("oom-kill", "signal"), f"{result} {told}"
    assert said == []
    found = tried(without("MemoryMax", text), TAKE)
    assert found[:2] == ("success", ["700000000"]), found
