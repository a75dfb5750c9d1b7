"""What gives way when the outbox is full, in which order, and what is left of it."""

import random

import msgspec
import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.delivery import OutboxKind
from roeh.core.types import MAX_TOMBSTONE_BYTES, Alert, AlertPhase, Tombstone
from roeh.ledger.open_alerts import MAX_OPEN_ALERTS
from roeh.ledger.outbox import ROW_OVERHEAD_BYTES, tombstone_json
from tests.alert_drafts import alert_draft
from tests.stores import AloneStore

THUMBNAIL = b"\xff\xd8" + bytes(3000)
GIVEN_WHEN_STORED = ',"seq":1,"checkpoint":null'
ALERT_BYTES = len(msgspec.json.encode(alert_draft())) + len(GIVEN_WHEN_STORED) + ROW_OVERHEAD_BYTES
TOMBSTONE_BYTES = len(tombstone_json(1, alert_draft().id)) + ROW_OVERHEAD_BYTES


@pytest.fixture
def open_store(memory_directory):
    """Makes the node's store with an outbox of so many bytes; closes it at the end."""
    opened = []

    def open_with(max_bytes, history_max_bytes=1 << 24):
        opened.append(
            AloneStore(
                memory_directory / "node.db",
                SimulatedClock(),
                outbox_max_bytes=max_bytes,
                history_max_bytes=history_max_bytes,
            )
        )
        return opened[-1]

    yield open_with
    for store in opened:
        store.close()


def waiting(store):
    """What waits, in the order of the node's count."""
    items = store.lease(limit=1000, in_flight_rows=(), wait_s=0).items
    return [(item.seq, item.kind) for item in sorted(items, key=lambda item: item.row)]


def alerts_of(found):
    return [seq for seq, kind in found if kind is OutboxKind.ALERT]


def test_oldest_thumbnails_give_way_first_and_leave_no_tombstone(open_store):
    store = open_store(3 * ALERT_BYTES + len(THUMBNAIL) + ROW_OVERHEAD_BYTES + 500)
    for _ in range(3):
        store.store(alert_draft(thumbnail=THUMBNAIL), THUMBNAIL)
    assert waiting(store) == [
        (1, OutboxKind.ALERT),
        (2, OutboxKind.ALERT),
        (3, OutboxKind.ALERT),
        (3, OutboxKind.THUMBNAIL),
    ]
    assert store.counts().evicted == 2


def test_a_thumbnail_never_drives_out_an_alert(open_store):
    store = open_store(2 * ALERT_BYTES + 500)
    store.store(alert_draft(), None)
    store.store(alert_draft(thumbnail=THUMBNAIL), THUMBNAIL)
    assert waiting(store) == [(1, OutboxKind.ALERT), (2, OutboxKind.ALERT)]


def test_then_updates_give_way_the_oldest_first(open_store):
    store = open_store(3 * ALERT_BYTES + TOMBSTONE_BYTES + 10)
    store.store(alert_draft(priority=1), None)
    for priority in (9, 8, 7):
        store.store(alert_draft(phase=AlertPhase.UPDATED, priority=priority), None)
    assert waiting(store) == [
        (1, OutboxKind.ALERT),
        (2, OutboxKind.TOMBSTONE),
        (3, OutboxKind.ALERT),
        (4, OutboxKind.ALERT),
    ]


def test_then_the_lowest_priority_the_oldest_first(open_store):
    store = open_store(3 * ALERT_BYTES + 2 * TOMBSTONE_BYTES)
    for priority in (5, 3, 3, 9, 5):
        store.store(alert_draft(priority=priority), None)
    found = waiting(store)
    assert alerts_of(found) == [1, 4, 5]
    assert [seq for seq, kind in found if kind is OutboxKind.TOMBSTONE] == [2, 3]


def test_a_new_alert_of_the_lowest_priority_gives_way_itself(open_store):
    store = open_store(2 * ALERT_BYTES + TOMBSTONE_BYTES)
    for priority in (9, 9, 1):
        store.store(alert_draft(priority=priority), None)
    assert waiting(store) == [
        (1, OutboxKind.ALERT),
        (2, OutboxKind.ALERT),
        (3, OutboxKind.TOMBSTONE),
    ]


def test_a_tombstone_names_its_alert_in_a_hundred_bytes_and_stays(open_store):
    store = open_store(2 * ALERT_BYTES)
    drafts = [alert_draft() for _ in range(40)]
    for draft in drafts:
        store.store(draft, None)
    items = store.lease(limit=1000, in_flight_rows=(), wait_s=0).items
    tombstones = [item for item in items if item.kind is OutboxKind.TOMBSTONE]
    gone = {item.seq for item in items if item.kind is OutboxKind.ALERT} ^ set(range(1, 41))
    assert {item.seq for item in tombstones} == gone
    for item in tombstones:
        assert len(item.payload) <= MAX_TOMBSTONE_BYTES
        assert msgspec.json.decode(item.payload, type=Tombstone) == Tombstone(
            evicted_seq=item.seq, id=drafts[item.seq - 1].id
        )


