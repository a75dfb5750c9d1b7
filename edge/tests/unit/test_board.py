"""What a board tells of itself, read from a sysfs as boards have it."""

import os

import pytest

from roeh.core.board import BoardState, disk_life_used_percent, read_board


@pytest.fixture
def sysfs(tmp_path):
    return tmp_path / "sys"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def zone(sysfs, number, milli_c):
    write(sysfs / f"class/thermal/thermal_zone{number}/temp", milli_c)


def cooling(sysfs, number, kind, state):
    write(sysfs / f"class/thermal/cooling_device{number}/type", kind)
    write(sysfs / f"class/thermal/cooling_device{number}/cur_state", state)


def throttled(sysfs, text):
    write(sysfs / "devices/platform/soc/soc:firmware/get_throttled", text)


def test_the_hottest_sensor_counts_and_broken_ones_do_not(sysfs):
    for number, milli_c in enumerate(("41200", "57875", "-274000", "255000", "n/a")):
        zone(sysfs, number, milli_c)
    (sysfs / "class/thermal/thermal_zone9").mkdir()
    assert read_board(sysfs).temperature_c == 57.875


def test_a_board_that_says_nothing_is_not_known(sysfs):
    assert read_board(sysfs) == BoardState(temperature_c=None, throttled=())


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("0", ()),
        ("0x0", ()),
        ("1", ("under_voltage",)),
        ("0x50005", ("under_voltage", "throttled")),
        ("e0008", ("soft_temperature_limit",)),
        ("2", ("frequency_capped",)),
        ("50000", ()),  # it was, since the boot, and is no more
        ("?", ()),
    ],
)
def test_the_firmware_of_a_raspberry_pi_says_what_holds_it_back_now(sysfs, word, names):
    throttled(sysfs, word)
    assert read_board(sysfs).throttled == names


@pytest.mark.parametrize(
    ("kind", "state", "names"),
    [
        ("thermal-cpufreq-0", 2, ("throttled",)),
        ("thermal-cpufreq-0", 0, ()),
        ("Processor", 1, ("throttled",)),
        ("cpu-throttle-alert", 1, ("throttled",)),
        ("pwm-fan", 4, ()),
    ],
)
def test_elsewhere_the_kernel_says_whether_it_holds_a_processor_back(sysfs, kind, state, names):
    cooling(sysfs, 0, "pwm-fan", 255)
    cooling(sysfs, 1, kind, state)
    assert read_board(sysfs).throttled == names


# The life of an eMMC.


def device_of(path):
    device = path.stat().st_dev
    return f"{os.major(device)}:{os.minor(device)}"


def emmc(sysfs, path, life_time):
    """The file system of `path` lies on a partition of an eMMC."""
    disk = sysfs / "devices/soc/mmc0/block/mmcblk0"
    write(disk / "mmcblk0p2/partition", 2)
    (disk / "device").mkdir()
    if life_time is not None:
        write(disk / "device/life_time", life_time)
    node = sysfs / "dev/block" / device_of(path)
    node.parent.mkdir(parents=True)
    node.symlink_to(disk / "mmcblk0p2")
    return disk


@pytest.mark.parametrize(
    ("life_time", "percent"),
    [
        ("0x01 0x01", 10.0),
        ("0x02 0x05", 50.0),
        ("0x00 0x03", 30.0),
        ("0x0b 0x01", 110.0),
        ("0x00 0x00", None),
        ("0xff x", None),
        (None, None),
    ],
)
def test_the_disk_that_holds_a_path_says_how_worn_it_is(sysfs, tmp_path, life_time, percent):
    emmc(sysfs, tmp_path, life_time)
    assert disk_life_used_percent(tmp_path, sysfs) == percent


def test_an_encrypted_disk_lies_on_one_that_says_it(sysfs, tmp_path):
    disk = emmc(sysfs, tmp_path, "0x04 0x02")
    node = sysfs / "dev/block" / device_of(tmp_path)
    node.unlink()
    mapped = sysfs / "devices/virtual/block/dm-0"
    (mapped / "slaves").mkdir(parents=True)
    (mapped / "slaves/mmcblk0p2").symlink_to(disk / "mmcblk0p2")
    node.symlink_to(mapped)
    assert disk_life_used_percent(tmp_path, sysfs) == 40.0


def test_a_file_system_in_memory_lies_on_no_disk(sysfs, tmp_path):
    assert disk_life_used_percent(tmp_path, sysfs) is None
    assert disk_life_used_percent(tmp_path / "nothing", sysfs) is None
