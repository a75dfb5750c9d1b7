"""Settings that have no linter: each mistake is one line with file, line, key and what to write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import firmware_tools as tools
import pytest
from check import check_file
from check.schema import kinds
from hypothesis import given, settings
from hypothesis import strategies as st

FIRMWARE = tools.FIRMWARE


def mistakes(tmp_path, name, there, instead):
    """What is said of a file of ours with one change; paths without the folder."""
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    text = (FIRMWARE / name).read_text()
    assert there in text
    file.write_text(text.replace(there, instead, 1))
    return [str(mistake).replace(f"{tmp_path}/", "") for mistake in check_file(file)]


MISTAKES = [
    (
        "pi4/config.txt",
        "enable_uart=0",
        "enable_uart=1",
        "enable_uart: '1' is not allowed: write 0 (the debug UART is off on a street)",
    ),
    (
        "pi4/config.txt",
        "dtoverlay=disable-wifi\n",
        "",
        "pi4/config.txt: dtoverlay=disable-wifi: missing: write dtoverlay=disable-wifi (no radio)",
    ),
    (
        "pi5/config.txt",
        "auto_initramfs=1",
        "auto_initramf=1",
        "auto_initramf: not known: write auto_initramfs, or give it a row in schema.toml",
    ),
    (
        "pi5/config.txt",
        "arm_64bit=1",
        "arm_64bit=1\nover_voltage=6",
        "over_voltage: not on a pole: remove it (a board that is driven harder fails in the sun)",
    ),
    (
        "pi4/config.txt",
        "arm_64bit=1",
        "arm_64bit = 1",
        "blanks round = become part of it",
    ),
    (
        "pi4/config.txt",
        "arm_64bit=1",
        "arm_64bit=1\narm_64bit=1",
        "in line 4 too: remove one",
    ),
    ("pi4/config.txt", "[all]", "[pi3]", "section: [pi3] is not known here: write one of all, "),
    (
        "pi4/config.txt",
        "kernel_watchdog_timeout=60",
        "kernel_watchdog_timeout=5",
        "write a whole number from 30 to 300 s (a start that hangs ends in a reset)",
    ),
    ("pi4/config.txt", "[all]", "[all]\n# " + "x" * 98, "100 characters, and only 98 are read"),
    (
        "pi4/config.txt",
        "[all]",
        "[all]\n# größer",
        "a character that is not read",
    ),
    ("pi4/config.txt", "[all]", "[tryboot]", "arm_64bit: missing: write arm_64bit=1"),
    (
        "pi5/config.txt",
        "dtparam=rtc_bbat_vchg=3000000",
        "dtparam=rtc_bbat_vchg=4400000",
        "(more harms the cell ML2020)",
    ),
    ("pi4/config.txt", "[all]", "[all]\ndtparam=pciex1", "dtparam=pciex1: not known"),
    (
        "pi4/cmdline.txt",
        "console=tty1",
        "console=serial0,115200 console=tty1",
        "console: 'serial0,115200' is not allowed: write one of tty1 (no console on a serial line)",
    ),
    (
        "pi4/cmdline.txt",
        " usbcore.authorized_default=0",
        "",
        "usbcore.authorized_default: missing: write usbcore.authorized_default=0",
    ),
    ("pi4/cmdline.txt", " panic=10", " panic=10\nquiet", "only the first line is read"),
    ("pi5/cmdline.txt", "rootwait ro ", "rootwait rw ", "ro: missing: write ro"),
    ("pi5/cmdline.txt", "rootwait", "rootwait init=/bin/sh", "init: not on a pole: remove it"),
    (
        "pi5/eeprom.conf",
        "BOOT_ORDER=0xf16",
        "BOOT_ORDER=0xf146",
        "write what matches 0xf(1|6|",
    ),
    (
        "pi4/eeprom.conf",
        "POWER_OFF_ON_HALT=0",
        "POWER_OFF_ON_HALT=1",
        "write 0 (a halted pole has nobody to press a button)",
    ),
    ("pi4/eeprom.conf", "BOOT_UART=0", "BOOT_UART=0\nTFTP_IP=192.0.2.1", "TFTP_IP: not on a pole"),
    ("pi4/autoboot.txt", "[tryboot]", "#" * 512 + "\n[tryboot]", "bytes, and only 512 are read"),
    ("orin/extlinux.conf", "DEFAULT roeh", "DEFAULT primary", "write one of roeh, maintenance"),
    ("orin/extlinux.conf", "      INITRD /boot/initrd.img\n", "", "missing under LABEL roeh"),
    (
        "orin/extlinux.conf",
        "console=tty0",
        "console=ttyTCU0,115200",
        "APPEND console: 'ttyTCU0,115200' is not allowed: write one of tty0",
    ),
    ("orin/extlinux.conf", "LABEL roeh\n", "", "MENU LABEL stands before the first LABEL"),
    (
        "common/journald.conf.d/roeh.conf",
        "MaxRetentionSec=30day",
        "MaxRetentionSec=1year",
        "(pages promise a month at most)",
    ),
    ("common/journald.conf.d/roeh.conf", "[Journal]", "", "a setting before the first section"),
    ("common/sysctl.d/60-roeh.conf", "kernel.sysrq = 0", "kernel.sysrq = 1", "write 0"),
    ("common/mounts/crypttab-tpm2", "nofail,", "", "option nofail: missing"),
    ("common/mounts/crypttab-tpm2", "none", "/root/key", "write what matches none|"),
]


@pytest.mark.parametrize(("name", "there", "instead", "said"), MISTAKES)
def test_a_mistake_is_told_in_one_line_with_what_to_write(tmp_path, name, there, instead, said):
    lines = mistakes(tmp_path, name, there, instead)

    assert any(said in line for line in lines), lines
    assert all(line.startswith(name) and "\n" not in line for line in lines)


def test_the_line_is_the_one_in_the_file(tmp_path):
    (line,) = mistakes(tmp_path, "pi4/eeprom.conf", "BOOT_UART=0", "BOOT_UART=1")
    number = (FIRMWARE / "pi4/eeprom.conf").read_text().splitlines().index("BOOT_UART=0") + 1

    assert line.startswith(f"pi4/eeprom.conf:{number}: BOOT_UART: ")


def test_every_mistake_is_told_at_once(tmp_path):
    file = tmp_path / "pi4" / "config.txt"
    file.parent.mkdir()
    file.write_text("[all]\nenable_uart=1\nforce_turbo=1\nwhat=1\n")

    keys = [mistake.key for mistake in check_file(file)]

    assert {"enable_uart", "force_turbo", "what", "arm_64bit", "dtparam=watchdog"} <= set(keys)


def test_the_command_prints_them_and_fails():
    broken = "/dev/null"
    command = [sys.executable, "-m", "check", "--as", "eeprom", "--board", "pi4", broken]
    done = subprocess.run(
        command, cwd=FIRMWARE, stdout=subprocess.PIPE, text=True, check=False, timeout=30
    )

    assert done.returncode == 1
    assert "/dev/null: BOOT_UART: missing: write BOOT_UART=0" in done.stdout


def test_a_file_of_no_known_kind_is_not_passed_over(tmp_path):
    file = tmp_path / "confg.txt"
    file.write_text("")

    (mistake,) = check_file(file)

    assert "no such kind of file" in str(mistake)


def test_every_row_of_the_table_can_be_met():
    """A value that a setting must have is one that it may have."""
    for name, kind in kinds().items():
        for setting in kind.settings:
            if setting.must is not None and setting.one_of:
                assert setting.must in setting.one_of, (name, setting.key)
            assert not (setting.forbidden and setting.must is not None), (name, setting.key)


def test_journald_knows_every_key_that_the_table_has():
    """journald has no way to check a file: its own list of keys is in the program."""
    program = Path("/lib/systemd/systemd-journald").read_bytes()
    for setting in kinds()["journald"].settings:
        assert setting.key.encode() + b"\0" in program, setting.key


def test_the_kernel_has_the_settings_that_it_is_to_take():
    """As far as this one has them: a container's has not all."""
    root = Path("/proc/sys")
    known = [root / setting.key.replace(".", "/") for setting in kinds()["sysctl"].settings]

    assert sum(path.exists() for path in known) >= len(known) // 3


@pytest.mark.parametrize("kind", sorted(kinds()))
@settings(max_examples=40, deadline=None)
@given(
    content=st.binary(max_size=80)
    | st.text(alphabet="[]=# \n-\"'a$,.", max_size=40).map(str.encode)
)
def test_garbage_is_a_mistake_and_never_an_accident(tmp_path_factory, kind, content):
    file = tmp_path_factory.getbasetemp() / f"garbage-{kind}"
    file.write_bytes(content)

    for mistake in check_file(file, as_kind=kind, board="pi4"):
        assert "\n" not in str(mistake)
