"""What an NVMe disk says of its own health: the log page, asked of the controller.

Source: NVM Express Base Specification 2.0, 5.16.1.3 (SMART / Health Information, log page
02h); linux/nvme_ioctl.h (struct nvme_admin_cmd).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from pathlib import Path

import msgspec

_GET_LOG_PAGE = 0x02
_HEALTH_LOG = 0x02
_LOG_BYTES = 512
_ALL_NAMESPACES = 0xFFFFFFFF
_TIMEOUT_MS = 3000
#: _IOWR('N', 0x41, struct nvme_admin_cmd).
_ADMIN_COMMAND = 0xC0484E41
_KELVIN = 273


class _AdminCommand(ctypes.Structure):
    _fields_ = (
        ("opcode", ctypes.c_uint8),
        ("flags", ctypes.c_uint8),
        ("reserved", ctypes.c_uint16),
        ("namespace", ctypes.c_uint32),
        ("cdw2", ctypes.c_uint32),
        ("cdw3", ctypes.c_uint32),
        ("metadata", ctypes.c_uint64),
        ("address", ctypes.c_uint64),
        ("metadata_bytes", ctypes.c_uint32),
        ("length_bytes", ctypes.c_uint32),
        ("cdw10", ctypes.c_uint32),
        ("cdw11", ctypes.c_uint32),
        ("cdw12", ctypes.c_uint32),
        ("cdw13", ctypes.c_uint32),
        ("cdw14", ctypes.c_uint32),
        ("cdw15", ctypes.c_uint32),
        ("timeout_ms", ctypes.c_uint32),
        ("result", ctypes.c_uint32),
    )


class NvmeHealth(msgspec.Struct, frozen=True):
    """How a disk is, as it says.

    Attributes:
        used_percent: of its life, by the maker's measure; may go beyond 100.
        spare_percent: of its spare blocks that are left.
        spare_threshold_percent: at or below it the disk is to be replaced.
        media_errors: times that data could not be had.
        is_read_only: it refuses to be written.
        unsafe_shutdowns: power cuts.
    """

    used_percent: int
    spare_percent: int
    spare_threshold_percent: int
    media_errors: int
    is_read_only: bool
    unsafe_shutdowns: int
    temperature_c: int


def ask_health(controller: Path) -> bytes | None:
    """The log page of /dev/nvme0; None where it cannot be asked (not root, not NVMe).

    It reads the controller's figures and changes nothing.
    """
    page = ctypes.create_string_buffer(_LOG_BYTES)
    command = _AdminCommand(
        opcode=_GET_LOG_PAGE,
        namespace=_ALL_NAMESPACES,
        address=ctypes.addressof(page),
        length_bytes=_LOG_BYTES,
        # Number of double words, counted from 0, above the page's number.
        cdw10=(_LOG_BYTES // 4 - 1) << 16 | _HEALTH_LOG,
        timeout_ms=_TIMEOUT_MS,
    )
    try:
        descriptor = os.open(controller, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status: int = fcntl.ioctl(descriptor, _ADMIN_COMMAND, command)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return page.raw if status == 0 else None


def read_health(page: bytes) -> NvmeHealth | None:
    """The page as figures; None where it is none."""
    if len(page) < _LOG_BYTES or not any(page):
        return None
    return NvmeHealth(
        used_percent=page[5],
        spare_percent=page[3],
        spare_threshold_percent=page[4],
        media_errors=int.from_bytes(page[160:176], "little"),
        # Critical warning, bit 3: the media is in read-only mode.
        is_read_only=bool(page[0] >> 3 & 1),
        unsafe_shutdowns=int.from_bytes(page[144:160], "little"),
        temperature_c=int.from_bytes(page[1:3], "little") - _KELVIN,
    )
