"""Pages of the index for those who look after a node: whole, in order, and never too large."""

import msgspec
import pytest

from roeh.core.custody import (
    EvidenceStatusRequest,
    PlaceHold,
    RecordAccess,
    RecordsRequest,
    SegmentsRequest,
    Span,
)
from roeh.core.ipc.framing import MAX_MESSAGE_BYTES
from roeh.core.peers import PEER_VERBS, VERB_MESSAGES, Role, Verb
from roeh.core.retrieval import NamesRequest
from roeh.ledger.custody import Custody, CustodyParts
from roeh.ledger.names import NameBook
from roeh.ledger.records import AccessRecord, Record
from roeh.ledger.segment_rows import count_bytes
from roeh.ledger.wear import IndexWear, process_written_bytes
from tests.rings import BOOT, SEGMENT_BYTES, Ring, S


@pytest.fixture
def ring(memory_directory):
    ring = Ring(memory_directory, pre_roll_s=0, post_roll_s=0)
    yield ring
    ring.close()


@pytest.fixture
def custody(ring):
    names = NameBook(ring.directory / "names.db")
    yield Custody(
        CustodyParts(
            database=ring.database,
            log=ring.log,
            age=ring.age,
            locks=ring.locks,
            holds=ring.holds,
            names=names,
            settings=ring.settings,
            segments_dir=ring.files.directory,
            checkpoint=lambda: "note",
            alarms=lambda: ("alarm",),
        )
    )
    names.close()


def pages(custody, verb, rows_of, limit, **asked):
    """All rows, page after page."""
    request = VERB_MESSAGES[verb][0](limit=limit, **asked)
    while rows := rows_of(custody.handle(verb, request)):
        assert len(rows) <= limit
        yield from rows
        request = msgspec.structs.replace(request, after=rows[-1].row)


def test_every_verb_of_the_role_is_answered_but_those_of_the_running_process(custody):
    of_the_process = {Verb.NODE_STATUS, Verb.TRUST_OFFER, Verb.TRUST_HELD}
    assert set(custody.answerers) == PEER_VERBS[Role.CUSTODY] - of_the_process


@pytest.mark.parametrize("limit", [1, 2, 7, 200])
def test_segments_come_once_each_in_order_with_what_keeps_them(ring, custody, limit):
    ring.alert(first_us=5 * S)
    ring.hold(12 * S, 13 * S)
    ring.hold(15 * S, 16 * S, camera="south")
    for number in range(6):
        ring.segment("south" if number == 4 else "north", closed=number != 5)
    ring.retention._settings = msgspec.structs.replace(ring.settings, max_bytes=5 * SEGMENT_BYTES)
    ring.retention.make_room(0)
    found = list(pages(custody, Verb.SEGMENTS_PAGE, lambda page: page.segments, limit))
    assert [row.row for row in found] == [1, 2, 3, 4, 5, 6]
    assert [row.locked for row in found] == [True, False, False, False, False, False]
    assert [row.held for row in found] == [False, True, False, False, False, False]
    assert [row.is_present for row in found] == [True, True, False, True, True, True]
    assert [row.end_reason for row in found] == ["full"] * 5 + [None]
    assert [len(row.fragments) for row in found] == [1, 1, 0, 1, 1, 1]
    assert found[0].path == "north/00000001.mp4"


@pytest.mark.parametrize("limit", [1, 2, 200])
def test_what_is_there_and_what_was_deleted_come_apart(ring, custody, limit):
    for number in range(8):
        ring.segment(closed=number != 7)
    ring.retention._settings = msgspec.structs.replace(ring.settings, max_bytes=4 * SEGMENT_BYTES)
    ring.retention.make_room(0)

    def rows(**asked):
        found = pages(custody, Verb.SEGMENTS_PAGE, lambda page: page.segments, limit, **asked)
        return list(found)

    deleted, present = rows(which="deleted"), rows(which="present")
    assert [row.row for row in deleted] == [1, 2, 3, 4]
    assert [row.row for row in present] == [5, 6, 7, 8]
    # A span of time, and not what was deleted before and after it.
    span = {"since_utc_us": deleted[1].t_utc_us, "until_utc_us": deleted[3].t_utc_us}
    assert [row.row for row in rows(which="deleted", **span)] == [2, 3]
    one = custody.handle(Verb.SEGMENTS_PAGE, SegmentsRequest(camera_id="north", segment=3))
    assert one.segments == (deleted[2],)


def test_deleted_segments_come_in_the_order_of_their_time_each_once(ring, custody):
    for _ in range(6):
        ring.segment()
    with ring.database.writing() as connection:
        # The clock was stepped back, and two begin at the same microsecond.
        connection.execute("UPDATE segment SET state = 'pruned', t_utc_us = (7 - row) / 2")
    found = pages(
        custody, Verb.SEGMENTS_PAGE, lambda page: page.segments, 1, which="deleted", since_utc_us=0
    )
    assert [row.row for row in found] == [6, 4, 5, 2, 3, 1]


