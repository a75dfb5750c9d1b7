"""`roeh tune`: what rules would have raised on footage that a node recorded."""

import os
import signal
import tempfile
import threading
from pathlib import Path

import msgspec
import pytest

from roeh.core.clock import SystemClock
from roeh.core.config import load_config
from roeh.core.errors import ConfigError, EvidenceRefused, OutputRefused
from roeh.custody.holdings import read_records
from roeh.custody.link import evidence_link
from roeh.ledger.records import AccessRecord
from roeh.ledger.utc_spans import UtcSpan
from roeh.tune.changed import load_changed
from roeh.tune.filed import FiledFootage
from roeh.tune.kept import KeptTracks, plan_of
from roeh.tune.opening import FootageWanted, open_recorded
from roeh.tune.page import write_page
from roeh.tune.pictures import Pictures
from roeh.tune.scene_file import SceneFile, read_scenes
from roeh.tune.trying import Try
from roeh.tune.watching import watch
from tests.process.children import start
from tests.process.tuned_node import CLIP_FPS, CLIP_S, tuned_node

EVER = UtcSpan(0, 2**53)
NEWEST = FootageWanted(None, None, "A. Visser")
CLOCK = SystemClock()
CHANGED = """
[[rules]]
kind = "zone_entry"
name = "anybody"
zone = "street"
cool_down_s = 0.0
[[rules]]
kind = "crowd"
name = "pair"
count = 2
radius_m = 5.0
duration_s = 0.5
"""


@pytest.fixture(scope="module")
def node():
    # A socket's path must be short.
    with (
        tempfile.TemporaryDirectory(prefix="roeh-") as directory,
        tuned_node(Path(directory)) as node,
    ):
        yield node


@pytest.fixture(scope="module")
def tracks(node):
    """Kept after all was looked at once."""
    directory = node.directory / "tracks"
    attempt = a_try(node, directory)
    attempt.look_at_recording(NEWEST)
    assert attempt.kept.plan.is_whole
    return directory


def a_try(node, directory, rules=None):
    changed = node.config
    if rules is not None:
        path = node.directory / "changed.toml"
        path.write_text(rules)
        changed = load_changed(path, node.config)
    return Try(node.config, changed, directory, CLOCK, threading.Event())


def by_rule(outcome):
    return {one.rule: one for one in outcome.rules}


