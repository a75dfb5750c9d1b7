"""A control group with a CPU quota, for a node that is to live under one (needs root)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from roeh.core.cgroup import CGROUPS
from roeh.core.errors import RuntimeMissing

_PERIOD_US = 100_000


@contextlib.contextmanager
def cpu_quota(pids: list[int], cores: float, cgroups: Path = CGROUPS) -> Iterator[None]:
    """Hold these processes, and what they start from now on, to so much CPU.

    Raises:
        RuntimeMissing: no group can be made here.
    """
    quota_us = round(cores * _PERIOD_US)
    # Version 1 mounts a controller by its name, version 2 all of them at the root.
    is_v1 = (cgroups / "cpu").is_dir()
    own = (cgroups / "cpu" if is_v1 else cgroups) / f"roeh-bench-{os.getpid()}"
    try:
        if not is_v1:
            (cgroups / "cgroup.subtree_control").write_text("+cpu", encoding="ascii")
        own.mkdir()
    except OSError as error:
        raise RuntimeMissing(
            what=f"no control group can be made ({error.strerror})",
            which=str(own),
            remedy="run it as root, where control groups may be made",
        ) from error
    try:
        if is_v1:
            (own / "cpu.cfs_period_us").write_text(str(_PERIOD_US), encoding="ascii")
            (own / "cpu.cfs_quota_us").write_text(str(quota_us), encoding="ascii")
        else:
            (own / "cpu.max").write_text(f"{quota_us} {_PERIOD_US}", encoding="ascii")
        _move(pids, own)
        yield
    finally:
        left = (own / "cgroup.procs").read_text(encoding="ascii").split()
        _move([int(pid) for pid in left], own.parent)
        own.rmdir()


def _move(pids: list[int], group: Path) -> None:
    for pid in pids:
        # It may have ended meanwhile.
        with contextlib.suppress(ProcessLookupError):
            (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
