"""The doctor says what the evidence lies on and how long that lasts."""

import os

import pytest

from roeh.core.config import parse_config
from roeh.core.custody import EvidenceStatus
from roeh.doctor.medium import Medium, judge_life, judge_medium, judge_room, medium_at

HOUR_US = 3600 * 1_000_000
SENSOR = """
[[sensors]]
source = { kind = "composed" }
lens = { width_px = 320, height_px = 320, fov_deg = 180 }
"""


def config(**evidence):
    lines = [f"{key} = {value}" for key, value in evidence.items()]
    return parse_config("\n".join([SENSOR, "[evidence]", *lines]), name="node.toml")


def status(*, age_us, **written):
    return EvidenceStatus(
        age_us=age_us,
        segments=1,
        segments_bytes=1,
        locked_bytes=0,
        held_bytes=0,
        max_bytes=1,
        free_bytes=1,
        ledger_size=1,
        checkpoint=None,
        bytes_written=written,
        alarms=(),
    )


@pytest.fixture
def sys_dir(tmp_path):
    """A /sys in which the device under a directory is what a test makes it."""

    def make(place, name, *, partition=False, **files):
        device = tmp_path / "sys" / "devices" / name
        for path, text in files.items():
            file = device / path.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n")
        shown = device
        if partition:
            shown = device / f"{name}p1"
            shown.mkdir(parents=True)
            (shown / "partition").write_text("1\n")
        number = place.stat().st_dev
        link = tmp_path / "sys" / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}"
        link.parent.mkdir(parents=True)
        link.symlink_to(shown)
        return tmp_path / "sys"

    return make


def test_an_sd_card_is_not_called_fit_for_evidence(tmp_path, sys_dir):
    medium = medium_at(tmp_path, sys_dir(tmp_path, "mmcblk0", partition=True, device__type="SD"))
    assert medium.kind == "sd card"
    outcome = judge_medium(medium)
    assert outcome.verdict == "FAIL"
    assert "SSD" in outcome.remedy


def test_an_sd_card_under_an_encrypted_partition_is_one(tmp_path, sys_dir):
    mapped = sys_dir(tmp_path, "dm-0", queue__rotational="0")
    card = mapped / "devices/mmcblk0"
    for file, text in (("device/type", "SD"), ("mmcblk0p3/partition", "3")):
        (card / file).parent.mkdir(parents=True)
        (card / file).write_text(text)
    (mapped / "devices/dm-0/slaves").mkdir()
    (mapped / "devices/dm-0/slaves/mmcblk0p3").symlink_to(card / "mmcblk0p3")
    assert medium_at(tmp_path, mapped) == Medium("mmcblk0", "sd card")


@pytest.mark.parametrize(
    ("life_time", "pre_eol", "verdict"),
    [
        ("0x01 0x02", "0x01", "OK"),
        ("0x03 0x08", "0x01", "WARN"),
        ("0x03 0x03", "0x02", "FAIL"),
        ("0x0b 0x03", "0x03", "FAIL"),
    ],
)
def test_an_emmc_is_believed_about_its_wear(tmp_path, sys_dir, life_time, pre_eol, verdict):
    made = sys_dir(
        tmp_path,
        "mmcblk1",
        partition=True,
        device__type="MMC",
        device__life_time=life_time,
        device__pre_eol_info=pre_eol,
    )
    assert judge_medium(medium_at(tmp_path, made)).verdict == verdict


def test_disks_are_told_apart_and_an_unknown_one_is_said_so(tmp_path, sys_dir):
    made = sys_dir(tmp_path, "nvme0n1", partition=True, queue__rotational="0")
    assert medium_at(tmp_path, made).kind == "flash disk"
    assert judge_medium(medium_at(tmp_path, made)).verdict == "OK"
    assert medium_at(tmp_path, tmp_path / "nothing").kind == "unknown"
    assert judge_medium(medium_at(tmp_path, tmp_path / "nothing")).verdict == "WARN"


def test_life_is_what_the_medium_bears_over_what_was_written_a_day():
    a_day = status(age_us=24 * HOUR_US, video=40_000_000_000, index=4_000_000_000)
    outcome = judge_life(Medium("vda", "flash disk"), a_day, config(medium_endurance_tb=160.7))
    # 44 GB a day are 16.07 TB a year.
    assert outcome.verdict == "OK"
    assert "160.7 TB last 10.0 years".replace("160.7", "161") in outcome.what
    assert "1.10 times the video" in outcome.what


def test_a_short_life_is_a_warning_and_an_unknown_endurance_too():
    a_day = status(age_us=24 * HOUR_US, video=44_000_000_000)
    short = judge_life(Medium("vda", "flash disk"), a_day, config(medium_endurance_tb=20))
    assert short.verdict == "WARN"
    assert "1.2 years" in short.what
    unknown = judge_life(Medium("vda", "flash disk"), None, config())
    assert unknown.verdict == "WARN"
    assert "medium_endurance_tb" in unknown.remedy


def test_before_anything_was_measured_the_configured_rate_counts():
    expected = judge_life(
        Medium("vda", "flash disk"),
        status(age_us=1_000_000, video=10**12),
        config(medium_endurance_tb=1000, encode_bps=4_000_000),
    )
    # 4 Mbit/s are 43.2 GB a day, and a tenth more with the index.
    assert "44.3 GiB" in expected.what
    assert "not measured yet" in expected.what


def test_a_ring_larger_than_its_disk_is_said_so(tmp_path):
    assert judge_room(tmp_path, 10 << 30, config(max_bytes=20 << 30)).verdict == "WARN"
    assert judge_room(tmp_path, 100 << 30, config(max_bytes=20 << 30)).verdict == "OK"
