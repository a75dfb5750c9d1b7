"""node.db is gone: index and ledger come back from the mirror and the segments."""

import contextlib
import hashlib
import subprocess
import sys
import textwrap

import msgspec
import pytest

from roeh.bitstream.media_signing import is_media_signing_sei, parse_sei
from roeh.bitstream.mp4_read import read_fragments
from roeh.bitstream.nal import split_length_prefixed
from roeh.core.clock import NS_PER_US, SimulatedClock
from roeh.core.config import parse_config
from roeh.core.custody import PlaceHold, ReleaseHold, Span
from roeh.core.errors import EvidenceRefused, StorageFailed
from roeh.core.gop import StreamEnd
from roeh.core.types import EvidenceReference
from roeh.evidence.parts import EvidenceParts
from roeh.ledger.database import NodeDatabase
from roeh.ledger.mirror import MirrorWhole
from roeh.ledger.names import typed
from roeh.ledger.rebuild import rebuild, rebuild_reason
from roeh.ledger.recorder import Recorder
from roeh.ledger.records import BootRecord, RebuildRecord, Record, TamperRecord
from roeh.ledger.recovery import Recovery, StartFacts
from roeh.ledger.replay import ALERT_SEQ_MARGIN
from roeh.ledger.segment_rows import read_chain
from roeh.ledger.stream_signatures import StreamSignatures
from tests.alert_drafts import alert_draft
from tests.gops import GopSource
from tests.waiting import wait_until

BOOT_ID = "8be4df61-93ca-4ad2-9b9b-0242ac120002"
LATER_BOOT_ID = "2a9a1a3e-54d4-4b7e-9d3e-0242ac120003"
_SENSOR = """
[[sensors]]
name = "{name}"
source = {{ kind = "composed", seed = 2, people = 1, fps = 5.0 }}
height_m = 5.0
tilt_deg = 25.0
lens = {{ model = "pinhole", width_px = 640, height_px = 384, fov_deg = 60.0 }}
"""
_CONFIG = """
[node]
site = "harbour"
name = "{name}"
[paths]
data_dir = "{directory}/data"
run_dir = "{directory}/run"
[evidence]
segment_s = 2.0
max_bytes = 1048576
min_free_bytes = 0
"""


class Node:
    """The evidence process's own parts, started as it starts them; no threads of its own."""

    def __init__(self, directory, clock, name="pole-7"):
        self.data = directory / "data"
        self.clock = clock
        self.closing = contextlib.ExitStack()
        text = _CONFIG.format(name=name, directory=directory)
        text += "".join(_SENSOR.format(name=camera) for camera in ("north", "south"))
        self.config = parse_config(text, name="node.toml")
        self.parts = EvidenceParts(self.config, clock, self.closing, on_failed=lambda error: None)
        recovery = Recovery(
            self.parts.database,
            self.parts.log,
            self.parts.mirror,
            self.parts.files,
            replay_garbage=self.parts.retention.replay_garbage,
        )
        recovery.run(StartFacts(version="1", config_sha256="c" * 64, signers=self.parts.signers))
        self.parts.age.tick()
        self.signatures = StreamSignatures(self.parts.signers.media, self.parts.vendor)
        self.recorder = Recorder(
            self.parts.database,
            self.parts.log,
            self.parts.files,
            clock,
            cameras=["north", "south"],
            segment_s=2.0,
            signatures=self.signatures,
            age_us=self.parts.age.now_us,
            make_room=self.parts.retention.make_room,
            on_closed=lambda: None,
            on_lost=lambda error: None,
        )

    def record(self, source, count):
        for _ in range(count):
            gop = source.next()
            self.clock.advance((gop.t_end_mono_us - gop.t_first_mono_us) / 1e6)
            self.recorder.store(gop)

    def alert(self, source, **fields):
        now_us = source.mono_us
        seen = EvidenceReference(source.camera_id, 0, 1, now_us - 1, now_us)
        draft = alert_draft(boot_id=BOOT_ID, evidence=seen, **fields)
        return self.parts.store.store(draft, None)

    def hold(self, hold_id, from_us, to_us):
        span = Span("north", BOOT_ID, from_us, to_us)
        self.parts.holds.place(PlaceHold(hold_id, "A. Visser", "case 7", (span,)))

    def rows(self, query):
        with self.parts.database.reading() as connection:
            return connection.execute(query).fetchall()

    def bodies(self, body_type):
        records = [msgspec.json.decode(json, type=Record) for (json,) in self.rows(_RECORDS)]
        return [record.body for record in records if isinstance(record.body, body_type)]

    def stop(self):
        """As a power cut leaves it: nothing is closed that was open."""
        self.signatures.close()
        self.parts.store.wake()
        self.closing.close()

    def lose_database(self):
        self.stop()
        for name in ("node.db", "node.db-wal", "node.db-shm"):
            (self.data / name).unlink(missing_ok=True)

    def rebuild(self, **changes):
        return rebuild_in(self.data, self.clock, **changes)


