"""Mounting, and leaving nothing mounted: file systems in files, through loop devices."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

_MEMORY = Path("/dev/shm")
_NAME = "roeh-powercut-"
_OWNER = re.compile(rf"{_NAME}(\d+)-")


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A directory in memory; what is mounted in it goes with it.

    So does what an aborted run left behind: its name says which process it was of.
    """
    for left in _MEMORY.glob(f"{_NAME}*"):
        owner = _OWNER.match(left.name)
        if owner and not Path("/proc", owner[1]).exists():
            _clear(left)
    place = Path(tempfile.mkdtemp(prefix=f"{_NAME}{os.getpid()}-", dir=_MEMORY))
    try:
        yield place
    finally:
        _clear(place)


def make_file_system(image: Path, size_bytes: int) -> None:
    """An empty ext4 with a small journal."""
    with image.open("wb") as file:
        file.truncate(size_bytes)
    options = ("-q", "-m", "0", "-b", "4096", "-J", "size=4", "-N", "2048")
    lazy = ("-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard")
    _run("mkfs.ext4", *options, *lazy, image)


def repair(image: Path) -> bool:
    """What a machine does before it mounts; False when that does not mend it."""
    done = subprocess.run(["e2fsck", "-p", image], capture_output=True, check=False)
    return done.returncode in {0, 1}


@contextlib.contextmanager
def mounted(image: Path, point: Path) -> Iterator[Path]:
    """The file system in `image` at `point`, through a loop device of its own."""
    point.mkdir(exist_ok=True)
    _run("mount", "-t", "ext4", "-o", "loop,noatime", image, point)
    try:
        yield point
    finally:
        unmount(point)


def unmount(point: Path) -> None:
    """Also where the device under it is gone."""
    if subprocess.run(["umount", point], capture_output=True, check=False).returncode:
        _run("umount", "--lazy", point)


def loop_device(point: Path) -> str:
    """The name of the device that is mounted there ("loop3")."""
    return Path(_source_of(point)).name


def mount_points() -> list[Path]:
    """All of this machine, in the order in which they were made."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [Path(line.split()[1]) for line in lines]


def _source_of(point: Path) -> str:
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return next(line.split()[0] for line in reversed(lines) if line.split()[1] == str(point))


def _clear(place: Path) -> None:
    for point in reversed(mount_points()):
        if place in point.parents:
            unmount(point)
    shutil.rmtree(place, ignore_errors=True)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)
