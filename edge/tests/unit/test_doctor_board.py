"""What the doctor reads off a board: sysfs as the boards of a street have it."""

import os

import pytest

from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.config import parse_config
from roeh.doctor.disk import check_disk, mount_of
from roeh.doctor.heat import check_fan, check_heat
from roeh.doctor.housing import check_case, check_tilt
from roeh.doctor.link import check_link
from roeh.doctor.machine_view import MachineView
from roeh.doctor.nvme import read_health
from roeh.doctor.power import check_power
from roeh.doctor.release import check_release, check_root
from roeh.doctor.timekeeping import check_battery_clock
from roeh.doctor.units import check_watchdog

NOW_S = 1_800_000_000
CLOCK = SimulatedClock(t_utc_ns=NOW_S * NS_PER_S)
THROTTLED = "devices/platform/soc/soc:firmware/get_throttled"


@pytest.fixture
def board(tmp_path):
    """A board of files, as the doctor sees it: `board(sys={"class/...": "text"}, root={})`."""

    def make(**trees):
        for name, files in trees.items():
            for path, text in files.items():
                file = tmp_path / name / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(f"{text}\n")
        places = {name: tmp_path / name for name in ("sys", "proc", "root")}
        return MachineView(**places, tool_dirs=str(tmp_path / "tools"))

    return make


def codes(outcomes):
    return [outcome.code.word if outcome.code else outcome.verdict for outcome in outcomes]


@pytest.mark.parametrize(
    ("bits", "expected"),
    [("0", "OK"), ("50005", "POWER-LOW"), ("50000", "POWER-WAS-LOW"), ("20002", "OK")],
)
def test_a_pi_says_whether_its_supply_is_enough_now_and_was(board, bits, expected):
    assert codes(check_power(board(sys={THROTTLED: bits}), CLOCK)) == [expected]


def test_a_voltage_sensor_says_when_the_supply_is_too_low(board):
    chip = {"class/hwmon/hwmon0/name": "rpi_volt", "class/hwmon/hwmon0/in0_lcrit_alarm": "1"}
    (low,) = check_power(board(sys=chip), CLOCK)
    assert (low.code.word, low.verdict) == ("POWER-LOW", "FAIL")
    assert "rpi_volt in0" in low.what


def test_a_hat_that_gives_power_is_named(board):
    poe = {"class/power_supply/rpi-poe/online": "1", "class/power_supply/rpi-poe/type": "Mains"}
    poe["class/power_supply/rpi-poe/current_now"] = "740000"
    (outcome,) = check_power(board(sys=poe), CLOCK)
    assert "rpi-poe 0.74 A" in outcome.what


def test_where_nothing_measures_the_doctor_says_that_nothing_does(board):
    view = board(sys={})
    for check in (check_power, check_heat, check_fan, check_case, check_tilt):
        (outcome,) = check(view, CLOCK)
        assert outcome.verdict == "OK"
        assert outcome.what.startswith("no ")


def zone(milli_c, critical=110_000):
    return {
        "class/thermal/thermal_zone0/type": "cpu-thermal",
        "class/thermal/thermal_zone0/temp": milli_c,
        "class/thermal/thermal_zone0/trip_point_0_type": "critical",
        "class/thermal/thermal_zone0/trip_point_0_temp": critical,
        "class/thermal/thermal_zone0/trip_point_1_type": "active",
        "class/thermal/thermal_zone0/trip_point_1_temp": 50_000,
    }


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (zone(61_000), ["OK"]),
        (zone(106_000), ["HEAT-NEAR"]),
        (zone(82_000) | {THROTTLED: "c0008"}, ["HEAT-THROTTLED"]),
        (zone(61_000) | {THROTTLED: "80000"}, ["HEAT-WAS"]),
        # A broken sensor is no temperature.
        (zone(255_000), ["OK"]),
    ],
)
def test_heat_is_told_against_where_the_board_acts(board, files, expected):
    assert codes(check_heat(board(sys=files), CLOCK)) == expected


