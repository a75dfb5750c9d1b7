"""A replay gives the same bytes every time, and what it gave when it was last looked at.

Between machines the network's int8 kernels may differ in the last bit, so the golden
comparison is of what an operator would be told: the same alerts in the same order, and
tracks in the same places, within stated tolerances.
"""

import json
import math
import shutil
from pathlib import Path

import msgspec
import pytest

from roeh.core.types import Alert
from roeh.detect.tracklog import TrackLine
from tests.golden.scenes import SCENES, make_scene

HERE = Path(__file__).parent
#: The same place.
TOLERANCE_M = 0.05
#: One detection that flips at its threshold bends a track for a while.
TRACK_SHARE = 0.9
TOLERANCE_US = 200_000


class GoldenAlert(msgspec.Struct):
    """What of an alert has to stay."""

    t_mono_us: int
    phase: str
    rule: str
    zone: str | None
    count: int
    east_m: float
    north_m: float
    has_thumbnail: bool


class GoldenReplay(msgspec.Struct):
    """What of a replay has to stay; a point is (time in us, east in m, north in m)."""

    alerts: list[GoldenAlert]
    tracks: dict[str, list[tuple[int, float, float]]]


@pytest.fixture(scope="session", params=SCENES)
def scene(request, tmp_path_factory):
    return request.param, *make_scene(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def replayed(roeh, scene, tmp_path_factory):
    """Where the scene was replayed to, and the outcome."""
    name, config_path, video_path = scene
    out = tmp_path_factory.mktemp("replayed") / name
    outcome = roeh("replay", video_path, "-c", config_path, "--out", out, "--json")
    assert outcome.status == 0, outcome.stderr
    return out, outcome


def content(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_the_same_video_gives_the_same_bytes_in_another_place(roeh, scene, replayed, tmp_path):
    _, config_path, video_path = scene
    elsewhere = shutil.copy(video_path, tmp_path / "another name.mkv")
    # One processor, so that its threads run otherwise than the first one's.
    outcome = roeh(
        *("replay", elsewhere, "-c", config_path, "--out", tmp_path / "out"), processors=1
    )
    assert outcome.status == 0
    first = content(replayed[0])
    assert {"tracks.jsonl", "alerts.jsonl"} < set(first)
    assert content(tmp_path / "out") == first


def test_the_summary_counts_what_the_files_hold(replayed):
    out, outcome = replayed
    summary = json.loads(outcome.stdout)
    alerts = alerts_of(out)
    tracks = tracks_of(out)
    assert summary["alert_messages"] == len(alerts)
    assert summary["alerts_raised"] == sum(alert.phase.value == "raised" for alert in alerts)
    assert summary["tracks"] == len({line.id for line in tracks})
    thumbnails = {int(path.name.split("-")[0]) for path in (out / "thumbnails").iterdir()}
    assert thumbnails == {alert.seq for alert in alerts if alert.thumbnail_sha256}
    assert [alert.seq for alert in alerts] == list(range(1, len(alerts) + 1))
    assert len({alert.id for alert in alerts}) == len(alerts)


def test_it_gives_what_it_gave_when_it_was_last_looked_at(scene, replayed, renew):
    name, _, _ = scene
    out, _ = replayed
    path = HERE / f"{name}.json"
    found = GoldenReplay(alerts=golden_alerts(out), tracks=golden_tracks(out))
    if renew:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=0) + b"\n")
        return
    golden = msgspec.json.decode(path.read_bytes(), type=GoldenReplay)
    assert [told(alert) for alert in found.alerts] == [told(alert) for alert in golden.alerts]
    for new, old in zip(found.alerts, golden.alerts, strict=True):
        assert abs(new.t_mono_us - old.t_mono_us) <= TOLERANCE_US, (new, old)
        assert math.dist(place(new), place(old)) <= TOLERANCE_M, (new, old)
    pairs = [
        (point, {t: (e, n) for t, e, n in found.tracks.get(track, ())}.get(point[0]))
        for track, points in golden.tracks.items()
        for point in points
    ]
    near = sum(new is not None and math.dist(new, old[1:]) <= TOLERANCE_M for old, new in pairs)
    assert near >= TRACK_SHARE * len(pairs)


def alerts_of(out):
    lines = (out / "alerts.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Alert) for line in lines]


def tracks_of(out):
    lines = (out / "tracks.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=TrackLine) for line in lines]


def golden_alerts(out):
    return [
        GoldenAlert(
            t_mono_us=alert.t_mono_us,
            phase=alert.phase.value,
            rule=alert.rule,
            zone=alert.zone,
            count=alert.count,
            east_m=alert.where.east_m,
            north_m=alert.where.north_m,
            has_thumbnail=alert.thumbnail_sha256 is not None,
        )
        for alert in alerts_of(out)
    ]


def golden_tracks(out):
    tracks = {}
    for line in tracks_of(out):
        tracks.setdefault(str(line.id), []).append((line.t_mono_us, line.east_m, line.north_m))
    return tracks


def told(alert):
    return alert.phase, alert.rule, alert.zone, alert.count, alert.has_thumbnail


def place(alert):
    return alert.east_m, alert.north_m
