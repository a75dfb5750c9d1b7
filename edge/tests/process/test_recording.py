"""Groups of pictures through the whole evidence process: kept, playable, continued."""

import contextlib
import hashlib
import random
import shutil
import sqlite3
import subprocess
import threading

import msgspec
import pytest

from roeh.core.errors import MessageRefused, PeerGone, StorageDamaged, StorageFailed
from roeh.core.gop import StreamEnd
from roeh.core.paths import keys_dir, node_database, segments_dir
from roeh.core.peers import (
    Done,
    EndStream,
    GopStored,
    OpenAlerts,
    OpenAlertsRequest,
    Role,
    StoreGop,
    Verb,
)
from roeh.core.types import Alert
from roeh.ledger.database import open_database
from tests.alert_drafts import alert_draft
from tests.apt import require_packages
from tests.gops import GopSource
from tests.process.children import CLOCK, PATIENCE_S, running_evidence
from tests.process.test_evidence import refusal
from tests.recorders import records_of
from tests.waiting import wait_until

SHORT_SEGMENTS = """
[evidence]
segment_s = 2.0
min_free_bytes = 0
"""


def store_gop(evidence, gop):
    return evidence.client(Role.CAPTURE).call(Verb.GOP_STORE, StoreGop(gop), GopStored)


def record(evidence, source, count):
    for gop in source.take(count):
        store_gop(evidence, gop)


def records(config, kind):
    """The bodies of the ledger's records of this kind, once evidence has ended."""
    database = open_database(node_database(config))
    try:
        rows = database.execute("SELECT json FROM record ORDER BY leaf").fetchall()
    finally:
        database.close()
    return records_of(rows, kind)


def files(config):
    return sorted(segments_dir(config).glob("*/*.mp4"))


def unlike_their_records(config):
    """Paths of segments, not pruned, whose files are not what the ledger says."""
    pruned = {one.row for one in records(config, "prune")}
    return [
        segment.path
        for segment in records(config, "segment")
        if segment.row not in pruned
        and hashlib.sha256((segments_dir(config) / segment.path).read_bytes()).hexdigest()
        != segment.sha256
    ]


@pytest.fixture
def evidence(short_directory):
    with running_evidence(short_directory, SHORT_SEGMENTS) as evidence:
        yield evidence


@pytest.fixture
def source():
    return GopSource("sensor")


def test_what_was_acknowledged_is_there_and_the_end_is_clean(evidence, source):
    record(evidence, source, 6)
    wait_until(lambda: evidence.status().checkpoint)
    assert [one.camera_id for one in evidence.status().cameras] == ["sensor"]
    assert evidence.status().alarms == ()
    assert evidence.stop() == 0
    assert [one.end_reason for one in records(evidence.config, "segment")] == ["full", "stopped"]
    assert unlike_their_records(evidence.config) == []
    evidence.start()
    assert evidence.stop() == 0
    assert [one.was_clean for one in records(evidence.config, "boot")] == [True, True]
    assert [one.usage for one in records(evidence.config, "key")] == ["media", "log", "manifest"]
    assert len(records(evidence.config, "config")) == 1


class Capture(threading.Thread):
    """Sends groups until told to stop; the same one again when evidence is gone."""

    def __init__(self, evidence, source):
        super().__init__()
        self.stop = threading.Event()
        self.acknowledged = 0
        self.asked_again = 0
        self._client = evidence.client(Role.CAPTURE)
        self._source = source

    def run(self):
        while not self.stop.is_set():
            request = StoreGop(self._source.next())
            while True:
                with contextlib.suppress(PeerGone):
                    self._client.call(Verb.GOP_STORE, request, GopStored)
                    self.acknowledged += 1
                    break
                self.asked_again += 1
                self._client.wait_until_there(PATIENCE_S)


def test_killed_at_random_it_loses_nothing_that_it_acknowledged(evidence, source):
    chance = random.Random(4)
    capture = Capture(evidence, source)
    capture.start()
    for _ in range(5):
        before = capture.acknowledged
        wait_until(lambda before=before: capture.acknowledged > before + 2)
        CLOCK.wait(chance.uniform(0.0, 0.02))
        evidence.kill()
        evidence.start()
    capture.stop.set()
    capture.join(PATIENCE_S)
    assert evidence.stop() == 0
    segments = records(evidence.config, "segment")
    assert capture.asked_again
    # Not one more either: what was sent again is there once, and the signatures count on.
    counters = [entry.gop_counter for one in segments for entry in one.fragments]
    assert counters == list(range(1, capture.acknowledged + 1))
    # By chance no kill may meet an open segment; the last may have closed, full, before the end.
    reasons = {one.end_reason for one in segments}
    assert {"full"} <= reasons <= {"full", "recovered", "stopped"}
    assert unlike_their_records(evidence.config) == []
    # Nothing was lost of the time either.
    assert records(evidence.config, "gap") == []
    assert records(evidence.config, "tamper") == []
    assert [one.was_clean for one in records(evidence.config, "boot")] == [True] + 5 * [False]


