"""Disks that are built once and kept, and those that are written to over them."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qemu_machine.troubles import MachineFailed
from roeh.core.errors import RoehError
from roeh.release.mirror import debian_sources


@contextmanager
def only_one(directory: Path, command: str) -> Iterator[None]:
    """Hold a cache for this run alone.

    Args:
        directory: the cache.
        command: what a person types for such a run.

    Raises:
        MachineFailed: another run holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip()
            raise MachineFailed(
                f"another `{command}` is running (process {holder}); wait until it has ended"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def build_tree(directory: Path, script: Path, release: str) -> None:
    """Have a script build a disk and what belongs to it, and forget those of other recipes.

    It is built beside and renamed when it is whole: a run that was cut short leaves nothing
    that is taken for one.

    Args:
        directory: `image-KEY`, made; its neighbours of other keys are removed.
        script: gets a directory with apt's sources; leaves the disk there.
        release: Debian's, by its codename.

    Raises:
        MachineFailed: Debian or a package is not to be had.
    """
    for other in directory.parent.glob("image-*"):
        shutil.rmtree(other)
    try:
        sources = debian_sources(release)
    except RoehError as error:
        raise MachineFailed(str(error)) from None
    partial = directory.parent / "image-partial"
    partial.mkdir(parents=True)
    (partial / "debian.sources").write_text(sources)
    # Namespaces of its own: its mounts and processes end with it.
    in_namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    process = subprocess.Popen([*in_namespaces, "sh", str(script), str(partial)])
    try:
        status = process.wait()
    finally:
        process.kill()
        process.wait()
    if status:
        raise MachineFailed(f"the machine's disk could not be built (status {status}, see above)")
    partial.rename(directory)


def overlay(disk: Path, over: Path) -> Path:
    """A disk that takes what is written, over one that stays as it is.

    It names the other by the way from itself: both may be moved together.
    """
    over.unlink(missing_ok=True)
    below = os.path.relpath(disk.resolve(), over.parent.resolve())
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", str(over)],
        check=True,
    )
    return over