def test_the_same_rules_raise_exactly_what_the_node_itself_raised(node, tracks):
    outcome = a_try(node, tracks).outcome(EVER)
    again = [one for rule in outcome.rules for one in rule.before]
    found = sorted((one.rule, one.number, one.at.t_mono_ns // 1000, one.track_ids) for one in again)
    live = sorted((one.rule, one.number, t_ns // 1000, one.track_ids) for t_ns, one in node.raised)
    assert len(live) > 3
    assert [(*one[:2], one[3]) for one in found] == [(*one[:2], one[3]) for one in live]
    # Stamps of the recording are of 90 kHz.
    assert all(abs(one[2] - other[2]) <= 12 for one, other in zip(found, live, strict=True))
    for rule in outcome.rules:
        assert rule.before == rule.after
        assert (rule.gained, rule.lost) == ((), ())


def test_changed_rules_show_what_is_gained_and_lost_without_looking_again(node, tracks):
    attempt = a_try(node, tracks, CHANGED)
    attempt.look_at_recording(NEWEST)
    rules = by_rule(attempt.outcome(EVER))
    assert rules["anybody"].before == rules["anybody"].after
    assert (rules["crowd"].after, rules["crowd"].lost) == ((), rules["crowd"].before)
    assert rules["crowd"].before
    assert (rules["pair"].before, rules["pair"].gained) == ((), rules["pair"].after)
    assert len(rules["pair"].after) >= len(rules["crowd"].before)


def test_hours_hold_as_of_the_footage_and_not_as_of_now(node, tracks):
    plan = KeptTracks(tracks).plan
    hour = (plan.footage.when.from_us // 3_600_000_000 + 6) % 24
    schedule = (
        f'[[schedules]]\nname = "later"\nstart = "{hour:02}:00"\nend = "{(hour + 2) % 24:02}:00"\n'
    )
    hours = schedule + CHANGED.replace("cool_down_s", 'schedule = "later"\ncool_down_s')
    rules = by_rule(a_try(node, tracks, hours).outcome(EVER))
    assert rules["anybody"].before
    assert rules["anybody"].after == ()


def test_who_looked_is_on_record(node, tracks):
    with evidence_link(node.config, CLOCK) as link:
        bodies = [record.body for record in read_records(link, (AccessRecord,))]
    looks = [one for one in bodies if isinstance(one, AccessRecord) and one.action == "tune"]
    assert looks
    assert all(one.person and one.detail.startswith("square, ") for one in looks)


def test_a_kill_in_the_middle_costs_little_and_the_next_run_goes_on(node, tracks):
    directory = node.directory / "killed"
    kept = KeptTracks(directory)
    with open_recorded(node.config, NEWEST, CLOCK) as opened:
        kept.begin(plan_of(node.config, node.config, opened.footage.facts, opened.raisings))
    dying = start(watch_and_die, node.config_path, directory, 25)
    dying.join(60)
    assert dying.exitcode == -signal.SIGKILL
    path = directory / "scenes.roeh"
    before = list(read_scenes(path))
    assert len(before) == 20
    path.write_bytes(path.read_bytes() + b"\0\0\1\0torn")
    attempt = a_try(node, directory)
    attempt.look_at_recording(NEWEST)
    assert attempt.kept.plan.is_whole
    whole = list(read_scenes(tracks / "scenes.roeh"))
    found = list(read_scenes(path))
    assert found[: len(before)] == before == whole[: len(before)]
    assert [one.frame.t_mono_ns for one in found] == [one.frame.t_mono_ns for one in whole]
    # Nobody is taken for somebody from before it.
    old = {track.id for scene in before for track in scene.tracks}
    new = {track.id for scene in found[len(before) :] for track in scene.tracks}
    assert new
    assert not old & new


def watch_and_die(config_path, directory, frames):
    config = load_config(config_path)
    left = frames

    def die_in_time(_t_utc_us):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with (
        open_recorded(config, NEWEST, CLOCK) as opened,
        SceneFile(directory / "scenes.roeh", per_block=10) as scenes,
    ):
        watch(opened.footage, config, scenes, threading.Event(), die_in_time)


def test_the_page_shows_a_picture_of_what_is_lost(node, tracks):
    attempt = a_try(node, tracks, CHANGED)
    outcome = attempt.outcome(EVER)
    out = node.directory / "page"
    out.mkdir()
    (out / "tune.html").write_text("of a try before")
    (out / "tune.html").chmod(0o644)
    with (out / "tune.html").open() as looked_at, attempt.recording(NEWEST) as footage:
        page = write_page(out, outcome, node.config, Pictures(footage, node.config))
        # Whoever has the old one open sees nothing of the new one.
        assert looked_at.read() == "of a try before"
    text = page.read_text()
    shown = sum(len(one.gained) + len(one.lost) for one in outcome.rules)
    assert text.count("data:image/jpeg;base64,/9j/") == shown > 0
    assert page.stat().st_mode & 0o077 == 0
    assert [one.name for one in out.iterdir()] == ["tune.html"]


def test_what_tracks_rest_on_cannot_be_changed(node, tracks):
    with pytest.raises(ConfigError, match=r"changes \[detect\]"):
        a_try(node, tracks, "[detect]\nfps = 2.0\n" + CHANGED)


def test_tracks_at_another_rate_are_not_taken_for_these(node, tracks):
    detect = msgspec.structs.replace(node.config.detect, fps=2.0)
    slower = msgspec.structs.replace(node.config, detect=detect)
    with pytest.raises(OutputRefused, match="at another --fps"):
        Try(slower, slower, tracks, CLOCK, threading.Event())


def test_a_time_of_which_no_tracks_are_kept_is_refused(node, tracks):
    from_us = KeptTracks(tracks).plan.footage.when.from_us
    with pytest.raises(OutputRefused, match="tracks are kept from"):
        a_try(node, tracks).look_at_recording(FootageWanted(from_us - 60_000_000, None, ""))


def test_a_time_without_footage_says_what_there_is(node):
    attempt = a_try(node, node.directory / "nothing")
    with pytest.raises(EvidenceRefused, match="there is: "):
        attempt.look_at_recording(FootageWanted(1_000_000, 2_000_000, ""))


def test_a_video_without_its_pole_is_footage_too(node):
    footage = FiledFootage(node.clip, node.config, None, 1_700_000_000_000_000)
    frames = list(footage.frames(threading.Event()))
    assert len(frames) == CLIP_S * CLIP_FPS
    assert frames[0].info.t_utc_ns == 1_700_000_000_000_000_000
    assert footage.facts.length_us == CLIP_S * 1_000_000