def test_a_kill_and_time_lost_are_a_gap_with_that_reason(evidence, source):
    record(evidence, source, 2)
    evidence.kill()
    evidence.start()
    source.skip(5_000_000)
    record(evidence, source, 1)
    evidence.kill()
    evidence.start()
    source.boot_id, source.mono_us = "another", 8_000_000
    source.restart_capture()
    record(evidence, source, 1)
    evidence.stop()
    assert [one.reason for one in records(evidence.config, "gap")] == [
        "evidence_restart",
        "power_cut",
    ]


@pytest.mark.apt("ffmpeg")
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_stock_tools_play_what_was_closed_and_what_was_recovered(evidence, codec):
    require_packages("ffmpeg")
    source = GopSource("sensor", codec=codec, reorder=codec == "h264")
    record(evidence, source, 6)
    evidence.kill()
    with files(evidence.config)[-1].open("ab") as torn:
        torn.write(b"\0\0\3\0moof, torn")
    evidence.start()
    evidence.stop()
    assert [one.end_reason for one in records(evidence.config, "segment")] == ["full", "recovered"]
    for path, pictures in zip(files(evidence.config), (20, 10), strict=True):
        asked = "-v error -count_frames -select_streams v:0 -show_entries stream=nb_read_frames"
        played = subprocess.run(
            ["ffprobe", *asked.split(), "-of", "csv=p=0", path],
            capture_output=True,
            text=True,
            check=True,
        )
        assert (int(played.stdout.strip().strip(",")), played.stderr) == (pictures, "")


def test_the_newest_checkpoint_rides_in_the_alerts(evidence, source):
    record(evidence, source, 6)
    newest = wait_until(lambda: evidence.status().checkpoint)
    evidence.store(alert_draft(site="site", node="pole-1"))
    evidence.stop()
    database = open_database(node_database(evidence.config))
    (payload,) = database.execute("SELECT payload_json FROM alert").fetchone()
    database.close()
    checkpoint = msgspec.json.decode(payload, type=Alert).checkpoint
    # A newer one may have been signed in between.
    assert checkpoint.splitlines()[0] == newest.splitlines()[0]
    assert int(checkpoint.splitlines()[1]) >= int(newest.splitlines()[1])


def test_a_stream_may_end_and_a_stranger_is_not_recorded(evidence, source):
    record(evidence, source, 1)
    capture = evidence.client(Role.CAPTURE)
    capture.call(Verb.STREAM_END, EndStream("sensor", StreamEnd.SOURCE_ENDED), Done)
    with pytest.raises(MessageRefused, match="no such camera"):
        store_gop(evidence, GopSource("elsewhere").next())
    evidence.stop()
    assert [one.end_reason for one in records(evidence.config, "segment")] == ["source_ended"]


# Found at a start


def spoil_a_byte(path):
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda paths: paths[0].unlink(), [("file_missing", "sensor/00000001.mp4")]),
        (
            lambda paths: spoil_a_byte(paths[1]),
            [("bytes_changed", "sensor/00000002.mp4, fragment 1")],
        ),
        (
            lambda paths: paths[0].write_bytes(paths[0].read_bytes()[:-1]),
            [("size_changed", "sensor/00000001.mp4")],
        ),
        (
            lambda paths: shutil.copy(paths[0], paths[0].with_name("00000009.mp4")),
            [("file_unexpected", "sensor/00000009.mp4")],
        ),
        (
            lambda paths: paths[0].with_name("notes.txt").write_text("x"),
            [("file_unexpected", "sensor/notes.txt")],
        ),
    ],
)
def test_what_was_changed_by_hand_is_put_on_record_once_and_left(evidence, source, change, found):
    record(evidence, source, 6)
    evidence.kill()
    change(files(evidence.config))
    left = [(path, path.stat().st_size) for path in files(evidence.config)]
    for _ in range(2):
        evidence.start()
        record(evidence, source, 1)
        evidence.kill()
    evidence.start()
    evidence.stop()
    tampered = records(evidence.config, "tamper")
    assert [(one.what, one.where) for one in tampered] == found
    now = {path: path.stat().st_size for path in files(evidence.config)}
    assert [(path, now.get(path)) for path, _ in left] == left


