"""Every file of firmware-config/ is taken by the tool that reads it on a board, a broken one never.

A file for which no check stands here fails: it would be tried on a street first.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import firmware_tools as tools
import pytest
from apt import require_packages

PACKAGES = (
    "chrony",
    "device-tree-compiler",
    "kmod",
    "nftables",
    "procps",
    "shellcheck",
    "systemd",
    "systemd-journal-remote",
    "udev",
)
pytestmark = [
    pytest.mark.apt(" ".join(PACKAGES)),
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]

#: What is said about the tree and is no part of it.
UNHELD = re.compile(r"README\.md$|^check/|__pycache__/")

#: Which files, by what, and a change that has to be refused: (file, what stands there, what then).
CHECKS: list[tuple[str, Callable, tuple[str, str, str]]] = [
    (
        r"(systemd|common/[\w-]+)/[\w@-]+\.service$",
        tools.verified_unit,
        ("systemd/roeh-publish.service", "WatchdogSec=", "WatchdogSek="),
    ),
    (
        r"(systemd|common/[\w-]+)/[\w@-]+\.service$",
        tools.closed_unit,
        ("systemd/roeh-publish.service", "CapabilityBoundingSet=\n", ""),
    ),
    (
        r"systemd/[\w-]+\.(target|path|timer)$",
        tools.verified_unit,
        ("systemd/roeh.target", "Wants=", "Want="),
    ),
    (
        r"\.service\.d/\w+\.conf$",
        tools.verified_unit,
        (
            "common/journal-upload/systemd-journal-upload.service.d/roeh.conf",
            "RestartSec=60",
            "RestartSec=often",
        ),
    ),
    (r"/sysusers\.d/", tools.made_users, ("systemd/sysusers.d/roeh.conf", "u ", "w ")),
    (r"/tmpfiles\.d/", tools.made_directories, ("systemd/tmpfiles.d/roeh.conf", "d ", "j ")),
    (
        r"/nftables\.conf$",
        tools.loaded_rules,
        ("common/nftables/nftables.conf", "policy drop", "policy dorp"),
    ),
    (
        r"/nftables\.d/.*\.nft$",
        tools.loaded_rules,
        ("common/nftables/nftables.d/roeh-addresses.nft", "192.0.2.50", "192.0.2.500"),
    ),
    (
        r"/nftables\.d/.*\.nft$",
        tools.loaded_rules,
        ("common/nftables/nftables.d/control-room.rules.nft", "@poles4", "@pole4"),
    ),
    (
        r"/chrony(/sources\.d)?/[\w.]+$",
        tools.read_time_settings,
        ("common/chrony/chrony.conf", "makestep 1.0 3", "makestep 1.0"),
    ),
    (
        r"/chrony(/sources\.d)?/[\w.]+$",
        tools.read_time_settings,
        ("common/chrony/sources.d/roeh.sources", "iburst nts", "iburst ntts"),
    ),
    (
        r"/journald\.conf\.d/",
        tools.held_by_schema,
        ("common/journald.conf.d/roeh.conf", "SystemMaxUse=256M", "SystemMaxUsage=256M"),
    ),
    (
        r"/journal-upload/roeh\.conf$",
        tools.read_upload_settings,
        ("common/journal-upload/roeh.conf", "URL=", "Url="),
    ),
    (
        r"/journal-upload/roeh\.conf$",
        tools.held_by_schema,
        ("common/journal-upload/roeh.conf", "https:", "http:"),
    ),
    (
        r"/sysctl\.d/",
        tools.read_kernel_settings,
        ("common/sysctl.d/60-roeh.conf", "kernel.panic = 10", "kernel.panic 10"),
    ),
    (
        r"/sysctl\.d/",
        tools.held_by_schema,
        ("common/sysctl.d/60-roeh.conf", "net.ipv4.ip_forward = 0", "net.ipv4.ip_forwards = 0"),
    ),
    (
        r"/udev/",
        tools.read_udev_rules,
        ("common/udev/65-roeh-ports.rules", 'LABEL="roeh_usb_end"', 'LABEL="roeh_end"'),
    ),
    (
        r"/udev/",
        tools.read_udev_rules,
        ("common/udev/70-roeh-usb.rules", "SUBSYSTEM==", "SUBSISTEM=="),
    ),
    (
        r"/modprobe\.d/",
        tools.read_module_settings,
        ("common/modprobe.d/roeh.conf", "install btusb", "instal btusb"),
    ),
    (
        r"/system\.conf\.d/",
        tools.read_manager_settings,
        ("common/system.conf.d/roeh.conf", "RuntimeWatchdogSec=15s", "RuntimeWatchdogSec=15x"),
    ),
    (
        r"/system\.conf\.d/",
        tools.held_by_schema,
        ("common/system.conf.d/roeh.conf", "RuntimeWatchdogSec=15s", "RuntimeWatchdogSec=60s"),
    ),
    (
        r"/overlay-root/roeh-overlay(\.hook)?$",
        tools.checked_script,
        ("common/overlay-root/roeh-overlay", '"$rootmnt"', "$rootmnt"),
    ),
    (
        r"/case/\w+\.py$",
        tools.compiled_program,
        ("common/case/roeh_case.py", "def main() -> int:", "def main() -> int"),
    ),
    (
        r"/disk-key/roeh-disk-key$",
        tools.checked_script,
        ("common/disk-key/roeh-disk-key", "}\n", "\n"),
    ),
    (
        r"/repart\.d/|/repart-tpm2/",
        tools.planned_partitions,
        ("common/repart.d/30-roeh-evidence.conf", "SizeMinBytes=16G", "SizeMinBytes=160G"),
    ),
    (
        r"/repart\.d/|/repart-tpm2/",
        tools.planned_partitions,
        (
            "common/repart-tpm2/30-roeh-evidence.conf.d/encrypt.conf",
            "Encrypt=tpm2",
            "Encrypt=tmp2",
        ),
    ),
    (r"/mounts/fstab$", tools.read_mounts, ("common/mounts/fstab", "tmpfs  ", "\ntmpfs  ")),
    (
        r"/mounts/crypttab-",
        tools.read_encrypted_disks,
        ("common/mounts/crypttab-tpm2", "  PARTLABEL=roeh-evidence  none  ", "-"),
    ),
    (
        r"/mounts/crypttab-",
        tools.held_by_schema,
        ("common/mounts/crypttab-tpm2", "tpm2-device=auto", "tmp2-device=auto"),
    ),
    (
        r"/overlays/.*\.dts$",
        tools.merged_overlay,
        ("pi5/overlays/roeh-case.dts", "target = <&gpio>", "target = <&gpio0>"),
    ),
    (
        r"/overlays/.*\.dts$",
        tools.merged_overlay,
        ("orin/overlays/roeh-tilt.dts", "reg = <0x53>;", "reg = <0x53>"),
    ),
    (
        r"/config\.txt$",
        tools.held_by_schema,
        ("pi4/config.txt", "dtparam=watchdog=on", "dtparam=watchdog=off"),
    ),
    (
        r"/cmdline\.txt$",
        tools.held_by_schema,
        ("pi5/cmdline.txt", "rootwait", "rootwait init=/bin/sh"),
    ),
    (r"/eeprom\.conf$", tools.held_by_schema, ("pi5/eeprom.conf", "0xf16", "0xf416")),
    (r"/autoboot\.txt$", tools.held_by_schema, ("pi4/autoboot.txt", "tryboot_a_b", "tryboot_ab")),
    (
        r"/extlinux\.conf$",
        tools.held_by_schema,
        ("orin/extlinux.conf", "DEFAULT roeh", "DEFAULT primary"),
    ),
]


def held_files():
    names = (
        path.relative_to(tools.FIRMWARE) for path in tools.FIRMWARE.rglob("*") if path.is_file()
    )
    return sorted(str(name) for name in names if not UNHELD.search(str(name)))


FILES = held_files()


def name_of(value):
    return getattr(value, "__name__", None) or (
        value[0] if isinstance(value, tuple) else str(value)
    )


@pytest.fixture(scope="module", autouse=True)
def real_tools():
    require_packages(*PACKAGES)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    return Path(shutil.copytree(tools.FIRMWARE, tmp_path_factory.mktemp("firmware") / "tree"))


@pytest.fixture
def tree(tmp_path):
    return Path(shutil.copytree(tools.FIRMWARE, tmp_path / "tree"))


@pytest.mark.parametrize("name", FILES)
def test_its_tool_takes_it(name, untouched):
    checks = {check for pattern, check, _ in CHECKS if re.search(pattern, name)}

    assert checks, f"nothing checks {name}: give it a row in CHECKS"
    for check in checks:
        assert check(untouched, untouched / name) == "", check.__name__


@pytest.mark.parametrize(("check", "broken"), [row[1:] for row in CHECKS], ids=name_of)
def test_its_tool_refuses_a_broken_one(check, broken, tree):
    name, there, instead = broken
    file = tree / name
    assert there in file.read_text()

    file.write_text(file.read_text().replace(there, instead))

    assert check(tree, file), f"{check.__name__} took {instead!r} in {name}"


@pytest.mark.parametrize("pattern", sorted({pattern for pattern, _, _ in CHECKS}))
def test_no_check_without_a_file(pattern):
    assert any(re.search(pattern, name) for name in FILES)


def test_the_page_names_every_file():
    page = (tools.FIRMWARE / "README.md").read_text()
    named = re.findall(r"`((?:systemd|common|pi4|pi5|orin)/[^`]*)`", page)
    missing = [
        name
        for name in FILES
        if not any(
            Path(name).match(word.replace("KIND", "*")) or name.startswith(word.rstrip("*"))
            for word in named
        )
    ]

    assert missing == []