def test_records_of_some_kinds_come_without_the_others(ring, custody):
    for number in range(5):
        ring.segment()
        ring.alert(first_us=number * S)
    request = RecordsRequest(limit=2, kinds=("lock", "clock_step", "segment"))
    leaves = []
    while records := custody.handle(Verb.RECORDS_PAGE, request).records:
        decoded = [msgspec.json.decode(json, type=Record) for json in records]
        assert all(one.body.__struct_config__.tag in request.kinds for one in decoded)
        leaves += [one.leaf for one in decoded]
        request = msgspec.structs.replace(request, after=leaves[-1])
    assert leaves == sorted(leaves)
    assert len(leaves) == 10


def test_a_page_of_large_segments_fits_into_a_message(ring, custody):
    for _ in range(4):
        ring.segment()
    with ring.database.writing() as connection:
        connection.execute("UPDATE segment SET fragments = 3000")
        connection.executemany(
            "INSERT INTO fragment VALUES (?, ?, 1, 0, 1, zeroblob(32), 0, 0, 0)",
            [(row, number) for row in range(1, 5) for number in range(1, 3000)],
        )
    page = custody.handle(Verb.SEGMENTS_PAGE, SegmentsRequest())
    assert len(page.segments) == 1
    assert len(msgspec.msgpack.encode(page)) < MAX_MESSAGE_BYTES
    found = list(pages(custody, Verb.SEGMENTS_PAGE, lambda page: page.segments, 200))
    assert [len(row.fragments) for row in found] == [3000] * 4


def test_locks_and_holds_come_page_by_page(ring, custody):
    for number in range(5):
        ring.alert(first_us=number * S)
        ring.hold(number * S, number * S + 1)
    locks = list(pages(custody, Verb.LOCKS_PAGE, lambda page: page.locks, 2))
    assert [lock.span.from_mono_us for lock in locks] == [number * S for number in range(5)]
    holds = list(pages(custody, Verb.HOLDS_PAGE, lambda page: page.holds, 2))
    assert [hold.spans[0].from_mono_us for hold in holds] == [number * S for number in range(5)]


def test_records_come_as_they_are_hashed(ring, custody):
    for _ in range(3):
        ring.segment()
    page = custody.handle(Verb.RECORDS_PAGE, RecordsRequest(after=0, limit=2))
    assert (page.first, page.size) == (1, 3)
    with ring.database.reading() as connection:
        assert list(page.records) == ring.log.records(connection, 1, 2)


def test_a_look_is_a_record(ring, custody):
    custody.handle(Verb.ACCESS_RECORD, RecordAccess("A. Visser", "show", "north/1"))
    (record,) = ring.records(AccessRecord)
    assert (record.action, record.detail) == ("show", "north/1")
    names = custody.handle(Verb.NAMES_READ, NamesRequest()).names
    assert names == {record.person: "A. Visser"}


def test_the_status_adds_up(ring, custody):
    ring.alert(first_us=5 * S)
    for number in range(4):
        ring.segment(closed=number != 3)
    spans = (Span("north", BOOT, 15 * S, 25 * S),)
    hold = PlaceHold("01890a5d-ac96-774b-bcce-b302099a8057", "A", "case", spans)
    custody.handle(Verb.HOLD_PLACE, hold)
    with ring.database.writing() as connection:
        count_bytes(connection, "video", 7)
    status = custody.handle(Verb.EVIDENCE_STATUS, EvidenceStatusRequest())
    assert (status.segments, status.segments_bytes) == (4, 4 * SEGMENT_BYTES)
    assert (status.locked_bytes, status.held_bytes) == (SEGMENT_BYTES, 2 * SEGMENT_BYTES)
    assert status.bytes_written == {"video": 7}
    assert (status.checkpoint, status.alarms) == ("note", ("alarm",))
    assert status.age_us == ring.age.now_us()
    assert status.free_bytes > 0


def test_the_index_is_what_was_written_beside_video_and_mirror(ring):
    written = [1000]
    with ring.database.writing() as connection:
        count_bytes(connection, "video", 300)
        wear = IndexWear(connection, lambda: written[0])
        for total, video in ((1500, 400), (1550, 100), (1950, 0)):
            written[0] = total
            count_bytes(connection, "video", video)
            wear.count(connection)
        counters = dict(connection.execute("SELECT name, value FROM counter").fetchall())
    # 950 written, 500 of it video.
    assert counters["bytes_index"] == 450


def test_the_kernel_says_what_was_written(tmp_path):
    before = process_written_bytes()
    assert before >= 0
    (tmp_path / "file").write_bytes(bytes(1 << 20))
    assert process_written_bytes() >= before