def test_the_longest_tombstone_still_fits():
    assert len(tombstone_json(2**53 - 1, alert_draft().id)) <= MAX_TOMBSTONE_BYTES


def test_an_evicted_alert_stays_in_the_ledger(open_store):
    store = open_store(ALERT_BYTES)
    draft = alert_draft()
    store.store(draft, None)
    store.store(alert_draft(), None)
    assert (1, OutboxKind.TOMBSTONE) in waiting(store)
    assert store.store(draft, None) == 1


def test_the_highest_priority_is_sent_first_then_the_oldest(open_store):
    store = open_store(1 << 20)
    for priority in (5, 9, 1, 9):
        store.store(alert_draft(priority=priority, thumbnail=b"x"), b"x")
    leased = store.lease(limit=5, in_flight_rows=(), wait_s=0).items
    assert [(item.seq, item.kind.value) for item in leased] == [
        (2, "alert"),
        (2, "thumb"),
        (4, "alert"),
        (4, "thumb"),
        (1, "alert"),
    ]


def test_what_is_in_flight_is_not_leased_again(open_store):
    store = open_store(1 << 20)
    for _ in range(3):
        store.store(alert_draft(), None)
    first = store.lease(limit=2, in_flight_rows=(), wait_s=0).items
    rows = tuple(item.row for item in first)
    second = store.lease(limit=2, in_flight_rows=rows, wait_s=0).items
    assert [item.seq for item in (*first, *second)] == [1, 2, 3]


def test_a_leased_message_is_the_stored_one_with_its_hash(open_store):
    store = open_store(1 << 20)
    draft = alert_draft(thumbnail=THUMBNAIL)
    store.store(draft, THUMBNAIL)
    alert, thumbnail = store.lease(limit=2, in_flight_rows=(), wait_s=0).items
    expected = Alert(**msgspec.structs.asdict(draft), seq=1)
    assert msgspec.json.decode(alert.payload, type=Alert) == expected
    assert thumbnail.payload == THUMBNAIL
    assert thumbnail.payload_sha256 == draft.thumbnail_sha256


def test_delivered_rows_leave_and_an_acknowledgement_too_many_is_harmless(open_store):
    store = open_store(1 << 20)
    store.store(alert_draft(thumbnail=THUMBNAIL), THUMBNAIL)
    rows = tuple(item.row for item in store.lease(limit=2, in_flight_rows=(), wait_s=0).items)
    store.delivered(rows)
    store.delivered(rows)
    store.delivered((123456,))
    counts = store.counts()
    assert (counts.rows, counts.size_bytes, counts.evicted) == (0, 0, 0)


def test_a_row_evicted_while_in_flight_may_still_be_acknowledged(open_store):
    store = open_store(ALERT_BYTES + TOMBSTONE_BYTES)
    store.store(alert_draft(), None)
    (item,) = store.lease(limit=1, in_flight_rows=(), wait_s=0).items
    store.store(alert_draft(), None)
    store.delivered((item.row,))
    assert waiting(store) == [(1, OutboxKind.TOMBSTONE), (2, OutboxKind.ALERT)]


def test_counts_tell_the_oldest_that_waits(open_store):
    store = open_store(1 << 20)
    assert store.counts().oldest_t_stored_mono_us is None
    store.store(alert_draft(), None)
    counts = store.counts()
    assert counts.oldest_t_stored_mono_us == 0
    assert counts.rows == 1


def test_the_file_stays_within_its_bounds_whatever_comes(open_store, memory_directory):
    bound_bytes = 1 << 19
    path = memory_directory / "node.db"
    open_store(bound_bytes).close()
    empty_bytes = path.stat().st_size  # the tables of the ledger and of the recording
    store = open_store(bound_bytes, history_max_bytes=bound_bytes)
    thumbnail = random.Random(5).randbytes(7000)
    for count in range(600):
        store.store(alert_draft(priority=1 + count % 9, thumbnail=thumbnail), thumbnail)
        if count % 3 == 0:
            items = store.lease(limit=2, in_flight_rows=(), wait_s=0).items
            store.delivered(tuple(item.row for item in items))
    assert store.counts().size_bytes <= bound_bytes
    store.close()
    # Pages are filled as tables go: not more than a quarter over. Open alerts come on top.
    open_bytes = MAX_OPEN_ALERTS * ALERT_BYTES
    assert path.stat().st_size - empty_bytes < (2 * bound_bytes + open_bytes) * 1.25