@pytest.mark.parametrize(
    ("turns", "pwm", "expected"),
    [("2900", "150", "OK"), ("0", "0", "OK"), ("0", "255", "FAN-STUCK")],
)
def test_a_fan_that_is_told_to_turn_and_does_not_is_named(board, turns, pwm, expected):
    fan = {"name": "pwmfan", "fan1_input": turns, "pwm1": pwm}
    files = {f"class/hwmon/hwmon2/{name}": text for name, text in fan.items()}
    assert codes(check_fan(board(sys=files), CLOCK)) == [expected]


COVER_SWITCH = {
    "class/input/event0/device/name": "roeh-case",
    "class/input/event0/device/capabilities/sw": "10000",
    "class/input/event1/device/name": "a keyboard",
    "class/input/event1/device/capabilities/sw": "0",
}


@pytest.mark.parametrize(("switches", "expected"), [(0x10000, "OK"), (0, "CASE-OPEN")])
def test_the_housing_is_closed_when_its_switch_says_so(board, switches, expected):
    asked = []

    def read(device):
        asked.append(device.name)
        return switches

    assert codes(check_case(board(sys=COVER_SWITCH), CLOCK, read)) == [expected]
    assert asked == ["event0"]


def test_a_switch_that_cannot_be_asked_is_not_called_closed(board):
    (outcome,) = check_case(board(sys=COVER_SWITCH), CLOCK)
    assert "no switch here tells" in outcome.what


@pytest.mark.parametrize(("state", "expected"), [("closed", "OK"), ("open", "CASE-OPEN")])
def test_who_watches_the_switch_is_believed(board, state, expected):
    view = board(root={"run/roeh-case/state": state})
    assert codes(check_case(view, CLOCK)) == [expected]


def accelerometer(x, y, z, scale="0.0383"):
    values = {"name": "adxl345", "in_accel_scale": scale}
    values |= {f"in_accel_{axis}_raw": raw for axis, raw in zip("xyz", (x, y, z), strict=True)}
    return {f"bus/iio/devices/iio:device0/{name}": value for name, value in values.items()}


@pytest.mark.parametrize(
    ("files", "expected", "words"),
    [
        (accelerometer(2, -3, 255), "OK", "leans 0.8 degrees"),
        # Mounted on its side, upright all the same.
        (accelerometer(-256, 4, 1), "OK", "axis x"),
        (accelerometer(31, 0, 254), "TILT-LEANING", "leans 7.0 degrees"),
        (accelerometer(0, 0, 0), "TILT-SILENT", "in place of 9.8"),
        (accelerometer(0, 0, 255, scale=""), "TILT-SILENT", "no figures"),
    ],
)
def test_a_housing_that_leans_is_found_whichever_way_the_sensor_sits(board, files, expected, words):
    (outcome,) = check_tilt(board(sys=files), CLOCK)
    assert codes([outcome]) == [expected]
    assert words in outcome.what


def port(**changes):
    files = {"type": 1, "operstate": "up", "speed": 1000, "duplex": "full", "device/vendor": "x"}
    files |= {"statistics/rx_packets": 1_000_000, "statistics/rx_crc_errors": 0}
    return {f"class/net/eth0/{name}": value for name, value in (files | changes).items()}


ROUTES = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0"  # noqa: E501 - as the kernel writes it


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["OK", "OK"]),
        ({"speed": 10, "duplex": "half"}, ["LINK-SLOW", "OK"]),
        ({"statistics/rx_crc_errors": 5000}, ["LINK-ERRORS", "OK"]),
        ({"operstate": "down", "speed": -1}, ["LINK-DOWN", "OK"]),
    ],
)
def test_a_cable_is_judged_by_what_its_port_counts(board, changes, expected):
    view = board(sys=port(**changes), proc={"net/route": ROUTES})
    assert codes(check_link(view, CLOCK)) == expected


def test_without_a_way_out_the_doctor_says_so(board):
    view = board(sys=port(), proc={"net/route": ROUTES.splitlines()[0]})
    assert codes(check_link(view, CLOCK)) == ["OK", "ROUTE-NONE"]


def test_a_machine_without_a_port_is_told_and_not_a_crash(board):
    assert codes(check_link(board(sys={}), CLOCK)) == ["LINK-DOWN"]


