"""One node on one `run_dir`: two locks that the kernel drops with whoever holds them.

`supervisor.lock` is the supervisor's alone: a second one is told at once. `node.lock` is
handed on to every process (an flock(2) lock lives as long as any copy of its
descriptor), so whoever holds it knows that nothing of an earlier node is left, however
its supervisor ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import OutputRefused, StorageFailed

#: How long the processes of a supervisor that was killed may take to end.
PATIENCE_S = 15.0

_POLL_S = 0.05


@contextlib.contextmanager
def claimed(run_dir: Path, clock: Clock, stop: threading.Event) -> Iterator[int]:
    """Hold the directory; gives the descriptor that every process is to inherit.

    What is left of a node before is waited for, unless told to stop.

    Raises:
        StorageFailed: another node runs here, or something of one does not end.
        OutputRefused: the directory cannot be made or written.
    """
    with contextlib.ExitStack() as stack:
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            supervisor, node = (
                _open(run_dir / name, stack) for name in ("supervisor.lock", "node.lock")
            )
        except OSError as error:
            raise OutputRefused(
                what=f"cannot write ({error.strerror})",
                which=f"paths.run_dir = {run_dir}",
                remedy="name a directory that this user can write",
            ) from None
        if not _lock(supervisor):
            raise _taken("another node runs here already", run_dir)
        deadline_ns = clock.mono_ns() + int(PATIENCE_S * NS_PER_S)
        while not _lock(node):
            if clock.mono_ns() > deadline_ns or clock.wait(_POLL_S, stop):
                raise _taken("processes of a node before are still there", run_dir)
        yield node


def _open(path: Path, stack: contextlib.ExitStack) -> int:
    # Reading is enough for flock(2), so a file left by another user is no obstacle.
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    stack.callback(os.close, descriptor)
    return descriptor


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _taken(what: str, run_dir: Path) -> StorageFailed:
    return StorageFailed(
        what=what,
        which=str(run_dir),
        remedy="stop it, or give this one paths.run_dir and paths.data_dir of its own",
    )
