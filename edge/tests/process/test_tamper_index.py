"""`roeh evidence check`: what was done to index, files or mirror is found and placed."""

import contextlib
import sqlite3

import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.custody import HoldState, PlaceHold, Span
from roeh.core.ids import ClockIds
from roeh.core.peers import Verb
from roeh.custody.check import Level, check
from roeh.custody.link import evidence_link
from roeh.keys.chain import trust_anchors
from roeh.verify.checking import Beliefs
from roeh.verify.report import Weight
from tests.authorities import City
from tests.gops import BOOT_ID
from tests.key_nodes import node_with_keys
from tests.sealed_stores import copied, root_pem, sealed_store


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    city = City()
    store = sealed_store(tmp_path_factory.mktemp("recording") / "store", city, segments=3)
    return city, store.directory


class Copy:
    def __init__(self, city, directory):
        self.city = city
        self.directory = directory

    def check(self, level):
        config = node_with_keys(self.directory)
        beliefs = Beliefs(anchors=trust_anchors(root_pem(self.city)))
        clock = SimulatedClock()
        with evidence_link(config, clock) as link:
            return check(
                link, config, level, beliefs=beliefs, clock=clock, on_progress=lambda *_: None
            )

    def sql(self, statement, *values):
        with contextlib.closing(sqlite3.connect(self.directory / "node.db")) as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute(statement, values)
            connection.commit()

    def segment(self, number):
        return self.directory / "segments" / "north" / f"{number:08d}.mp4"


@pytest.fixture
def copy(recording, tmp_path):
    city, directory = recording
    return Copy(city, copied(directory, tmp_path / "copy"))


def failures(report):
    return [
        (finding.what, finding.path, finding.gop, finding.leaf)
        for finding in report.findings
        if finding.weight is Weight.FAIL
    ]


def row_of(number):
    return f"segments/north/{number:08d}.mp4"


@pytest.mark.parametrize("level", Level)
def test_what_nobody_touched_is_sound(copy, level):
    report = copy.check(level)
    assert failures(report) == []
    assert report.segments == len(list((copy.directory / "segments" / "north").iterdir()))
    assert (report.files_read > 0) == (level is not Level.INDEX)


def test_an_edited_hash_in_the_index_is_placed_to_its_gop(copy):
    copy.sql("UPDATE fragment SET sha256 = zeroblob(32) WHERE segment_row = 2 AND number = 1")
    ((what, path, gop, leaf),) = failures(copy.check(Level.INDEX))
    assert (what, path, gop) == ("row_edited", row_of(2), 2)
    assert leaf is not None


def test_an_edited_time_in_the_index_is_placed_to_its_segment(copy):
    copy.sql("UPDATE segment SET t_utc_us = t_utc_us + 3600000000 WHERE row = 2")
    ((what, path, _, _),) = failures(copy.check(Level.INDEX))
    assert (what, path) == ("row_edited", row_of(2))


def test_an_edited_record_is_placed_to_its_leaf(copy):
    copy.sql(
        "UPDATE record SET json = CAST(replace(json, '\"full\"', '\"stopped\"') AS BLOB)"
        " WHERE leaf = 3"
    )
    found = failures(copy.check(Level.INDEX))
    assert ("mirror_differs", None, None, 3) in found


def test_a_row_that_was_deleted_is_named_by_its_record(copy):
    copy.sql("DELETE FROM fragment WHERE segment_row = 1")
    copy.sql("DELETE FROM segment WHERE row = 1")
    found = failures(copy.check(Level.INDEX))
    assert ("row_missing", None, None, 3) in found
    assert ("orphan_file", row_of(1), None, None) in found


def test_files_that_are_gone_new_or_cut_are_found_without_reading_video(copy):
    copy.segment(1).unlink()
    copy.segment(7).write_bytes(copy.segment(2).read_bytes())
    with copy.segment(3).open("r+b") as file:
        file.truncate(1000)
    found = {(what, path) for what, path, _, _ in failures(copy.check(Level.INDEX))}
    assert found == {
        ("segment_missing", row_of(1)),
        ("orphan_file", row_of(7)),
        ("size_wrong", row_of(3)),
    }


def test_a_flipped_bit_takes_the_level_that_reads_video(copy):
    content = bytearray(copy.segment(2).read_bytes())
    content[-40] ^= 1
    copy.segment(2).write_bytes(content)
    assert failures(copy.check(Level.INDEX)) == []
    ((what, path, gop, _),) = failures(copy.check(Level.HASHES))
    assert (what, path) == ("gop_changed", row_of(2))
    assert gop is not None


def test_a_hold_that_was_taken_out_of_the_index_is_missed(recording, tmp_path):
    city, directory = recording
    copy = Copy(city, copied(directory, tmp_path / "copy"))
    config = node_with_keys(copy.directory)
    clock = SimulatedClock()

    hold_id = ClockIds(clock).new()
    with evidence_link(config, clock) as link:
        link.call(
            Verb.HOLD_PLACE,
            PlaceHold(hold_id, "clerk-4", "case 17", (Span("north", BOOT_ID, 0, 10**9),)),
            HoldState,
        )
    assert failures(copy.check(Level.INDEX)) == []
    copy.sql("DELETE FROM hold WHERE hold_id = ?", hold_id)
    assert "hold_missing" in {what for what, *_ in failures(copy.check(Level.INDEX))}
