"""The doctor says what the node's signatures, masks and recording are worth."""

import msgspec

from roeh.core.clock import SystemClock
from roeh.core.config import parse_config
from roeh.core.peers import CameraHealth, NodeStatus
from roeh.core.types import ProcessReport
from roeh.doctor.evidence import (
    check_keys,
    check_masks,
    check_recording,
    judge_keys,
    judge_recording,
)
from roeh.keys.open import open_signers
from roeh.keys.pole import KeyState
from roeh.keys.signer import KeyUsage

CLOCK = SystemClock()
DAY_US = 86_400_000_000
NOW_US = 1_790_000_000_000_000


def node(directory, source='{ kind = "composed" }', masks="", **evidence):
    lines = [
        "[[sensors]]",
        'name = "gate"',
        f"source = {source}",
        "lens = { width_px = 320, height_px = 320, fov_deg = 180 }",
        masks,
        "[paths]",
        f'data_dir = "{directory}/data"',
        f'run_dir = "{directory}/run"',
        "[evidence]",
        *(f"{key} = {str(value).lower()}" for key, value in evidence.items()),
    ]
    return parse_config("\n".join(lines), name="node.toml")


MASK = '[[sensors.masks]]\nname = "window"\npolygon_px = [[0, 0], [9, 0], [9, 9]]'


def verdicts(outcomes):
    return [outcome.verdict for outcome in outcomes]


def key(usage=KeyUsage.MEDIA, *, until_utc_us, is_provisioned=True):
    return KeyState(
        usage=usage,
        home="file",
        node="city/pole-1",
        serial="1",
        sha256="00",
        until_utc_us=until_utc_us,
        is_provisioned=is_provisioned,
        is_waiting=False,
    )


def status(*, alarms=(), cameras=(), detail=""):
    report = ProcessReport(process="capture", state="ok", detail=detail, t_mono_us=1, counters={})
    return NodeStatus(
        t_mono_us=1,
        boot_id="b",
        reports=(report,),
        alerts_stored=0,
        outbox_rows=0,
        outbox_bytes=0,
        outbox_oldest_age_us=0,
        outbox_evicted=0,
        outbox_refused=0,
        storage_state="ok",
        cameras=cameras,
        alarms=alarms,
    )


def test_a_node_whose_keys_nobody_vouches_for_is_told_so(tmp_path):
    config = node(tmp_path)
    assert verdicts(check_keys(config, CLOCK)) == ["WARN"]
    open_signers(config, CLOCK)
    (outcome,) = check_keys(config, CLOCK)
    assert outcome.verdict == "WARN"
    assert "UNPROVISIONED" in outcome.what


def test_keys_that_others_may_read_are_a_fault(tmp_path):
    config = node(tmp_path)
    open_signers(config, CLOCK)
    for path in (tmp_path / "data" / "keys").rglob("media.pem"):
        path.chmod(0o644)
    (outcome,) = check_keys(config, CLOCK)
    assert outcome.verdict == "FAIL"
    assert "media.pem" in outcome.what


def test_a_certificate_near_its_end_is_told_in_time():
    fresh = key(until_utc_us=NOW_US + 400 * DAY_US)
    assert verdicts(judge_keys([fresh], NOW_US)) == ["OK"]
    soon = msgspec.structs.replace(fresh, until_utc_us=NOW_US + 30 * DAY_US)
    (outcome,) = judge_keys([fresh, soon], NOW_US)
    assert (outcome.verdict, "30 days" in outcome.what) == ("WARN", True)
    assert outcome.remedy == "roeh keys rotate media"
    ended = msgspec.structs.replace(fresh, until_utc_us=NOW_US - DAY_US)
    assert verdicts(judge_keys([ended], NOW_US)) == ["FAIL"]


def test_masks_that_a_recording_cannot_have_are_named(tmp_path):
    rtsp = '{ kind = "rtsp", url = "rtsp://192.0.2.1/live" }'
    assert verdicts(check_masks(node(tmp_path, rtsp), CLOCK)) == ["OK"]
    (outcome,) = check_masks(node(tmp_path, rtsp, MASK), CLOCK)
    assert outcome.verdict == "WARN"
    assert "recorded unmasked" in outcome.what
    (refused,) = check_masks(node(tmp_path, rtsp, MASK, refuse_unmasked=True), CLOCK)
    assert "not recorded at all" in refused.what
    for video, verdict in (("h264", "WARN"), ("auto", "OK")):
        usb = f'{{ kind = "v4l2", device = "/dev/video0", video = "{video}" }}'
        assert verdicts(check_masks(node(tmp_path, usb, MASK), CLOCK)) == [verdict]
    assert verdicts(check_masks(node(tmp_path, masks=MASK), CLOCK)) == ["OK"]
    assert verdicts(check_masks(node(tmp_path, masks=MASK, mask_recording=False), CLOCK)) == [
        "WARN"
    ]


def test_what_a_running_node_says_of_its_recording_is_handed_on(tmp_path):
    recorded = (CameraHealth("gate", 1_000_000),)
    assert verdicts(judge_recording(status(cameras=recorded))) == ["OK"]
    assert verdicts(judge_recording(status(cameras=recorded, alarms=("no room",)))) == ["FAIL"]
    long_gop = "gate: up to 8.0 s between key pictures, so a power cut loses as much"
    told = list(judge_recording(status(cameras=recorded, detail=long_gop)))
    assert told[0].verdict == "WARN"
    assert "8.0 s between key pictures" in told[0].what
    assert verdicts(judge_recording(status(cameras=(CameraHealth("gate", None),)))) == ["WARN"]
    assert verdicts(check_recording(node(tmp_path), CLOCK)) == ["OK"]