_RECORDS = "SELECT json FROM record ORDER BY leaf"


def rebuild_in(data, clock, **changes):
    arguments = {"site": "harbour", "node": "pole-7", "reason": "node.db was gone", **changes}
    return rebuild(data / "node.db", data / "segments", data / "ledger", clock, **arguments)


@pytest.fixture
def clock():
    return SimulatedClock(
        t_mono_ns=1_000_000_000, t_utc_ns=1_760_000_000_000_000_000, boot_id=BOOT_ID
    )


@pytest.fixture
def start(memory_directory, clock):
    """Starts the node; every one that was started is stopped."""
    with contextlib.ExitStack() as started:

        def begin(**changes):
            node = Node(memory_directory, clock, **changes)
            started.callback(node.stop)
            return node

        yield begin


@pytest.fixture
def sources(clock):
    now = clock.read()
    times = {"mono_us": now.t_mono_ns // NS_PER_US, "utc_us": now.t_utc_ns // NS_PER_US}
    return {name: GopSource(name, boot_id=BOOT_ID, **times) for name in ("north", "south")}


#: What rows say that a rebuild restores. Not: counts of capture, which no record holds.
TABLES = {
    "record": "SELECT * FROM record ORDER BY leaf",
    "tree_node": "SELECT * FROM tree_node ORDER BY level, position",
    "segment": "SELECT * FROM segment ORDER BY row",
    "fragment": "SELECT segment_row, number, offset_bytes, size_bytes, sha256, gop_counter,"
    " t_first_mono_us, t_end_mono_us FROM fragment ORDER BY segment_row, number",
    "gap": "SELECT * FROM gap ORDER BY leaf",
    "lock": "SELECT * FROM lock ORDER BY row",
    "hold": "SELECT * FROM hold ORDER BY row",
    "hold_span": "SELECT * FROM hold_span ORDER BY hold_row, number",
    "checkpoint": "SELECT size, note FROM checkpoint",
}


def tables(path, size):
    """The tables of a closed database, with the ledger up to `size` records."""
    database = NodeDatabase(path)
    try:
        with database.reading() as connection:
            found = {name: connection.execute(query).fetchall() for name, query in TABLES.items()}
    finally:
        database.close()
    found["record"] = found["record"][:size]
    found["tree_node"] = [row for row in found["tree_node"] if (row[1] + 1) << row[0] <= size]
    return found


def eventful(node, sources):
    """Segments of two cameras, a gap, locks in every state, holds in every state, a deletion."""
    north, south = sources["north"], sources["south"]
    node.record(north, 10)
    node.record(south, 5)
    node.alert(north)
    node.alert(north, priority=8)
    node.recorder.end_stream("south", StreamEnd.SOURCE_STALLED)
    south.skip(9_000_000)
    node.record(south, 6)
    ids = [f"01890a5d-ac96-774b-bcce-b302099a800{digit}" for digit in range(3)]
    for number, hold_id in enumerate(ids):
        node.hold(hold_id, 2_000_000 + number, 3_000_000)
    visser, smit = (node.parts.names.pseudonym(typed(name)) for name in ("A. Visser", "B. Smit"))
    for hold_id in ids[1:]:
        node.parts.holds.release(ReleaseHold(hold_id, visser, "closed"))
    node.parts.holds.release(ReleaseHold(ids[2], smit, "closed"))
    node.parts.locks.release_lowest()
    for camera in ("north", "south"):
        node.recorder.end_stream(camera, StreamEnd.SOURCE_ENDED)


def test_everything_that_records_tell_is_restored(start, sources):
    node = start()
    eventful(node, sources)
    node.parts.checkpoints.renew()
    size = node.parts.mirror.size
    node.stop()
    before = tables(node.data / "node.db", size)
    for name in ("node.db", "node.db-wal", "node.db-shm"):
        (node.data / name).unlink(missing_ok=True)

    report = node.rebuild()

    assert (report.records, report.damaged_from) == (size, None)
    assert report.checkpoint == "continued"
    assert (report.lost, report.recovered, report.unreadable) == ((), 0, ())
    after = tables(node.data / "node.db", size)
    for name, rows in before.items():
        assert after[name] == rows, name
    states = {state for *_, state in before["lock"]}
    assert states == {"active", "released"}
    assert {row[5] for row in before["hold"]} == {"active", "release_asked", "released"}
    assert before["gap"]


def test_what_was_deleted_by_rule_stays_deleted(start, sources):
    node = start()
    node.record(sources["north"], 13)
    with node.parts.database.writing() as connection:
        connection.execute("UPDATE segment SET began_age_us = -10000000000000 WHERE number = 1")
    node.parts.retention.make_room(1 << 60)
    deleted = node.rows("SELECT number FROM segment WHERE state = 'pruned'")
    assert deleted
    node.recorder.end_stream("north", StreamEnd.SOURCE_ENDED)
    node.parts.checkpoints.renew()
    node.lose_database()

    report = node.rebuild()

    assert report.lost == ()
    again = start()
    assert again.rows("SELECT number FROM segment WHERE state = 'pruned'") == deleted
    assert again.rows("SELECT * FROM fragment WHERE segment_row = 1") == []


def test_a_deletion_that_was_begun_is_finished_by_the_next_start(start, sources):
    node = start()
    node.record(sources["north"], 13)
    file = node.data / "segments/north/00000001.mp4"
    content = file.read_bytes()
    node.parts.retention.make_room(1 << 60)
    assert not file.exists()
    node.parts.checkpoints.renew()
    node.lose_database()
    file.write_bytes(content)  # as when the cut came before the unlink

    report = node.rebuild()
    assert (report.lost, report.recovered) == ((), report.recovered)
    again = start()
    assert again.rows("SELECT state FROM segment WHERE number = 1") == [("pruned",)]
    assert not file.exists()


def test_files_without_a_record_are_taken_in(start, sources):
    """Segments after the last mirrored record, one of them open, the last one torn."""
    node = start()
    north = sources["north"]
    node.record(north, 5)
    node.parts.checkpoints.renew()
    node.record(north, 6)
    expected = node.rows(
        "SELECT number, size_bytes, sha256, gop_counter, t_first_mono_us, t_end_mono_us"
        " FROM fragment ORDER BY segment_row, number"
    )
    times = node.rows("SELECT number, t_first_mono_us, t_end_mono_us, t_utc_us FROM segment")
    node.lose_database()
    newest = node.data / "segments/north/00000003.mp4"
    newest.write_bytes(newest.read_bytes() + newest.read_bytes()[-3000:-1])

    report = node.rebuild()

    assert (report.segments, report.recovered, report.recovered_fragments) == (1, 2, 7)
    assert report.unreadable == ()
    again = start()
    found = again.rows(
        "SELECT number, size_bytes, sha256, gop_counter, t_first_mono_us, t_end_mono_us"
        " FROM fragment ORDER BY segment_row, number"
    )
    assert found == expected
    assert (
        again.rows("SELECT number, t_first_mono_us, t_end_mono_us, t_utc_us FROM segment") == times
    )
    assert again.rows("SELECT state, end_reason FROM segment ORDER BY row") == [
        ("closed", "full"),
        ("closed", "recovered"),
        ("closed", "recovered"),
    ]
    assert newest.stat().st_size == sum(
        size for (size,) in again.rows("SELECT size_bytes FROM segment WHERE number = 3")
    )
    assert again.bodies(TamperRecord) == []


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_files_of_a_later_boot_are_taken_in_with_its_times(memory_directory, start, clock, codec):
    node = start()
    now = clock.read()
    first = {"mono_us": now.t_mono_ns // NS_PER_US, "utc_us": now.t_utc_ns // NS_PER_US}
    node.record(GopSource("north", codec=codec, boot_id=BOOT_ID, **first), 5)
    node.parts.checkpoints.renew()
    node.stop()
    later = SimulatedClock(
        t_mono_ns=50_000_000_000, t_utc_ns=now.t_utc_ns + 600_000_000_000, boot_id=LATER_BOOT_ID
    )
    with contextlib.ExitStack() as stopping:
        node = Node(memory_directory, later)
        stopping.callback(node.stop)
        node.parts.checkpoints.renew()
        began = later.read()
        second = {"mono_us": began.t_mono_ns // NS_PER_US, "utc_us": began.t_utc_ns // NS_PER_US}
        node.record(GopSource("north", codec=codec, boot_id=LATER_BOOT_ID, **second), 3)
        query = "SELECT boot_id, t_first_mono_us, t_utc_us FROM segment ORDER BY row"
        expected = node.rows(query)
        node.lose_database()

        assert node.rebuild().recovered == 1

        node = Node(memory_directory, later)
        stopping.callback(node.stop)
        found = node.rows(query)
    assert found[:2] == expected[:2]
    boot_id, t_first_mono_us, t_utc_us = found[2]
    assert boot_id == LATER_BOOT_ID
    if codec == "h264":
        assert found == expected
    else:  # nothing tells the time but that it was after the boot
        assert 0 <= t_first_mono_us <= second["mono_us"]
        assert t_utc_us - t_first_mono_us == second["utc_us"] - second["mono_us"]


def test_recording_goes_on_where_the_files_end(start, sources):
    """Numbers, counters and the chain of stream signatures continue; nothing is used twice."""
    node = start()
    north = sources["north"]
    node.record(north, 5)
    node.alert(north)
    node.parts.checkpoints.renew()
    node.record(north, 6)
    connections = [node.parts.store.next_number("connection") for _ in range(3)]
    node.lose_database()
    node.rebuild()

    again = start()
    north.skip(5_000_000)
    again.record(north, 5)
    again.recorder.end_stream("north", StreamEnd.SOURCE_ENDED)

    numbers = [number for (number,) in again.rows("SELECT number FROM segment ORDER BY row")]
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= 4
    counters = again.rows("SELECT gop_counter FROM fragment ORDER BY segment_row, number")
    assert [counter for (counter,) in counters] == list(range(1, 17))
    anchors = {}
    for number in numbers:
        content = (again.data / f"segments/north/{number:08d}.mp4").read_bytes()
        for fragment in read_fragments(content):
            for nal in split_length_prefixed(fragment.units[0].nal_units):
                if is_media_signing_sei(nal):
                    signed = parse_sei(nal)
                    anchors[signed.counter] = (signed.linked_hash, signed.hash_list[0])
    # Group by group, each signature links the one before, over the rebuild too.
    linked = [n for n in anchors if n - 1 in anchors]
    assert max(anchors) == 15
    assert len(linked) >= 12
    assert all(anchors[n][0] == anchors[n - 1][1] for n in linked)
    assert again.alert(north) == 1 + ALERT_SEQ_MARGIN + 1
    assert again.parts.store.next_number("connection") > connections[-1]
    assert len(again.bodies(BootRecord)) == 2
    (rebuilt,) = again.bodies(RebuildRecord)
    assert (rebuilt.segments, rebuilt.reason) == (3, "node.db was gone")


def test_groups_on_record_that_were_not_signed_yet_are_signed_then(start, sources):
    node = start()
    north = sources["north"]
    for _ in range(4):
        node.record(north, 1)
        # On a busy machine the next group would come before the signature of this one.
        wait_until(lambda: node.signatures.ready("north"))
    node.recorder.end_stream("north", StreamEnd.SOURCE_ENDED)
    node.parts.checkpoints.renew()
    node.lose_database()
    node.rebuild()

    again = start()
    with again.parts.database.reading() as connection:
        chain = read_chain(connection, "north")
    assert [gop.counter for gop in chain.signing.pending] == [4]
    assert chain.signing.counter == 4


def test_what_no_record_vouches_for_is_not_signed_again(start, sources):
    node = start()
    node.record(sources["north"], 3)
    node.lose_database()
    node.rebuild()

    again = start()
    with again.parts.database.reading() as connection:
        chain = read_chain(connection, "north")
    assert (chain.signing.counter, chain.signing.pending) == (3, ())


def test_without_any_mirror_the_segments_are_taken_in(start, sources):
    node = start()
    node.record(sources["north"], 6)
    node.record(sources["south"], 2)
    node.lose_database()
    for path in (node.data / "ledger").iterdir():
        path.unlink()

    report = node.rebuild()

    assert (report.records, report.checkpoint) == (0, "none")
    assert (report.recovered, report.recovered_fragments) == (3, 8)
    again = start()
    assert again.rows("SELECT camera_id, number, fragments, state FROM segment ORDER BY row") == [
        ("north", 1, 4, "closed"),
        ("north", 2, 2, "closed"),
        ("south", 1, 2, "closed"),
    ]
    counters = again.rows("SELECT gop_counter FROM fragment ORDER BY segment_row, number")
    assert [counter for (counter,) in counters] == [1, 2, 3, 4, 5, 6, 1, 2]


def test_h265_is_taken_in_by_its_own_times(start, clock):
    now = clock.read()
    source = GopSource(
        "north",
        codec="h265",
        boot_id=BOOT_ID,
        mono_us=now.t_mono_ns // NS_PER_US,
        utc_us=now.t_utc_ns // NS_PER_US,
    )
    node = start()
    node.record(source, 4)
    node.recorder.end_stream("north", StreamEnd.SOURCE_ENDED)
    node.parts.checkpoints.renew()
    node.record(source, 2)
    query = "SELECT number, t_first_mono_us, t_end_mono_us, gop_counter FROM fragment"
    expected = node.rows(f"{query} ORDER BY segment_row, number")
    node.lose_database()

    assert node.rebuild().recovered == 1

    assert start().rows(f"{query} ORDER BY segment_row, number") == expected


def test_a_file_that_is_gone_is_told(start, sources):
    node = start()
    node.record(sources["north"], 9)
    node.parts.checkpoints.renew()
    node.lose_database()
    (node.data / "segments/north/00000001.mp4").unlink()

    assert node.rebuild().lost == ("north/00000001.mp4",)
    assert [body.what for body in start().bodies(TamperRecord)] == ["file_missing"]


def test_a_file_in_which_nothing_is_whole_is_told_and_left(start, sources):
    node = start()
    node.record(sources["north"], 1)
    node.lose_database()
    (node.data / "segments/south").mkdir()
    broken = node.data / "segments/south/00000001.mp4"
    broken.write_bytes(b"not video")

    report = node.rebuild()

    assert report.unreadable == ("south/00000001.mp4",)
    assert broken.read_bytes() == b"not video"
    database = NodeDatabase(node.data / "node.db")
    with database.reading() as connection:
        assert read_chain(connection, "south").last_number == 1
    database.close()


# A mirror that is not what it was.


def lines_of(node):
    return (node.data / "ledger/000000.jsonl").read_bytes().splitlines(keepends=True)


def write_lines(node, lines):
    (node.data / "ledger/000000.jsonl").write_bytes(b"".join(lines))


def recorded_and_lost(start, sources):
    node = start()
    node.record(sources["north"], 9)
    node.parts.checkpoints.renew()
    node.lose_database()
    return node


def test_a_torn_last_line_is_no_tampering(start, sources):
    node = recorded_and_lost(start, sources)
    size = len(lines_of(node))
    write_lines(node, [*lines_of(node), b'{"body":{"ki'])

    report = node.rebuild()

    assert (report.records, report.damaged_from) == (size, None)
    assert start().bodies(TamperRecord) == []


def test_a_damaged_record_ends_the_ledger_there_by_record(start, sources):
    node = recorded_and_lost(start, sources)
    lines = lines_of(node)
    write_lines(node, [*lines[:3], b"\0\n", *lines[4:]])

    report = node.rebuild()

    assert (report.records, report.damaged_from, report.checkpoint) == (3, 3, "cut")
    # The segments of the records that are gone are taken in from their files.
    assert report.recovered == 3
    again = start()
    assert {"mirror_damaged", "mirror_cut"} <= {body.what for body in again.bodies(TamperRecord)}
    kept = list((again.data / "ledger").glob("*.kept-*"))
    assert [path.read_bytes() for path in kept] == [b"".join([b"\0\n", *lines[4:]])]


def test_a_mirror_cut_under_its_checkpoint_is_told(start, sources):
    node = recorded_and_lost(start, sources)
    write_lines(node, lines_of(node)[:-1])

    assert node.rebuild().checkpoint == "cut"
    assert "mirror_cut" in {body.what for body in start().bodies(TamperRecord)}


def test_a_changed_record_is_told_by_the_checkpoint(start, sources):
    node = recorded_and_lost(start, sources)
    lines = lines_of(node)
    lines[0] = lines[0].replace(b'"version":"1"', b'"version":"2"')
    write_lines(node, lines)

    report = node.rebuild()

    assert (report.records, report.checkpoint) == (len(lines), "forked")
    again = start()
    assert "mirror_forked" in {body.what for body in again.bodies(TamperRecord)}
    again.parts.checkpoints.renew()
    assert again.parts.checkpoints.newest() is not None


def test_a_missing_part_ends_the_ledger(start, sources):
    node = recorded_and_lost(start, sources)
    (node.data / "ledger/000000.jsonl").rename(node.data / "ledger/000001.jsonl")

    report = node.rebuild()

    assert (report.records, report.damaged_from) == (0, 0)


def test_another_nodes_mirror_is_refused(start, sources):
    node = recorded_and_lost(start, sources)

    with pytest.raises(EvidenceRefused, match="harbour/pole-7"):
        node.rebuild(node="pole-8")
    left = sorted(path.name for path in node.data.iterdir())
    assert left == ["keys", "ledger", "names.db", "reserve", "segments"]


# What is there is not touched.


def test_a_database_that_is_there_is_only_moved_when_told_to(start, sources):
    node = start()
    node.record(sources["north"], 5)
    node.parts.checkpoints.renew()
    node.stop()
    before = (node.data / "node.db").read_bytes()

    with pytest.raises(EvidenceRefused, match="there is a database"):
        node.rebuild()
    assert (node.data / "node.db").read_bytes() == before

    assert node.rebuild(move_aside=True).kept == ("node.db.kept-1",)
    assert (node.data / "node.db.kept-1").read_bytes() == before
    assert node.rebuild(move_aside=True).kept == ("node.db.kept-2",)
    assert isinstance(start().parts.mirror.reconcile(), MirrorWhole)


def test_the_node_is_as_old_as_its_newest_segment(start, sources):
    node = start()
    node.record(sources["north"], 9)
    node.recorder.end_stream("north", StreamEnd.SOURCE_ENDED)
    node.parts.checkpoints.renew()
    ((began_us, first_us, end_us),) = node.rows(
        "SELECT began_age_us, t_first_mono_us, t_end_mono_us FROM segment ORDER BY row DESC LIMIT 1"
    )
    assert began_us > 0
    node.lose_database()
    node.rebuild()

    assert start().parts.age.now_us() >= began_us + end_us - first_us


def test_a_damaged_database_is_kept_as_it_is(start, sources):
    node = recorded_and_lost(start, sources)
    (node.data / "node.db").write_bytes(b"damaged")
    (node.data / "node.db-wal").write_bytes(b"its log")

    assert node.rebuild(move_aside=True).kept == ("node.db.kept-1", "node.db.kept-1-wal")
    assert (node.data / "node.db.kept-1-wal").read_bytes() == b"its log"


def test_a_database_in_use_is_refused(start, sources, clock):
    node = start()
    node.record(sources["north"], 5)
    node.parts.checkpoints.renew()
    node.stop()
    holder = textwrap.dedent(
        """
        import sys, pathlib
        from roeh.ledger.database import NodeDatabase
        database = NodeDatabase(pathlib.Path(sys.argv[1]))
        print("open", flush=True)
        sys.stdin.read()
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(node.data / "node.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "open\n"
        with pytest.raises(StorageFailed, match="another process has the store open"):
            node.rebuild(move_aside=True)
        process.stdin.close()
    assert node.rebuild(move_aside=True).kept == ("node.db.kept-1",)


def test_what_an_interrupted_rebuild_left_is_in_no_ones_way(start, sources):
    node = recorded_and_lost(start, sources)
    (node.data / "node.db.new").write_bytes(b"half")
    (node.data / "node.db.new-wal").write_bytes(b"half")

    node.rebuild()

    assert sorted(path.name for path in node.data.iterdir()) == [
        "keys",
        "ledger",
        "names.db",
        "node.db",
        "reserve",
        "segments",
    ]


def test_there_has_to_be_something_to_rebuild_from(tmp_path, clock):
    with pytest.raises(EvidenceRefused, match="nothing to rebuild from"):
        rebuild_in(tmp_path, clock)
    assert list(tmp_path.iterdir()) == []


def test_mirror_and_segments_are_only_read(start, sources):
    node = recorded_and_lost(start, sources)

    def digests():
        return {
            path: hashlib.sha256(path.read_bytes()).hexdigest()
            for folder in ("ledger", "segments")
            for path in (node.data / folder).rglob("*")
            if path.is_file()
        }

    before = digests()
    node.rebuild()
    assert digests() == before


# Whether it is needed.


def reason_in(data):
    return rebuild_reason(data / "node.db", data / "segments", data / "ledger")


def test_a_new_node_needs_no_rebuild(tmp_path, start):
    assert reason_in(tmp_path) is None
    node = start()
    assert reason_in(node.data) is None
    node.stop()
    assert reason_in(node.data) is None


@pytest.mark.parametrize("remains", ["ledger", "segments"])
def test_a_missing_database_is_told_by_what_else_is_there(start, sources, remains):
    node = recorded_and_lost(start, sources)
    for path in (node.data / "ledger").iterdir():
        if remains == "segments":
            path.unlink()
    if remains == "ledger":
        (node.data / "segments").rename(node.data / "elsewhere")

    assert reason_in(node.data) == "node.db was missing"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "node.db was empty"),
        (b"\0" * 4096, "node.db was damaged"),
        (b"SQLite format 3\0" + b"\xff" * 4080, "node.db was damaged"),
    ],
)
def test_a_database_that_is_none_is_told(start, sources, content, reason):
    node = recorded_and_lost(start, sources)
    (node.data / "node.db").write_bytes(content)

    assert reason_in(node.data) == reason
    node.rebuild(move_aside=True)
    assert reason_in(node.data) is None


def test_a_database_torn_in_the_middle_is_told(start, sources):
    node = start()
    node.record(sources["north"], 9)
    node.parts.checkpoints.renew()
    node.stop()
    path = node.data / "node.db"
    path.write_bytes(path.read_bytes()[:4096])

    assert reason_in(node.data) == "node.db was damaged"
