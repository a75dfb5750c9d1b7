"""What pages promise of a board, looked up in what the tools make of our files."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import firmware_tools as tools
import pytest
from apt import require_packages

from roeh.release.debs import read_packages

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="some tools need root")

#: edge/design/provisioning.md: path, mode, owner, group.
DIRECTORIES = [
    ("var/lib/roeh", 0o755, "root", "root"),
    ("var/lib/roeh/data", 0o710, "roeh-evidence", "roeh-video"),
    ("var/lib/roeh/data/segments", 0o2750, "roeh-evidence", "roeh-video"),
    ("var/lib/roeh/tls", 0o700, "roeh-publish", "roeh"),
    ("var/lib/roeh/https", 0o700, "roeh-retrieve", "roeh"),
    ("var/lib/roeh/exports", 0o700, "roeh-retrieve", "roeh"),
    ("var/lib/roeh/metrics", 0o1775, "root", "roeh"),
    ("run/roeh", 0o1770, "root", "roeh"),
]
#: Of a control room and of a witness's machine; metrics where a pole has them.
DESK_DIRECTORIES = [
    ("var/lib/roeh-desk", 0o700, "roeh-desk", "roeh-desk"),
    ("var/lib/roeh-desk/tls", 0o700, "roeh-desk", "roeh-desk"),
    ("var/lib/roeh-witness", 0o700, "roeh-witness", "roeh-witness"),
    ("var/lib/roeh", 0o755, "root", "root"),
    ("var/lib/roeh/metrics", 0o1775, "root", "roeh"),
]


@pytest.fixture
def tree(tmp_path):
    return Path(shutil.copytree(tools.FIRMWARE, tmp_path / "tree"))


@pytest.mark.parametrize(
    ("name", "directories"), [("roeh", DIRECTORIES), ("roeh-desk", DESK_DIRECTORIES)]
)
def test_users_have_no_shell_and_directories_belong_to_one_of_them(tree, name, directories):
    assert tools.made_directories(tree, tree / f"systemd/tmpfiles.d/{name}.conf") == ""
    root = tree.parent / "tree-directories"

    rows = [line.split(":") for line in (root / "etc/passwd").read_text().splitlines()]
    users = {int(row[2]): row[0] for row in rows} | {0: "root"}
    groups = {
        int(row.split(":")[2]): row.split(":")[0]
        for row in (root / "etc/group").read_text().splitlines()
    } | {0: "root"}

    assert {row[6] for row in rows if row[0].startswith("roeh")} == {"/usr/sbin/nologin"}
    for path, mode, owner, group in directories:
        status = (root / path).stat()
        assert status.st_mode & 0o7777 == mode, path
        assert (users[status.st_uid], groups[status.st_gid]) == (owner, group), path


@pytest.mark.parametrize("user", ["roeh-desk", "roeh-witness"])
def test_who_is_no_pole_leaves_metrics_where_the_exporter_looks(tree, tmp_path, user):
    """With the users of a control room alone; as their units are, in a user namespace."""
    (tree / "systemd/sysusers.d/roeh.conf").unlink()
    assert tools.made_directories(tree, tree / "systemd/tmpfiles.d/roeh-desk.conf") == ""
    root = tree.parent / "tree-directories"
    for folder in (root, *root.parents):
        folder.chmod(folder.stat().st_mode | 0o011)
    row = next(row for row in (root / "etc/passwd").read_text().splitlines() if f"{user}:" in row)
    uid, gid = row.split(":")[2:4]
    groups = [
        line.split(":")[2]
        for line in (root / "etc/group").read_text().splitlines()
        if user in line.split(":")[3].split(",")
    ]
    file = root / "var/lib/roeh/metrics" / f"{user}.prom"
    as_user = ["setpriv", f"--reuid={uid}", f"--regid={gid}", f"--groups={','.join(groups)}"]

    done = tools.run(*as_user, "unshare", "--user", "--map-current-user", "touch", file)

    assert (done.returncode, done.stdout) == (0, "")
    assert file.exists()


@pytest.mark.parametrize(
    "unit", sorted((tools.FIRMWARE / "systemd").glob("roeh-desk-*.service")), ids=lambda p: p.stem
)
def test_a_unit_of_the_desk_may_write_metrics(unit):
    paths = re.search("^ReadWritePaths=(.*)$", unit.read_text(), re.MULTILINE)[1].split()

    assert "-/var/lib/roeh/metrics" in paths


@pytest.mark.apt("chrony nftables systemd-journal-remote")
def test_a_unit_that_a_pole_sets_comes_with_a_package_that_the_bundle_carries():
    """Another's unit with our drop-in: without its package there is nothing to start."""
    require_packages("chrony", "nftables", "systemd-journal-remote")
    listed = read_packages(tools.FIRMWARE.parent / "deploy/ansible/packages/pole.txt")
    units = {path.name.removesuffix(".d") for path in tools.FIRMWARE.glob("common/*/*.service.d")}
    bringing = {}
    for unit in units:
        found = tools.run("dpkg-query", "--search", f"/lib/systemd/system/{unit}").stdout
        bringing[unit] = found.partition(":")[0]

    assert "systemd-journal-upload.service" in units
    assert {unit: name for unit, name in bringing.items() if name not in listed} == {}


