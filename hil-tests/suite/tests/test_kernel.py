"""What a kernel of its own is for: the hardware watchdog, the layer over the root, limits."""

import pytest
from suite import faults
from suite.machine import seconds_of
from suite.waiting import Stopwatch, wait_until

pytestmark = [pytest.mark.needs("kernel")]

#: RuntimeWatchdogSec, and a start of an imitated processor on a busy machine.
BACK_PATIENCE_S = 600.0
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
#: So many that unpacking takes seconds.
PACKAGED_FILES = 4000
LAYER = "/run/roeh-root/state"
ROOT_PARTITION = "$(basename $(readlink -f /dev/disk/by-partlabel/roeh-root))"


def back(strategy, booted, before):
    """Seconds until somebody can come in after a start that nobody asked for."""
    took = Stopwatch()
    strategy.target.deactivate(strategy.ssh)

    def look():
        strategy.force("off")
        strategy.transition("booted")
        return booted.run(BOOT_ID) != before

    wait_until("another start", look, BACK_PATIENCE_S)
    return took.elapsed_s


@pytest.mark.fault(faults.HARDWARE_WATCHDOG)
@pytest.mark.parametrize(
    "hang",
    [
        "sysctl -qw kernel.panic=0 kernel.sysrq=1; echo c > /proc/sysrq-trigger",
        "setsid python3 -c 'import ctypes, time; c = ctypes.CDLL(None); c.ptrace(0x4206, 1, 0, 0);"
        " c.ptrace(0x4207, 1, 0, 0); time.sleep(9999)' </dev/null >/dev/null 2>&1 &",
    ],
    ids=["kernel panics and stays", "systemd stands still"],
)
def test_whoever_feeds_the_watchdog_hangs_and_the_board_starts_anew(
    strategy, booted, hang, env, record_property
):
    watchdog_s = env.config.get_option("watchdog_s")
    shown = booted.show("", "RuntimeWatchdogUSec")["RuntimeWatchdogUSec"]
    assert seconds_of(shown) == watchdog_s
    before = booted.run(BOOT_ID)
    booted.ask(f"nohup sh -c '( sleep 1; {hang} )' >/dev/null 2>&1 &" if "panic" in hang else hang)
    record_property("measured", f"back after {back(strategy, booted, before):.0f} s")


def root_hash(machine):
    return machine.run(f"dd if=/dev/{ROOT_PARTITION} bs=1M count=64 status=none | sha256sum")


def writes_to_root(machine):
    return int(machine.run(f"cut -d' ' -f1- /sys/class/block/{ROOT_PARTITION}/stat").split()[4])


@pytest.mark.fault(faults.OVERLAY)
def test_what_is_written_is_on_the_state_partition_and_the_root_as_delivered(strategy, booted):
    assert booted.run("cat /run/roeh-root/told").startswith("overlay ")
    before = root_hash(booted)
    booted.run("echo ours > /etc/a-test-was-here && sync")
    assert booted.run(f"cat {LAYER}/upper/etc/a-test-was-here").strip() == "ours"
    strategy.transition("off")
    strategy.transition("booted")
    assert booted.run("cat /etc/a-test-was-here").strip() == "ours"
    assert root_hash(booted) == before
    assert writes_to_root(booted) == 0
    booted.run("rm /etc/a-test-was-here && sync")


@pytest.mark.needs("console")
@pytest.mark.fault(faults.OVERLAY)
def test_a_layer_that_never_comes_up_is_left_alone_and_the_pole_says_so(strategy, booted, target):
    booted.run(f"echo 3 > {LAYER}/tries && sync")
    strategy.transition("off")
    strategy.transition("booted")
    told = booted.run("cat /run/roeh-root/told")
    assert told.startswith("pristine the layer on PARTLABEL=roeh-state did not come up 3 times")
    # Before anybody can come in too.
    assert "roeh-overlay: pristine" in target.get_driver("SerialProtocol").said()
    # As a person mends it, with the words it said.
    state = "/mnt"
    booted.run(
        f"mount /dev/disk/by-partlabel/roeh-state {state} && rm {state}/tries && umount {state}"
    )
    strategy.transition("off")
    strategy.transition("booted")
    assert booted.run("cat /run/roeh-root/told").startswith("overlay ")


@pytest.mark.fault(faults.OVERLAY)
def test_a_cut_while_packages_are_installed_leaves_a_pole_that_starts(strategy, booted):
    """Debian's own tool, unpacking; what was cut is finished by its own way afterwards."""
    booted.run(
        "mkdir -p /var/tmp/cut/DEBIAN /var/tmp/cut/usr/share/cut && cd /var/tmp/cut &&"
        " printf 'Package: cut\nVersion: 1\nArchitecture: all\nMaintainer: t <t@t>\n"
        "Description: t\n' > DEBIAN/control &&"
        ' python3 -c \'import os; [open(f"usr/share/cut/{n}", "wb").write(os.urandom(4096))'
        f" for n in range({PACKAGED_FILES})]'"
        " && dpkg-deb --build -Znone . /var/tmp/cut.deb && sync",
        patience_s=300,
    )
    booted.run("systemd-run --quiet dpkg --install /var/tmp/cut.deb")
    wait_until(
        "half of it is unpacked",
        lambda: int(booted.run("ls /usr/share/cut 2>/dev/null | wc -l")) > PACKAGED_FILES // 4,
        BACK_PATIENCE_S,
    )
    strategy.transition("off")
    strategy.transition("booted")
    assert booted.run("cat /run/roeh-root/told").startswith("overlay ")
    status = booted.ask("dpkg-query --show --showformat='${Status}' cut").out
    # In the middle: it does not say that all is well.
    assert status != "install ok installed"
    booted.run("dpkg --configure -a; dpkg --install /var/tmp/cut.deb", patience_s=300)
    assert booted.run("dpkg --audit").strip() == ""
    assert int(booted.run("ls /usr/share/cut | wc -l")) == PACKAGED_FILES
    booted.run("dpkg --purge cut && rm -r /var/tmp/cut /var/tmp/cut.deb", patience_s=120)


@pytest.mark.fault(faults.SANDBOX)
def test_limits_that_a_container_cannot_show_hold_here(booted):
    def tried(limits, program):
        # One that failed is collected: a failed unit of ours would be the pole's.
        words = f"systemd-run --quiet --collect --pipe --wait {limits}"
        return booted.ask(f'{words} python3 -c "{program}"')

    hungry = "len(bytearray(200_000_000))"
    assert tried("-p MemoryMax=1G", hungry).status == 0
    assert tried("-p MemoryMax=64M -p MemorySwapMax=0", hungry).status != 0
    caller = "import socket; socket.create_connection(('127.0.0.1', 22), 5)"
    assert tried("", caller).status == 0
    assert tried("-p IPAddressDeny=any", caller).status != 0
