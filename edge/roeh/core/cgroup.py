"""How much CPU the control group lets this process have, and how often it was held back.

Read from the cgroup file systems, version 2 or 1. Sources: the kernel's
Documentation/admin-guide/cgroup-v2.rst (cpu.max, cpu.stat), scheduler/sched-bwc.rst.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


class CpuQuota(msgspec.Struct, frozen=True):
    """The tightest quota of the groups that a process is in.

    Attributes:
        cores: CPU-seconds a second.
        periods: in which the group ran, since it was made.
        throttled_periods: of these, in which it was held back.
    """

    cores: float
    periods: int
    throttled_periods: int


def read_cpu_quota(cgroups: Path = CGROUPS, own_groups: Path = OWN_GROUPS) -> CpuQuota | None:
    """The tightest quota; None without one, or where nothing may be read.

    Args:
        cgroups: where the control groups are mounted.
        own_groups: the list of this process's groups.
    """
    quotas = [
        quota for group in _groups(cgroups, own_groups) if (quota := _quota(group)) is not None
    ]
    return min(quotas, key=lambda quota: quota.cores, default=None)


def _groups(cgroups: Path, own_groups: Path) -> Iterator[Path]:
    """The directories of the groups with a CPU controller, from the own one upwards."""
    for line in (_text(own_groups) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = cgroups / controllers if controllers else cgroups
        if controllers and not root.is_dir():
            root = cgroups / "cpu"
        own = Path(path.lstrip("/"))
        for part in (own, *own.parents):
            yield root / part


def _quota(group: Path) -> CpuQuota | None:
    cores = _cores(group)
    if cores is None:
        return None
    counts = dict(line.split(maxsplit=1) for line in (_text(group / "cpu.stat") or "").splitlines())
    return CpuQuota(cores, int(counts.get("nr_periods", 0)), int(counts.get("nr_throttled", 0)))


def _cores(group: Path) -> float | None:
    words = (_text(group / "cpu.max") or "").split()
    if not words:
        words = [_text(group / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
    try:
        quota_us, period_us = (int(word) for word in words)
    except ValueError:  # "max", or nothing to be read
        return None
    return quota_us / period_us if quota_us > 0 else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
