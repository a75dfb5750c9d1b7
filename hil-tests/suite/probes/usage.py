"""What units take: usage.py SECONDS UNIT... Writes unit → CPU meanwhile, memory at its end.

All processes of a unit's control group, children that ended in between among them (their parents
account for them when they are waited for). Memory is the proportional share (PSS).
"""

import json
import os
import subprocess
import sys
import time

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def processes(unit):
    """Process ids of a unit."""
    said = subprocess.run(
        ["systemctl", "show", unit, "-p", "ControlGroup", "--value"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        path = f"{root}{said}/cgroup.procs"
        if os.path.exists(path):
            with open(path) as file:
                return file.read().split()
    raise FileNotFoundError(f"no control group of {unit}: {said}")


def cpu_s(unit):
    """CPU time of its processes and of their children that have ended."""
    total = 0
    for process in processes(unit):
        with open(f"/proc/{process}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        total += sum(int(field) for field in fields[11:15])
    return total / TICKS_PER_S


def memory_bytes(unit):
    """Proportional share of memory of its processes."""
    total_kib = 0
    for process in processes(unit):
        with open(f"/proc/{process}/smaps_rollup") as file:
            total_kib += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total_kib * 1024


units = sys.argv[2:]
start = time.monotonic()
before = {unit: cpu_s(unit) for unit in units}
time.sleep(float(sys.argv[1]))
spent = {unit: cpu_s(unit) - before[unit] for unit in units}
took_s = time.monotonic() - start
usage = {
    unit: {"cpu_percent": 100 * spent[unit] / took_s, "memory_bytes": memory_bytes(unit)}
    for unit in units
}
json.dump(usage, sys.stdout)