@pytest.mark.apt("systemd")
def test_a_boot_starts_every_unit_and_has_to_drop_none(tree):
    """Of units that wait for each other in a circle systemd leaves one out, and goes on."""
    assert tools.boot_order(tree) == ""

    path = tree / "systemd/roeh-release-watch.path"
    path.write_text(path.read_text().replace("[Path]", "After=roeh-release-return.service\n[Path]"))
    assert "ordering cycle" in tools.boot_order(tree)


@pytest.mark.apt("systemd")
def test_the_evidence_partition_takes_what_the_others_leave(tree):
    said, plan = tools.partitions(tree)

    assert said == ""
    assert [row["label"] for row in plan] == [
        "roeh-boot",
        "roeh-root",
        "roeh-state",
        "roeh-evidence",
    ]
    assert plan[-1]["raw_size"] > 0.7 * tools.DISK_BYTES


@pytest.mark.apt("systemd")
def test_a_disk_that_is_too_small_is_refused(tree):
    assert tools.partitions(tree, disk_bytes=8 * 2**30)[0] != ""


def test_names_of_partitions_are_one_everywhere():
    labels = set()
    for file in (tools.FIRMWARE / "common/repart.d").glob("*.conf"):
        labels |= set(re.findall(r"^Label=(.+)$", file.read_text(), re.MULTILINE))
    used = set()
    for name in (
        "common/mounts/fstab",
        "common/mounts/crypttab-tpm2",
        "pi4/cmdline.txt",
        "pi5/cmdline.txt",
    ):
        used |= set(re.findall(r"PARTLABEL=([\w-]+)", (tools.FIRMWARE / name).read_text()))

    assert used == labels


@pytest.mark.apt("device-tree-compiler")
@pytest.mark.parametrize(
    ("board", "overlay", "node", "named", "value"),
    [
        *[
            (board, "roeh-case", "/roeh-case", "compatible", "gpio-keys")
            for board in ("pi4", "pi5", "orin")
        ],
        *[
            (board, "roeh-case", "/roeh-case/door", "linux,code", "16")
            for board in ("pi4", "pi5", "orin")
        ],
        *[
            (board, "roeh-watchdog", "/roeh-watchdog", "hw_margin_ms", "60000")
            for board in ("pi4", "pi5")
        ],
        ("pi4", "roeh-rtc", "/soc/i2c/rtc@68", "compatible", "maxim,ds3231"),
        ("pi4", "roeh-rtc", "/soc/i2c", "status", "okay"),
        ("pi5", "roeh-tilt", "/soc/i2c/accelerometer@53", "compatible", "adi,adxl345"),
        ("orin", "roeh-tilt", "/bus/i2c/accelerometer@53", "reg", "83"),
    ],
)
def test_an_overlay_puts_its_device_on_the_board(tree, board, overlay, node, named, value):
    require_packages("device-tree-compiler")
    assert tools.merged_overlay(tree, tree / board / "overlays" / f"{overlay}.dts") == ""
    merged = tree.parent / f"tree-{board}-{overlay}.dtb"

    assert tools.run("fdtget", merged, node, named).stdout.strip() == value


def test_every_overlay_of_ours_that_a_config_names_is_there():
    for board in ("pi4", "pi5"):
        config = (tools.FIRMWARE / board / "config.txt").read_text()
        named = set(re.findall(r"^#?dtoverlay=(roeh-[\w-]+)", config, re.MULTILINE))
        there = {file.stem for file in (tools.FIRMWARE / board / "overlays").glob("*.dts")}
        assert named == there


#: Stands in for the firmware of a Pi: an HMAC with a key that only it has.
FIRMWARE_STAND_IN = """#!/bin/sh
# rpi-fw-crypto hmac --in FILE --key-id 1 --out FILE
[ "$1 $2 $4 $5 $6" = "hmac --in --key-id 1 --out" ] || exit 2
openssl dgst -sha256 -mac HMAC -macopt hexkey:"$BURNT_KEY" -binary -out "$7" "$3"
"""


