"""The CPU quota of a control group is found in both versions, also where a parent has it."""

import pytest

from roeh.core.cgroup import CpuQuota, read_cpu_quota

STAT = "nr_periods 40\nnr_throttled 12\nthrottled_usec 9"


def made(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/roeh", {"roeh/cpu.max": "50000 100000", "roeh/cpu.stat": STAT}, 0.5),
        (
            "0::/roeh/detect",
            {
                "roeh/cpu.max": "50000 100000",
                "roeh/cpu.stat": STAT,
                "roeh/detect/cpu.max": "max 100000",
            },
            0.5,
        ),
        (
            "7:memory:/\n3:cpu,cpuacct:/roeh\n0::/",
            {
                "cpu,cpuacct/roeh/cpu.cfs_quota_us": "25000",
                "cpu,cpuacct/roeh/cpu.cfs_period_us": "100000",
                "cpu,cpuacct/roeh/cpu.stat": STAT,
            },
            0.25,
        ),
    ],
    ids=["v2", "v2, of the parent", "v1"],
)
def test_a_quota_is_found(tmp_path, own, files, cores):
    root = made(tmp_path / "cgroup", files)
    groups = tmp_path / "own"
    groups.write_text(own + "\n")

    assert read_cpu_quota(root, groups) == CpuQuota(cores, periods=40, throttled_periods=12)


def test_without_a_quota_there_is_none(tmp_path):
    root = made(tmp_path / "cgroup", {"cpu/cpu.cfs_quota_us": "-1"})
    groups = tmp_path / "own"
    groups.write_text("1:cpu:/\n0::/\n")

    assert read_cpu_quota(root, groups) is None
    assert read_cpu_quota(root, tmp_path / "missing") is None
