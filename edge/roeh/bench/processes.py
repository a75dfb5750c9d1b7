"""CPU time and memory of processes as the kernel counts them (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for known in found:
        for thread in Path(f"/proc/{known}/task").glob("*"):
            children = (thread / "children").read_text(encoding="ascii")
            found.extend(int(child) for child in children.split())
    return found


def cpu_s(pids: list[int]) -> float:
    """User and system time of these processes, all threads; ended ones count nothing."""
    total = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
        except FileNotFoundError:
            continue
        user, system = fields.split()[11:13]
        total += (int(user) + int(system)) / _TICKS_PER_S
    return total


def pss_bytes(pids: list[int]) -> int:
    """Proportional set size: shared pages counted once, split among those who share them."""
    total = 0
    for pid in pids:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        except (FileNotFoundError, ProcessLookupError):
            continue
        for line in rollup.splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total
