"""`roeh evidence` against a running node, and against its store when none runs."""

import argparse
import contextlib
import json
from datetime import datetime, timezone

import pytest

from roeh.core.errors import EvidenceRefused, HoldRefused, OutputRefused, StorageFailed
from roeh.core.gop import StreamEnd
from roeh.core.paths import names_database, node_database
from roeh.core.peers import Done, EndStream, GopStored, Role, StoreGop, Verb
from roeh.core.types import EvidenceReference
from roeh.custody import commands
from roeh.ledger.database import NodeDatabase
from roeh.ledger.names import NameBook
from tests.alert_drafts import alert_draft
from tests.gops import BOOT_ID, GOP_US, GopSource
from tests.process.children import NODE, running_evidence

MORE = """
[evidence]
segment_s = 1.0
pre_roll_s = 0.0
post_roll_s = 0.0
min_free_bytes = 0
[[sensors]]
name = "north"
source = { kind = "composed" }
lens = { width_px = 640, height_px = 640, fov_deg = 180 }
"""
OTHER = "sensor"
KINDS = ("segment", "gap", "lock", "hold", "status")
#: One segment.
SEGMENT_GOPS = 2


class Pole:
    """A node, a capture that sends it video, and the command line of who looks after it."""

    def __init__(self, directory, evidence, capsys):
        self.evidence = evidence
        self.north = GopSource("north")
        self.other = GopSource(OTHER)
        self._capsys = capsys
        self._config = directory / "node.toml"
        self._config.write_text(NODE.format(directory=directory, more=MORE))

    def record(self, source, gops):
        client = self.evidence.client(Role.CAPTURE)
        for gop in source.take(gops):
            client.call(Verb.GOP_STORE, StoreGop(gop), GopStored)

    def end(self, camera_id):
        request = EndStream(camera_id, StreamEnd.SOURCE_ENDED)
        self.evidence.client(Role.CAPTURE).call(Verb.STREAM_END, request, Done)

    def alert(self, first_us, last_us):
        pictures = EvidenceReference("north", 1, 2, first_us, last_us)
        draft = alert_draft(boot_id=BOOT_ID, evidence=pictures)
        self.evidence.store(draft)
        return draft

    def run(self, *arguments):
        """One command line; what it said."""
        parser = argparse.ArgumentParser()
        commands.add_arguments(parser)
        command, *rest = map(str, arguments)
        self._capsys.readouterr()
        assert commands.run(parser.parse_args([command, "-c", str(self._config), *rest])) == 0
        return self._capsys.readouterr().out

    def json(self, *arguments):
        return [json.loads(line) for line in self.run(*arguments, "--json").splitlines()]

    def list(self, *arguments):
        lines = self.json("list", *arguments)
        return {kind: [line for line in lines if line["kind"] == kind] for kind in KINDS}

    def records(self, kind):
        """Bodies of that kind in the store, which nobody else has open."""
        database = NodeDatabase(node_database(self.evidence.config))
        with contextlib.closing(database), database.reading() as connection:
            rows = connection.execute("SELECT json FROM record WHERE kind = ?", (kind,)).fetchall()
        return [json.loads(row[0])["body"] for row in rows]

    def who(self, pseudonym):
        """The name behind one of them."""
        names = NameBook(names_database(self.evidence.config))
        with contextlib.closing(names):
            return names.read((pseudonym,))[pseudonym]


@pytest.fixture
def pole(short_directory, capsys):
    with running_evidence(short_directory, MORE) as evidence:
        yield Pole(short_directory, evidence, capsys)


def utc(source_us):
    """ISO 8601 of microseconds."""
    moment = datetime.fromtimestamp(source_us / 1e6, tz=timezone.utc)
    return moment.isoformat()


