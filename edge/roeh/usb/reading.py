"""Asking the unprivileged child what order stands on a disk, if any.

The device is opened here, for reading alone; the child (usb/reader.py) gets the open
descriptor, is nobody, and answers with a bounded message. What it may have become while it
parsed a hostile disk can say anything: evidence judges what is signed, and the partition is
checked against the disk's size again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from roeh.core.errors import ExportFailed, RoehError, error_by_code
from roeh.core.parent import tied_environment
from roeh.core.retrieval import MAX_SIGNED_BYTES
from roeh.usb.order import FIRST_PARTITION_BYTES, MAX_ORDER_BYTES, Order
from roeh.usb.partitions import Partition

#: linux/fs.h: bytes of a logical sector (int), bytes of the device (u64).
_BLKSSZGET = 0x1268
_BLKGETSIZE64 = 0x80081272
#: A disk that does not answer is given up; its own timeouts are longer.
_TIMEOUT_S = 60.0

_Bytes = Annotated[bytes, Meta(max_length=MAX_SIGNED_BYTES)]


class ReadAnswer(msgspec.Struct, frozen=True):
    """What the child says: an order and where it may be answered, or neither, or a refusal."""

    request_p7m: _Bytes = b""
    approval_p7m: _Bytes = b""
    trust_list_p7m: _Bytes = b""
    trust_list_version: int = 0
    start_bytes: int = 0
    size_bytes: int = 0
    code: Annotated[str, Meta(max_length=64)] = ""
    what: Annotated[str, Meta(max_length=500)] = ""
    which: Annotated[str, Meta(max_length=500)] = ""
    remedy: Annotated[str, Meta(max_length=500)] = ""


#: An answer with all its parts.
MAX_ANSWER_BYTES = MAX_ORDER_BYTES + 4096


class DiskOrder(msgspec.Struct, frozen=True):
    """An order, and the partition that it is to be answered on."""

    order: Order
    partition: Partition


class Disk:
    """A whole disk, open for reading."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor
        self.sector_bytes = _asked(descriptor, _BLKSSZGET, "i")

    @property
    def size_bytes(self) -> int:
        """Its size; 0 once it was pulled out."""
        try:
            return _asked(self.descriptor, _BLKGETSIZE64, "Q")
        except OSError:
            return 0


@contextlib.contextmanager
def opened_disk(path: Path) -> Iterator[Disk]:
    """A block device, for reading.

    Raises:
        ExportFailed: it is none, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise _no_disk(path, error.strerror or str(error)) from error
    try:
        if not stat.S_ISBLK(os.fstat(descriptor).st_mode):
            raise _no_disk(path, "it is no block device")
        try:
            disk = Disk(path, descriptor)
        except OSError as error:
            raise _no_disk(path, error.strerror or str(error)) from error
        yield disk
    finally:
        os.close(descriptor)


def read_order(disk: Disk) -> DiskOrder | None:
    """What stands on the disk; None: nothing for us, and nothing is to be said of it.

    Raises:
        ExportFailed: an order that cannot be read or answered, or a disk that cannot be read.
    """
    answer = _answer(disk)
    if answer.code:
        raise _told(answer)
    if not answer.request_p7m:
        return None
    partition = Partition(answer.start_bytes, answer.size_bytes)
    end_bytes = partition.start_bytes + partition.size_bytes
    if partition.start_bytes < FIRST_PARTITION_BYTES or not (
        partition.start_bytes < end_bytes <= disk.size_bytes
    ):
        raise _no_disk(disk.path, "its reader named no partition of it")
    order = Order(
        request_p7m=answer.request_p7m,
        approval_p7m=answer.approval_p7m,
        trust_list_p7m=answer.trust_list_p7m,
        trust_list_version=answer.trust_list_version,
    )
    return DiskOrder(order=order, partition=partition)


def _answer(disk: Disk) -> ReadAnswer:
    command = [
        sys.executable,
        "-m",
        "roeh.usb.reader",
        str(disk.sector_bytes),
        str(disk.size_bytes),
    ]
    # A file in memory: the child's limit of file size bounds what it can say.
    written = os.memfd_create("answer", os.MFD_CLOEXEC)
    try:
        with subprocess.Popen(
            command,
            stdin=disk.descriptor,
            stdout=written,
            env=tied_environment(),
        ) as child:
            try:
                child.wait(_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                raise _no_disk(disk.path, f"no answer within {_TIMEOUT_S:.0f} s") from None
        said = os.pread(written, MAX_ANSWER_BYTES, 0)
    finally:
        os.close(written)
    try:
        return msgspec.msgpack.decode(said, type=ReadAnswer)
    except (msgspec.MsgspecError, RecursionError):
        raise _no_disk(disk.path, f"its reader ended with {child.returncode}") from None


def _told(answer: ReadAnswer) -> RoehError:
    error = error_by_code(answer.code)
    return error(what=answer.what, which=answer.which, remedy=answer.remedy)


def _asked(descriptor: int, request: int, kind: str) -> int:
    answer = fcntl.ioctl(descriptor, request, bytes(struct.calcsize(kind)))
    return int(struct.unpack(kind, answer)[0])


def _no_disk(path: Path, why: str) -> ExportFailed:
    return ExportFailed(
        what=f"the disk cannot be read ({why})",
        which=str(path),
        remedy="put it in again, or take another disk",
    )