def disk_key(tmp_path, *, burnt="11" * 32, serial=b"10000000abcdef01\0", program=FIRMWARE_STAND_IN):
    stands_in = tmp_path / "bin"
    stands_in.mkdir(exist_ok=True)
    (stands_in / "rpi-fw-crypto").write_text(program)
    (stands_in / "rpi-fw-crypto").chmod(0o755)
    (tmp_path / "serial").write_bytes(serial)
    key = tmp_path / "run" / "key"
    key.unlink(missing_ok=True)
    done = tools.run(
        tools.FIRMWARE / "common/disk-key/roeh-disk-key",
        key,
        environment={
            "PATH": f"{stands_in}:{os.environ['PATH']}",
            "BURNT_KEY": burnt,
            "ROEH_SERIAL_FILE": str(tmp_path / "serial"),
        },
    )
    return done, key


def test_the_disk_key_is_of_this_board_alone_and_the_same_at_each_start(tmp_path):
    done, file = disk_key(tmp_path)
    assert done.returncode == 0, done.stdout
    key = file.read_text()

    assert re.fullmatch(r"[0-9a-f]{64}", key)
    assert file.stat().st_mode & 0o777 == 0o600
    assert disk_key(tmp_path)[1].read_text() == key
    assert disk_key(tmp_path, burnt="22" * 32)[1].read_text() != key
    assert disk_key(tmp_path, serial=b"10000000abcdef02\0")[1].read_text() != key


def test_the_disk_key_is_what_the_page_says(tmp_path):
    """HMAC-SHA256 (RFC 2104) over a text with the serial number: another text locks every disk."""
    text = b"roeh evidence partition 1\n10000000abcdef01"

    assert (
        disk_key(tmp_path)[1].read_text()
        == hmac.digest(bytes([0x11] * 32), text, hashlib.sha256).hex()
    )


@pytest.mark.parametrize(
    ("program", "said"),
    [
        pytest.param("#!/bin/sh\nexit 1\n", "makes no HMAC: burn a key once", id="no key"),
        pytest.param("#!/bin/sh\n: >$7\n", "gave no HMAC of 32 bytes", id="nothing"),
    ],
)
def test_a_board_without_a_key_is_told_and_nothing_is_left(tmp_path, program, said):
    done, file = disk_key(tmp_path, program=program)

    assert done.returncode == 1
    assert said in done.stdout
    assert not file.exists()
    assert list(file.parent.iterdir()) == []


@pytest.fixture(scope="module")
def case():
    path = tools.FIRMWARE / "common/case/roeh_case.py"
    spec = importlib.util.spec_from_file_location("roeh_case", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def event(kind, code, value):
    return struct.pack("qqHHi", 1, 2, kind, code, value)


def test_the_case_tells_each_time_that_its_door_moves(case, tmp_path):
    """The switch is set while the cover is closed (linux/input-event-codes.h)."""
    reader, writer = os.pipe()
    os.write(writer, event(5, 16, 0) + event(0, 0, 0) + event(5, 0, 1) + event(5, 16, 1))
    os.close(writer)
    said = []

    with os.fdopen(reader, "rb", buffering=0) as device:
        for is_open in case.changes(device):
            case.tell(is_open=is_open, state=tmp_path / "state", say=said.append)

    assert said == ["<4>the case is open\n", "<5>the case is closed\n"]
    assert (tmp_path / "state").read_text() == "closed\n"


def test_the_case_speaks_the_kernels_numbers(case):
    """EVIOCGSW(8), EV_SW and SW_MACHINE_COVER, as the kernel's own headers have them."""
    require_packages("gcc", "libc6-dev", "linux-libc-dev")
    source = (
        "#include <stdio.h>\n#include <linux/input.h>\n"
        'int main(void) { printf("%lu %d %d %zu", (unsigned long) EVIOCGSW(8), EV_SW,'
        " SW_MACHINE_COVER, sizeof(struct input_event)); }\n"
    )
    binary = Path(os.environ.get("TMPDIR", "/tmp")) / f"case-numbers-{os.getpid()}"
    try:
        subprocess.run(["gcc", "-x", "c", "-", "-o", binary], input=source, text=True, check=True)
        numbers = [int(word) for word in tools.run(binary).stdout.split()]
    finally:
        binary.unlink(missing_ok=True)

    assert numbers == [case._EVIOCGSW, case.EV_SW, case.SW_MACHINE_COVER, case._EVENT.size]