def test_the_list_shows_segments_gaps_and_what_is_kept(pole):
    begin_us = pole.north.mono_us
    pole.record(pole.north, 3 * SEGMENT_GOPS)
    pole.end("north")
    pole.north.skip(60_000_000)
    pole.record(pole.north, 1)
    pole.record(pole.other, 1)
    pole.alert(begin_us, begin_us + GOP_US)
    found = pole.list()
    north = [line for line in found["segment"] if line["camera_id"] == "north"]
    assert [line["locked"] for line in north] == [True, False, False, False]
    assert [line["end_reason"] for line in north] == ["full", "full", "source_ended", None]
    (gap,) = [gap for gap in found["gap"] if gap["camera_id"] == "north"]
    assert gap["reason"] == "source_ended"
    assert gap["to_mono_us"] - gap["from_mono_us"] == 60_000_000
    (lock,) = found["lock"]
    assert lock["utc"]["from_us"] == north[0]["t_utc_us"]
    (status,) = found["status"]
    assert status["segments"] == 5
    assert status["bytes_written"]["video"] > 0
    text = pole.run("list")
    assert "source_ended" in text
    assert "locked" in text
    assert "being written" in text


def test_the_list_is_cut_to_a_camera_and_a_time(pole):
    begin_us = pole.north.utc_us
    pole.record(pole.north, 4 * SEGMENT_GOPS)
    pole.record(pole.other, 1)
    assert len(pole.list("--camera", "north")["segment"]) == 4
    second = ("--since", utc(begin_us + 1_100_000), "--until", utc(begin_us + 1_900_000))
    assert [line["segment"] for line in pole.list(*second)["segment"]] == [2]


def test_show_tells_all_and_is_itself_recorded(pole):
    begin_us = pole.north.mono_us
    pole.record(pole.north, 2 * SEGMENT_GOPS)
    alert = pole.alert(begin_us, begin_us)
    (shown,) = pole.json("show", "north/00000001.mp4")
    (segment,) = shown["segments"]
    assert len(segment["fragments"]) == SEGMENT_GOPS
    assert [lock["raised_id"] for lock in shown["locks"]] == [alert.id]
    (record,) = shown["records"]
    assert record["leaf"] == segment["leaf"]
    assert record["body"]["kind"] == "segment"
    assert shown["proof_hashes"][0] > 0
    (shown,) = pole.json("show", alert.id, "--person", "A. Visser")
    assert [record["body"]["kind"] for record in shown["records"]] == ["alert", "lock"]
    (shown,) = pole.json("show", record["leaf"])
    assert shown["records"] == [record]
    assert "proven by" in pole.run("show", "north/1")
    with pytest.raises(EvidenceRefused, match="nothing is known"):
        pole.run("show", "south/1")
    pole.evidence.stop()
    looked = pole.records("access")
    assert [body["detail"] for body in looked] == [
        "north/00000001.mp4",
        alert.id,
        str(record["leaf"]),
        "north/1",
    ]
    assert pole.who(looked[1]["person"]) == "A. Visser"


def test_a_hold_by_time_lasts_until_two_persons_let_it_go(pole):
    begin_us = pole.north.utc_us
    pole.record(pole.north, 3 * SEGMENT_GOPS)
    pole.record(pole.other, 3 * SEGMENT_GOPS)
    person = ("--person", "A. Visser", "--reason", "case 7")
    times = ("--from", utc(begin_us + 1_200_000), "--to", utc(begin_us + 1_300_000))
    (hold,) = pole.json("hold", *times, "--camera", "north", *person)
    held = [(line["camera_id"], line["segment"]) for line in pole.list()["segment"] if line["held"]]
    assert held == [("north", 2)]
    # 100 ms, and the error of the clock on both sides.
    (span,) = hold["spans"]
    assert span["to_mono_us"] - span["from_mono_us"] == 100_000 + 2 * 2000
    assert pole.json("release", hold["hold_id"], *person)[0]["state"] == "release_asked"
    with pytest.raises(HoldRefused, match="another person"):
        pole.run("release", hold["hold_id"], *person)
    assert "asks for its release" in pole.run("list")
    other = ("--person", "B. Smit", "--reason", "closed")
    assert "let go" in pole.run("release", hold["hold_id"], *other)
    assert not any(line["held"] for line in pole.list()["segment"])