def test_a_file_that_nobody_acknowledged_is_removed_by_record(evidence, source):
    record(evidence, source, 1)
    evidence.kill()
    (only,) = files(evidence.config)
    shutil.copy(only, only.with_name("00000002.mp4"))
    evidence.start()
    record(evidence, source, 1)
    evidence.stop()
    (removed,) = records(evidence.config, "fault")
    assert removed.what == "unacknowledged_removed"
    assert removed.detail.startswith("sensor/00000002.mp4, ")
    assert records(evidence.config, "tamper") == []


def test_a_directory_put_in_the_place_of_ours_is_not_written_to(evidence, source):
    record(evidence, source, 2)
    ours = segments_dir(evidence.config)
    ours.rename(ours.with_name("away"))
    shutil.copytree(ours.with_name("away"), ours)
    before = [(path, path.read_bytes()) for path in files(evidence.config)]
    with pytest.raises(StorageFailed, match="moved, removed or replaced"):
        record(evidence, source, 1)
    evidence.process.join(PATIENCE_S)
    assert evidence.process.exitcode == StorageFailed.exit_status
    assert [(path, path.read_bytes()) for path in files(evidence.config)] == before
    # The start looks at what is there now, and goes on.
    evidence.start()
    record(evidence, source, 1)
    assert evidence.stop() == 0


@pytest.mark.parametrize("lose", ["delete", "damage", "pages", "older"])
def test_a_lost_database_is_made_anew_and_recording_goes_on(evidence, source, lose):
    database = node_database(evidence.config)
    record(evidence, source, 5)
    evidence.stop()
    older = database.read_bytes()
    evidence.start()
    record(evidence, source, 6)
    evidence.kill()
    for path in database.parent.glob("node.db*"):
        path.unlink()
    if lose == "damage":
        database.write_bytes(b"\x5a" * len(older))
    elif lose == "pages":  # a database by its first page, and nothing behind it
        database.write_bytes(older[:4096] + bytes(len(older) - 4096))
    elif lose == "older":
        database.write_bytes(older)
    evidence.start()
    assert "rebuilt with" in evidence.status().alarms[0]
    record(evidence, source, 3)
    assert evidence.stop() == 0
    stored = records(evidence.config, "segment")
    assert len(records(evidence.config, "rebuild")) == 1
    assert sum(len(one.fragments) for one in stored) == 14
    assert unlike_their_records(evidence.config) == []


def test_damage_that_a_start_overlooks_ends_evidence_once_and_not_for_ever(evidence, source):
    record(evidence, source, 3)
    assert evidence.stop() == 0
    with contextlib.closing(sqlite3.connect(node_database(evidence.config))) as database:
        (page,) = database.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'open_alert'"
        ).fetchone()
        (page_bytes,) = database.execute("PRAGMA page_size").fetchone()
    with node_database(evidence.config).open("r+b") as file:
        file.seek((page - 1) * page_bytes)
        file.write(b"\xff" * page_bytes)
    evidence.start()
    with contextlib.suppress(PeerGone, StorageDamaged):
        evidence.client(Role.DETECT).call(Verb.ALERTS_OPEN, OpenAlertsRequest(5), OpenAlerts)
    evidence.process.join(PATIENCE_S)
    assert evidence.process.exitcode == StorageDamaged.exit_status
    evidence.start()
    assert "node.db was damaged: rebuilt with" in evidence.status().alarms[0]
    record(evidence, source, 1)
    assert evidence.stop() == 0
    evidence.start()
    assert evidence.status().alarms == ()


def test_the_store_of_another_node_is_refused(evidence, source):
    record(evidence, source, 1)
    evidence.stop()
    renamed = msgspec.structs.replace(
        evidence.config, node=msgspec.structs.replace(evidence.config.node, name="another")
    )
    shutil.rmtree(keys_dir(renamed))  # these name the node too
    status, line = refusal(renamed)
    assert status == StorageFailed.exit_status
    assert "the store is that of" in line


def test_two_writers_at_once_are_refused(evidence, source):
    record(evidence, source, 1)
    status, line = refusal(evidence.config)
    assert status == StorageFailed.exit_status
    assert "another process has the store open" in line
    record(evidence, source, 1)
    assert evidence.stop() == 0
