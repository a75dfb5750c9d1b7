"""Disks to be put in: a partition table and a file system in an image, behind a loop device."""

import contextlib
import hashlib
import os
import struct
import subprocess

import pytest

MIB = 1024 * 1024
PARTITION_BYTES = 4 * MIB


def partition_table(*entries):
    """An MBR; entries: type, first byte, bytes."""
    sector = bytearray(512)
    for index, (kind, start, size) in enumerate(entries):
        struct.pack_into(
            "<B3sB3sII", sector, 446 + 16 * index, 0, b"", kind, b"", start // 512, size // 512
        )
    sector[510:] = b"\x55\xaa"
    return bytes(sector)


class UsbDisk:
    """A disk of `size_mib` with one ext4 partition from 4 MiB on."""

    def __init__(self, directory, name="stick", size_mib=16):
        self.image = directory / f"{name}.img"
        self.size_bytes = size_mib * MIB
        self._files = directory / f"{name}-files"
        with self.image.open("wb") as image:
            image.truncate(self.size_bytes)
            image.write(partition_table((0x83, PARTITION_BYTES, self.size_bytes - PARTITION_BYTES)))
        blocks = (self.size_bytes - PARTITION_BYTES) // 1024
        offset = f"offset={PARTITION_BYTES},lazy_itable_init=0"
        _run("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", "-b", "1024", "-E", offset,
             self.image, f"{blocks}k")  # fmt: skip
        self.device = _run("losetup", "--find", "--show", self.image).stdout.strip()

    def write(self, offset, content):
        descriptor = os.open(self.device, os.O_WRONLY)
        try:
            os.pwrite(descriptor, content, offset)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def sha256(self):
        _run("blockdev", "--flushbufs", self.device)
        return hashlib.sha256(self.image.read_bytes()).hexdigest()

    @contextlib.contextmanager
    def mounted(self):
        """Its file system, as police see it at their desk."""
        self._files.mkdir(exist_ok=True)
        options = f"loop,offset={PARTITION_BYTES}"
        _run("mount", "-t", "ext4", "-o", options, self.device, self._files)
        try:
            yield self._files
        finally:
            _run("umount", self._files)

    def names(self):
        with self.mounted() as files:
            return sorted(path.name for path in files.iterdir() if path.name != "lost+found")

    def ask_for_panic_on_errors(self):
        """What a superblock may say, and the kernel does unless it is told otherwise."""
        _run("tune2fs", "-e", "panic", f"{self.device}?offset={PARTITION_BYTES}")
        _run("blockdev", "--flushbufs", self.device)

    def detach(self):
        _run("losetup", "--detach", self.device)


@contextlib.contextmanager
def usb_disk(directory, name="stick", size_mib=16):
    """One for a test; skipped, but not on CI, where there are no loop devices."""
    try:
        disk = UsbDisk(directory, name, size_mib)
    except subprocess.CalledProcessError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"needs a loop device: {error.stderr.strip()}")
    try:
        yield disk
    finally:
        disk.detach()


def _run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True)
