"""The layer over the root: changes stay on the state partition, and a broken layer stops no start.

The script of the initial RAM disk runs as it is, on real overlay and ext4 mounts, in a root and a
mount namespace of its own; only what initramfs-tools gives it is stood in for. QEMU's tier runs it
in a real initial RAM disk (hil-tests).
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import firmware_tools as tools
import pytest
from apt import require_packages

pytestmark = [
    pytest.mark.apt("e2fsprogs"),
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root"),
]

SCRIPT = tools.FIRMWARE / "common/overlay-root/roeh-overlay"
STATE_BYTES = 16 * 2**20

#: What the script finds around it in the initial RAM disk, then the script, then $5.
_START = """
top=/mnt
mount -t tmpfs none "$top"
cd "$top"
mkdir proc dev run root scripts bin
for folder in usr etc; do mkdir "$folder"; mount --rbind "/$folder" "$folder"; done
for link in lib lib64 sbin; do ln -s "usr/$link" "$link"; done
rmdir bin && ln -s usr/bin bin
mount -t proc none proc
printf '%s\\n' "$1" >cmdline
mount --bind cmdline proc/cmdline
/usr/bin/python3 -ISc '
import os, stat
os.mknod("dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
os.mknod("dev/loop-control", stat.S_IFCHR | 0o600, os.makedev(10, 237))
for number in range(64):
    os.mknod(f"dev/loop{number}", stat.S_IFBLK | 0o600, os.makedev(7, number))
'
: >dev/kmsg
touch state.img
mount --bind "$2" state.img
mkdir -p stands_in
printf '#!/bin/sh\\n[ -x "$2$3" ]\\n' >stands_in/run-init
for word in modprobe sleep; do printf '#!/bin/sh\\n' >"stands_in/$word"; done
chmod +x stands_in/*
echo 'resolve_device() { [ -e "$1" ] && echo "$1"; }' >scripts/functions
mount -t tmpfs root root
mount --make-private root
mkdir -p root/sbin root/etc
printf '#!/bin/sh\\n' >root/sbin/init
chmod +x root/sbin/init
echo delivered >root/etc/setting
mount -o remount,ro root
cp "$3" overlay
export rootmnt=/root init=/sbin/init PATH=/stands_in:/usr/sbin:/usr/bin
chroot . /bin/sh /overlay
cat dev/kmsg >&2
cat run/roeh-root/told
chroot . /bin/sh -c "$4"
"""


@pytest.fixture(scope="module", autouse=True)
def file_systems():
    require_packages("e2fsprogs")


@pytest.fixture
def state(tmp_path):
    image = tmp_path / "state.img"
    with image.open("wb") as file:
        file.truncate(STATE_BYTES)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^metadata_csum", image], check=True)
    return image


def start(state: Path, then: str, *, layer: str = "/state.img") -> tuple[str, list[str]]:
    """One start of the pole: what the script told, and what `then` printed afterwards."""
    cmdline = f"root=/dev/x ro roeh.overlay={layer} quiet" if layer else "root=/dev/x ro"
    done = tools.in_namespace(_START, cmdline, state, SCRIPT, then)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("<")]
    assert done.returncode == 0, done.stdout
    return lines[0], lines[1:]


CONFIRM = "rm /run/roeh-root/state/tries"


def test_a_change_is_there_at_the_next_start_and_the_root_is_as_delivered(state):
    told, _ = start(state, f"echo changed >/root/etc/setting; {CONFIRM}")
    assert told == "overlay /state.img"

    _, after = start(state, "cat /root/etc/setting /run/roeh-root/lower/etc/setting")

    assert after == ["changed", "delivered"]


def test_without_a_word_there_is_no_layer(state):
    assert start(state, "cat /root/etc/setting", layer="") == ("off", ["delivered"])
    assert start(state, "cat /root/etc/setting", layer="off") == ("off", ["delivered"])


def test_a_layer_in_memory_is_gone_at_the_next_start(state):
    told, _ = start(state, "echo changed >/root/etc/setting", layer="ram")
    assert told == "ram"

    assert start(state, "cat /root/etc/setting", layer="ram") == ("ram", ["delivered"])


def test_after_three_starts_that_nobody_confirmed_the_pristine_root_starts(state):
    assert start(state, "echo broken >/root/etc/setting")[0] == "overlay /state.img"
    assert start(state, "true")[0] == "overlay /state.img"
    assert start(state, "true")[0] == "overlay /state.img"

    told, lines = start(state, "cat /root/etc/setting; echo mend >/root/etc/more && echo writable")

    assert told.startswith("pristine the layer on /state.img did not come up 3 times")
    assert lines == ["delivered", "writable"]


def test_a_confirmed_start_begins_the_count_anew(state):
    for _ in range(4):
        assert start(state, CONFIRM)[0] == "overlay /state.img"


def test_a_state_partition_that_is_not_there_stops_no_start(state):
    told, lines = start(state, "cat /root/etc/setting", layer="PARTLABEL=gone")

    assert told == "pristine the state partition PARTLABEL=gone is not there"
    assert lines == ["delivered"]


def test_a_state_partition_full_of_garbage_stops_no_start(state):
    state.write_bytes(os.urandom(STATE_BYTES))

    told, lines = start(state, "cat /root/etc/setting")

    assert told.startswith("pristine the state partition /state.img cannot be mended")
    assert lines == ["delivered"]


def test_a_layer_that_hides_init_is_left_alone(state):
    start(state, f"rm /root/sbin/init; {CONFIRM}")

    told, lines = start(state, "ls /root/sbin; cat /root/etc/setting")

    assert told == "pristine the layer on /state.img cannot be mounted over the root"
    assert lines == ["init", "delivered"]


def test_a_count_that_was_cut_off_is_read_as_none(state):
    start(state, ": >/run/roeh-root/state/tries")
    assert start(state, "printf 'x\\n' >/run/roeh-root/state/tries")[0] == "overlay /state.img"

    assert start(state, "true")[0] == "overlay /state.img"