def test_a_hold_into_the_future_covers_what_is_recorded_later(pole):
    begin_us = pole.north.utc_us
    pole.record(pole.north, 1)
    times = ("--from", utc(begin_us), "--to", utc(begin_us + 2_500_000))
    pole.run("hold", *times, "--person", "A", "--reason", "case 7")
    pole.record(pole.north, 4 * SEGMENT_GOPS)
    assert [line["held"] for line in pole.list()["segment"]] == [True, True, True, False, False]


def test_a_hold_by_alert_keeps_what_it_locked(pole):
    begin_us = pole.north.mono_us
    pole.record(pole.north, 2 * SEGMENT_GOPS)
    alert = pole.alert(begin_us, begin_us)
    text = pole.run("hold", alert.id, "--person", "A", "--reason", "case 7")
    assert "kept until two persons" in text
    assert [line["held"] for line in pole.list()["segment"]] == [True, False]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--from", "2026-01-01T00:00:00Z"),
        ("--from", "2001-01-01T00:00:00Z", "--to", "2001-01-02T00:00:00Z"),
        ("01890a5d-ac96-774b-bcce-b302099a8057",),
    ],
)
def test_a_hold_of_nothing_is_refused(pole, arguments):
    pole.record(pole.north, 1)
    with pytest.raises(EvidenceRefused):
        pole.run("hold", *arguments, "--person", "A", "--reason", "case 7")


def test_without_a_process_the_store_itself_answers(pole):
    begin_us = pole.north.utc_us
    pole.record(pole.north, 2 * SEGMENT_GOPS)
    running = pole.list()
    pole.evidence.stop()
    alone = pole.list()
    assert [line["path"] for line in alone["segment"]] == [
        line["path"] for line in running["segment"]
    ]
    assert alone["status"][0]["checkpoint"].startswith("roeh/")
    assert "does not run" in pole.run("list")
    times = ("--from", utc(begin_us), "--to", utc(begin_us + 100_000))
    pole.run("hold", *times, "--person", "A", "--reason", "case 7")
    pole.evidence.start()
    assert [line["held"] for line in pole.list()["segment"]] == [True, False]


def test_a_store_that_somebody_else_has_open_is_refused_in_one_line(pole):
    pole.record(pole.north, 1)
    pole.evidence.stop()
    database = NodeDatabase(node_database(pole.evidence.config))
    with contextlib.closing(database), pytest.raises(StorageFailed) as refused:
        pole.run("list")
    assert "another process has the store open" in refused.value.line()
    assert "\n" not in refused.value.line()


def test_where_there_is_no_store_none_is_made(short_directory, capsys):
    (short_directory / "node.toml").write_text(NODE.format(directory=short_directory, more=MORE))
    parser = argparse.ArgumentParser()
    commands.add_arguments(parser)
    with pytest.raises(EvidenceRefused, match="no evidence here"):
        commands.run(parser.parse_args(["list", "-c", str(short_directory / "node.toml")]))
    assert not (short_directory / "data").exists()


def test_the_timeline_is_drawn_and_the_picture_is_an_access(pole, short_directory):
    begin_us = pole.north.mono_us
    pole.record(pole.north, 2 * SEGMENT_GOPS)
    pole.alert(begin_us, begin_us)
    picture = short_directory / "timeline.png"
    text = pole.run("timeline", "--picture", picture, "--person", "A. Visser")
    assert "north" in text
    assert "▓" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(OutputRefused):
        pole.run("timeline", "--picture", short_directory / "nowhere" / "timeline.png")
    pole.evidence.stop()
    assert pole.who(pole.records("access")[0]["person"]) == "A. Visser"


def test_the_wear_is_shown_beside_what_was_recorded(pole):
    pole.record(pole.north, 2 * SEGMENT_GOPS)
    pole.evidence.stop()
    pole.evidence.start()
    (status,) = pole.list()["status"]
    assert status["bytes_written"]["video"] >= 2 * 3000
    assert status["bytes_written"]["mirror"] > 0
    assert "written:" in pole.run("list")
