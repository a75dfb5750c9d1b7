"""`roeh demo`: a whole pole, its broker and a control room, as a newcomer starts them."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import msgspec
import pytest

from roeh.core.errors import SourceUnreadable
from roeh.core.types import Alert, AlertPhase
from roeh.demo.counts import DemoCounts
from roeh.demo.footage import fetch_footage
from roeh.demo.screen import ShownAlert
from roeh.ledger.alerts import read_alerts
from roeh.ledger.database import open_database
from tests.golden.scenes import make_scene
from tests.process.running_node import PATIENCE_S, is_alive, read_proc
from tests.waiting import wait_until

SECONDS = 6
DEMO_PATIENCE_S = 100.0


class Demo:
    """A demo in a directory of its own."""

    def __init__(self, directory, *options, seconds=SECONDS):
        self.kept = directory / "kept"
        self._out, self._err = directory / "out", directory / "err"
        command = [sys.executable, "-m", "roeh", "demo", "--seconds", str(seconds)]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*command, "--keep", str(self.kept), *options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=directory,
                start_new_session=True,
            )

    def ended(self):
        return self.process.wait(DEMO_PATIENCE_S)

    def out(self):
        return self._out.read_text()

    def err(self):
        return self._err.read_text()

    def family(self):
        """The demo and everything it started, down to the last process."""
        found = [self.process.pid]
        for pid in found:
            for thread in Path(f"/proc/{pid}/task").glob("*"):
                found.extend(int(child) for child in read_proc(thread / "children").split())
        return found

    def shown(self):
        """The alerts of its JSON lines."""
        lines = [line for line in self.out().splitlines() if line.startswith('{"alert":')]
        return [msgspec.json.decode(line, type=ShownAlert) for line in lines]

    def counts(self):
        return msgspec.json.decode(self.out().splitlines()[-1], type=DemoCounts)

    def stored(self):
        database = open_database(self.kept / "data" / "node.db")
        try:
            return read_alerts(database)
        finally:
            database.close()


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    """Both demos at the same time: they wait for their footage more than they work."""
    running = {
        "composed": Demo(tmp_path_factory.mktemp("composed"), "--source", "composed", "--json")
    }
    try:
        fetch_footage()
    except SourceUnreadable as error:
        running["footage"] = error
    else:
        # Two poles and two control rooms share this machine: a little longer, to see all sides.
        running["footage"] = Demo(tmp_path_factory.mktemp("footage"), seconds=SECONDS + 4)
    yield running
    for demo in running.values():
        if isinstance(demo, Demo):
            demo.process.kill()


@pytest.fixture(scope="module")
def composed(demos):
    demo = demos["composed"]
    assert demo.ended() == 0, demo.err()
    return demo


@pytest.fixture(scope="module")
def footage(demos):
    demo = demos["footage"]
    if isinstance(demo, SourceUnreadable):
        if os.environ.get("CI"):
            raise demo
        pytest.skip(str(demo))
    assert demo.ended() == 0, demo.err()
    return demo


def test_every_alert_of_the_drawn_people_is_delivered(composed):
    counts = composed.counts()
    assert counts.alerts_raised > 0
    assert counts.alerts_delivered == counts.alerts_raised
    assert (counts.alerts_lost, counts.messages_lost, counts.messages_waiting) == (0, 0, 0)
    assert "Traceback" not in composed.err()


def test_the_pole_and_the_control_room_agree_on_every_message(composed):
    stored = composed.stored()
    shown = [one.alert for one in composed.shown()]
    assert [alert.seq for alert in stored] == list(range(1, len(stored) + 1))
    assert sorted(shown, key=lambda alert: alert.seq) == stored
    counts = composed.counts()
    assert counts.messages == len(stored)
    raised = [alert for alert in stored if alert.phase is AlertPhase.RAISED]
    assert counts.alerts_raised == len(raised)


def test_an_alert_says_where_in_the_world_it_happened(composed):
    for alert in composed.stored():
        assert isinstance(alert, Alert)
        assert 0 <= alert.where.bearing_deg < 360
        assert 0 < alert.where.range_m < 40
        assert alert.where.range_sigma_m > 0
        assert alert.where.latitude_deg == pytest.approx(31.778, abs=0.001)
        assert alert.label == "person"


def test_thumbnails_are_small_pictures_and_the_same_as_those_shown(composed):
    kept = sorted((composed.kept / "thumbnails").iterdir())
    sizes = {one.alert.seq: one.thumbnail_bytes for one in composed.shown()}
    assert len(kept) == composed.counts().thumbnails_delivered > 0
    for path in kept:
        assert path.stat().st_size <= 8 * 1024
        assert path.stat().st_size == sizes[int(path.name.split("-")[0])]
        assert cv2.imread(str(path)).shape == (180, 320, 3)


def test_a_polar_picture_of_the_tracks_is_left(composed):
    path = composed.kept / "polar.png"
    assert composed.counts().picture == str(path)
    picture = cv2.imread(str(path))
    assert min(picture.shape[:2]) >= 400
    assert picture.std() > 5


def test_delays_are_told_apart(composed):
    counts = composed.counts()
    assert 0 < counts.rule_delay_median_ms <= counts.rule_delay_p95_ms
    assert counts.rule_delay_median_ms < counts.delay_median_ms
    assert 0 < counts.camera_delay_ms < counts.delay_median_ms


@pytest.mark.apt("opencv-doc")
def test_real_people_are_seen_all_round_and_told_in_words(footage):
    said = footage.out()
    assert said.startswith("Roeh demo: real people, re-projected all round; node demo/pole-1; ")
    alert_line = (
        r"\d\d:\d\d:\d\d  raised   [a-z-]+ +[a-z-]+ +\d+\.\d° [NESW]{1,2} +"
        r"\d+\.\d ± +\d+\.\d m +\d\.\d kB +\d+ ms"
    )
    assert re.search(alert_line, said), said
    counted = re.search(r"alerts raised (\d+), delivered (\d+), lost 0 ", said)
    assert counted, said
    assert int(counted[1]) == int(counted[2]) > 0
    bearings = [alert.where.bearing_deg for alert in footage.stored()]
    # The footage hangs on three sides of the pole.
    assert max(bearings) - min(bearings) > 60
    assert "Traceback" not in footage.err()


def test_ctrl_c_half_way_through_a_video_ends_it_cleanly_and_still_counts(tmp_path):
    _, video = make_scene("street", tmp_path)
    demo = Demo(tmp_path, "--source", video.name, "--json", seconds=60)
    wait_until(demo.shown, PATIENCE_S)
    family = demo.family()
    assert len(family) >= 8
    os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.ended() == 130
    assert not [pid for pid in family if is_alive(pid)]
    counts = demo.counts()
    assert counts.messages == len(demo.stored()) > 0
    assert counts.messages_lost == 0
    assert "Traceback" not in demo.err()


def test_kill_9_leaves_no_process_behind(tmp_path):
    demo = Demo(tmp_path, "--source", "composed", "--json", seconds=60)
    wait_until(lambda: len(demo.family()) >= 8, PATIENCE_S)
    family = demo.family()
    demo.process.kill()
    demo.process.wait()
    wait_until(lambda: not [pid for pid in family if is_alive(pid)], PATIENCE_S)