def test_in_a_container_the_hosts_ports_are_not_its_own(board):
    listed = "Inter-|   Receive\n face |bytes\n    lo: 1 2\n host0: 3 4"
    routes = ROUTES.replace("eth0", "host0")
    view = board(
        sys=port(operstate="down"),
        proc={"net/dev": listed, "net/route": routes},
        root={"run/systemd/container": "systemd-nspawn"},
    )
    ports, way = check_link(view, CLOCK)
    assert "host0: whether it has a signal" in ports.what
    assert way.what == "the way out goes by host0"


def rtc(off_s=0, **more):
    return {"class/rtc/rtc0/name": "rpi_rtc", "class/rtc/rtc0/since_epoch": NOW_S + off_s} | {
        f"class/rtc/rtc0/{name}": value for name, value in more.items()
    }


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (rtc(), ["OK"]),
        (rtc(battery_voltage=3_050_000), ["OK", "OK"]),
        (rtc(battery_voltage=900_000), ["OK", "RTC-BATTERY"]),
        (rtc(off_s=-86_400), ["RTC-WRONG"]),
        ({}, ["RTC-MISSING"]),
    ],
)
def test_the_clock_that_goes_on_without_power(board, files, expected):
    assert codes(check_battery_clock(board(sys=files), CLOCK)) == expected


@pytest.mark.parametrize(
    ("state", "expected"), [("active", ["OK"]), ("inactive", ["WATCHDOG-OFF"])]
)
def test_a_watchdog_that_nobody_arms_is_told(board, state, expected):
    files = {"identity": "Broadcom BCM2835 Watchdog timer", "state": state, "timeout": 15}
    view = board(sys={f"class/watchdog/watchdog0/{n}": v for n, v in files.items()})
    assert codes(check_watchdog(view, CLOCK)) == expected


def test_a_release_on_trial_one_given_up_and_one_in_force_are_told_apart(board, tmp_path):
    view = board(root={"opt/roeh/releases/0.1.0/manifest.json": "{}"})
    home = tmp_path / "root/opt/roeh"
    (home / "current").symlink_to("releases/0.1.0")
    assert codes(check_release(view, CLOCK)) == ["OK"]
    (home / "last_trial.json").write_text(
        '{"version": "0.2.0", "before": "0.1.0", "outcome": "returned", "why": "capture restarted",'
        ' "boot_id": "x", "began_boot_ns": 1, "ended_utc_s": 2}'
    )
    (outcome,) = check_release(view, CLOCK)
    assert outcome.code.word == "RELEASE-RETURNED"
    assert "capture restarted" in outcome.what
    (home / "trial.json").write_text("{}")
    assert codes(check_release(view, CLOCK)) == ["RELEASE-TRIAL"]


def test_a_root_that_came_up_without_its_layer_is_told(board):
    assert codes(check_root(board(), CLOCK)) == ["OK"]
    view = board(root={"run/roeh-root/told": "pristine three starts without coming up"})
    (outcome,) = check_root(view, CLOCK)
    assert outcome.code.word == "ROOT-PRISTINE"
    assert "three starts" in outcome.what


def node(tmp_path):
    return parse_config(
        "[[sensors]]\nsource = { kind = 'composed' }\n"
        "lens = { width_px = 320, height_px = 320, fov_deg = 180 }\n"
        f"[paths]\ndata_dir = '{tmp_path}'",
        name="node.toml",
    )


@pytest.fixture
def disk(board, tmp_path):
    """The device under the test's directory, on an NVMe disk's partition, encrypted or not."""

    def make(*, encrypted, mountinfo="", **files):
        part = tmp_path / "sys/devices/nvme0/nvme0n1/nvme0n1p3"
        part.mkdir(parents=True)
        (part / "partition").write_text("3\n")
        top = part
        if encrypted:
            top = tmp_path / "sys/devices/virtual/block/dm-0"
            (top / "dm").mkdir(parents=True)
            (top / "dm/uuid").write_text("CRYPT-LUKS2-0123456789abcdef-roeh-evidence\n")
            (top / "dm/name").write_text("roeh-evidence\n")
            (top / "slaves").mkdir()
            (top / "slaves/nvme0n1p3").symlink_to(part)
        number = tmp_path.stat().st_dev
        link = tmp_path / "sys/dev/block" / f"{os.major(number)}:{os.minor(number)}"
        link.parent.mkdir(parents=True)
        link.symlink_to(top)
        return board(proc={"self/mountinfo": mountinfo}, **files)

    return make


