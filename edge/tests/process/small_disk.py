"""A small ext4 file system that can be full, read only, or dead."""

import contextlib
import fcntl
import os
import struct
import subprocess

import pytest

DISK_BYTES = 12 * 1024 * 1024
#: ioctl_xfs_goingdown(2), which ext4 has too: from here on nothing is read or written.
FS_IOC_SHUTDOWN = 0x8004587D
WITHOUT_JOURNAL = 2


def mount(image, point):
    point.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-o", "loop", image, point], check=True, capture_output=True)


def unmount(point, *options):
    subprocess.run(["umount", *options, point], check=True, capture_output=True)


class Disk:
    """A file system in a file, mounted."""

    def __init__(self, directory, point=None):
        self.image, self.point = directory / "disk.img", point or directory / "disk"
        with self.image.open("wb") as image:
            image.truncate(DISK_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", self.image], check=True, capture_output=True)
        mount(self.image, self.point)
        self._filler = self.point / "filler"

    def fill(self):
        """Leave no room at all."""
        with self._filler.open("ab", buffering=0) as filler:
            for size_bytes in (1 << 16, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        filler.write(bytes(size_bytes))

    def free(self):
        self._filler.unlink()

    def remount(self, option):
        subprocess.run(
            ["mount", "-o", f"remount,{option}", self.point], check=True, capture_output=True
        )

    def die(self):
        """Every read and write fails from now on; what was not synced is lost."""
        descriptor = os.open(self.point, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, struct.pack("I", WITHOUT_JOURNAL))
        finally:
            os.close(descriptor)

    def come_back(self):
        """Mounted anew; whoever still holds the dead one keeps that."""
        unmount(self.point, "--lazy")
        mount(self.image, self.point)


@contextlib.contextmanager
def small_disk(directory, point=None):
    """A disk for one test; skipped, but not on CI, where nothing can be mounted."""
    try:
        disk = Disk(directory, point)
    except subprocess.CalledProcessError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"needs a loop mount: {error.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        unmount(disk.point, "--lazy")
