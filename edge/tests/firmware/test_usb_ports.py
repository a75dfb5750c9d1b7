"""What a USB port of a pole lets in: disks and hubs, what is listed, and nothing else.

udev reads the rules as they are, for devices that umockdev puts into sysfs; what it writes to
`authorized` is what the kernel would have been told.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import firmware_tools as tools
import pytest
from apt import require_packages

pytestmark = [
    pytest.mark.apt("udev umockdev"),
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root"),
]

#: Class, subclass and protocol of an interface (usb.org, defined class codes).
BULK_DISK, UAS_DISK = (8, 6, 0x50), (8, 6, 0x62)
KEYBOARD, HUB, NETWORK, CAMERA, SERIAL = (3, 1, 1), (9, 0, 0), (2, 6, 0), (14, 1, 0), (10, 0, 0)
LISTED_SERIAL = "example-1"

_BUS = "/devices/pci0000:00/0000:00:14.0/usb1"
_SCRIPT = """
mount -t tmpfs none /mnt
cp /etc/group /mnt
printf 'roeh:x:64001:\\ntss:x:64002:\\n' >>/mnt/group
mount --bind /mnt/group /etc/group
mount --bind "$1" /etc/udev/rules.d
umockdev-run --device "$2" -- sh -euc '
    udevadm test "$0" >/dev/null 2>&1
    cat "/sys$0/authorized"' "$3"
"""


@pytest.fixture(scope="module", autouse=True)
def mock_devices():
    require_packages("udev", "umockdev")


def descriptors(interfaces: tuple[tuple[int, int, int], ...]) -> bytes:
    """As a device gives them: USB 2.0, 9.6; each interface with one endpoint."""
    device = struct.pack(
        "<BBHBBBBHHHBBBB", 18, 1, 0x0200, 0, 0, 0, 64, 0x1D6B, 0x0104, 0x0100, 1, 2, 3, 1
    )
    body = b"".join(
        struct.pack("<BBBBBBBBB", 9, 4, number, 0, 1, *kind, 0)
        + struct.pack("<BBBBHB", 7, 5, 0x81 + number, 3, 8, 10)
        for number, kind in enumerate(interfaces)
    )
    head = struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), len(interfaces), 1, 0, 0x80, 50)
    return device + head + body


def is_let_in(tmp_path: Path, *interfaces: tuple[int, int, int], serial: str = "77") -> bool:
    path = f"{_BUS}/1-1"
    record = tmp_path / "device.umockdev"
    record.write_text(
        f"P: {path}\nN: bus/usb/001/002\nE: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\n"
        "E: BUSNUM=001\nE: DEVNUM=002\nA: authorized=0\\n\nA: idVendor=1d6b\\n\n"
        f"A: idProduct=0104\\n\nA: serial={serial}\\n\n"
        f"H: descriptors={descriptors(interfaces).hex().upper()}\n\n"
    )
    done = tools.in_namespace(_SCRIPT, tools.FIRMWARE / "common/udev", record, path)
    assert done.stdout.strip() in {"0", "1"}, done.stdout
    return done.stdout.strip() == "1"


@pytest.mark.parametrize(
    "interfaces",
    [
        pytest.param((BULK_DISK,), id="disk"),
        pytest.param((BULK_DISK, UAS_DISK), id="quick disk"),
        pytest.param((HUB,), id="hub"),
    ],
)
def test_disks_and_hubs_are_let_in(tmp_path, interfaces):
    assert is_let_in(tmp_path, *interfaces)


@pytest.mark.parametrize(
    "interfaces",
    [
        pytest.param((KEYBOARD,), id="keyboard"),
        pytest.param((NETWORK, SERIAL), id="network card"),
        pytest.param((CAMERA,), id="camera that nobody listed"),
        pytest.param((BULK_DISK, KEYBOARD), id="disk that is a keyboard too"),
        pytest.param((KEYBOARD, BULK_DISK), id="keyboard that is a disk too"),
        pytest.param((HUB, NETWORK), id="hub that is a network card too"),
    ],
)
def test_nothing_else_is(tmp_path, interfaces):
    assert not is_let_in(tmp_path, *interfaces)


def test_what_is_listed_is_let_in_by_its_number(tmp_path):
    assert is_let_in(tmp_path, CAMERA, serial=LISTED_SERIAL)
    assert not is_let_in(tmp_path, CAMERA, serial="example-2")