def page(*, used=3, spare=100, threshold=10, media_errors=0, warning=0):
    content = bytearray(512)
    content[0], content[3], content[4], content[5] = warning, spare, threshold, used
    content[1:3] = (273 + 41).to_bytes(2, "little")
    content[160:176] = media_errors.to_bytes(16, "little")
    return bytes(content)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (page(), ["OK"]),
        (page(used=84), ["DISK-WORN"]),
        (page(used=104), ["DISK-WORN-OUT"]),
        (page(spare=8), ["DISK-WORN-OUT"]),
        (page(media_errors=2), ["DISK-ERRORS", "OK"]),
        (page(warning=8), ["DISK-READ-ONLY", "OK"]),
        (None, ["OK"]),
        (b"short", ["OK"]),
    ],
)
def test_an_nvme_disk_tells_its_wear_itself(disk, tmp_path, told, expected):
    asked = []

    def read(controller):
        asked.append(controller.name)
        return told

    view = disk(encrypted=True)
    outcomes = list(check_disk(node(tmp_path), view, CLOCK, read))
    assert outcomes[0].what == "encrypted (LUKS2, roeh-evidence), and open"
    assert codes(outcomes[2:]) == expected
    assert asked == ["nvme0"]


def test_the_health_page_is_read_as_the_specification_places_it():
    health = read_health(page(used=7, spare=90))
    assert (health.used_percent, health.spare_percent, health.temperature_c) == (7, 90, 41)
    assert read_health(bytes(512)) is None


def test_evidence_in_the_clear_is_told(disk, tmp_path):
    outcomes = check_disk(node(tmp_path), disk(encrypted=False), CLOCK, lambda _: None)
    assert "DISK-PLAIN" in codes(outcomes)


def test_a_disk_that_the_kernel_made_read_only_fails(disk, tmp_path):
    view = disk(encrypted=True, mountinfo="30 1 259:3 / / ro,relatime - ext4 /dev/nvme0n1p3 ro")
    assert codes(check_disk(node(tmp_path), view, CLOCK, lambda _: None))[0] == "DISK-READ-ONLY"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("etc/fstab", "/dev/mapper/roeh-evidence {} ext4 defaults 0 2"),
        ("etc/systemd/system/var-lib-roeh.mount", "[Mount]\nWhat=/dev/x\nWhere={}\n"),
    ],
)
def test_an_evidence_partition_that_is_not_mounted_fails(disk, tmp_path, file, text):
    root = {file: text.format(tmp_path)}
    view = disk(encrypted=True, mountinfo="30 1 8:1 / / rw - ext4 /dev/sda1 rw", root=root)
    assert codes(check_disk(node(tmp_path), view, CLOCK, lambda _: None))[0] == "DISK-MISSING"


def test_errors_that_the_file_system_counted_are_told(disk, tmp_path):
    view = disk(encrypted=True, sys={"fs/ext4/dm-0/errors_count": "3"})
    outcomes = list(check_disk(node(tmp_path), view, CLOCK, lambda _: None))
    assert "ext4 on dm-0 counted 3 errors" in [outcome.what for outcome in outcomes]


def test_of_mounts_that_cover_each_other_the_last_counts(tmp_path):
    lines = "30 1 8:1 / / rw - ext4 /dev/sda1 rw\n31 30 8:2 / /srv rw - ext4 /dev/sda2 rw\n"
    covered = lines + "32 31 8:3 / /srv ro - xfs /dev/sda3 rw"
    place = tmp_path.__class__("/srv/data")
    assert mount_of(place, lines).device == "/dev/sda2"
    assert "ro" in mount_of(place, covered).options
