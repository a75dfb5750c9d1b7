"""node.db: stored once, counted without holes, opened by one, and named when it cannot be."""

import os
import sqlite3
import threading

import pytest

from roeh.core.clock import NS_PER_US, SimulatedClock, SystemClock
from roeh.core.errors import MessageRefused, StorageFailed
from roeh.core.types import Where
from roeh.ledger.alerts import MAX_ALERT_BYTES, MAX_THUMBNAIL_BYTES, read_alerts
from roeh.ledger.database import PAGE_BYTES, SCHEMA_VERSION, WAL_CHECKPOINT_PAGES, NodeDatabase
from tests.alert_drafts import alert_draft
from tests.stores import AloneStore
from tests.waiting import wait_until

CLOCK = SystemClock()


@pytest.fixture
def open_store(memory_directory):
    opened = []

    def open_with(**bounds):
        bounds = {"outbox_max_bytes": 1 << 20, **bounds}
        opened.append(AloneStore(memory_directory / "node.db", SimulatedClock(), **bounds))
        return opened[-1]

    yield open_with
    for store in opened:
        store.close()


def refusal(path):
    with pytest.raises(StorageFailed) as caught:
        AloneStore(path, CLOCK, outbox_max_bytes=1 << 20)
    return caught.value.line()


def read(path):
    database = sqlite3.connect(path)
    try:
        return read_alerts(database)
    finally:
        database.close()


def test_the_count_goes_on_across_restarts_without_a_hole(open_store, memory_directory):
    for start in range(3):
        store = open_store()
        assert [store.store(alert_draft(), None) for _ in range(3)] == [
            3 * start + n for n in (1, 2, 3)
        ]
        store.close()
    assert [alert.seq for alert in read(memory_directory / "node.db")] == list(range(1, 10))


def test_the_same_message_stored_twice_is_stored_once(open_store):
    store = open_store()
    draft = alert_draft(thumbnail=b"x")
    assert store.store(draft, b"x") == store.store(draft, b"x") == 1
    store.close()
    store = open_store()
    assert store.store(draft, b"x") == 1
    assert store.counts().rows == 2
    assert store.store(alert_draft(), None) == 2


def test_another_message_under_the_same_id_is_refused(open_store):
    store = open_store()
    draft = alert_draft()
    store.store(draft, None)
    with pytest.raises(MessageRefused, match="another alert has this id"):
        store.store(alert_draft(alert_id=draft.id, count=2), None)


@pytest.mark.parametrize(
    ("changes", "thumbnail", "reason"),
    [
        ({"rule": "r" * MAX_ALERT_BYTES}, None, "bytes"),
        ({"thumbnail_sha256": "0" * 64}, None, "not the one"),
        ({}, b"x", "not the one"),
        ({"dwell_s": float("nan")}, None, "dwell_s"),
        ({"where": Where(float("inf"), 1, 1, 1, 1, 1, 1)}, None, "where"),
        ({"priority": 10}, None, "priority"),
        ({"t_utc_us": 2**53}, None, "t_utc_us"),
        ({"raised_id": "x"}, None, "raised_id"),
    ],
)
def test_what_could_never_be_sent_is_refused_at_the_door(open_store, changes, thumbnail, reason):
    store = open_store()
    with pytest.raises(MessageRefused, match=reason):
        store.store(alert_draft(**changes), thumbnail)
    assert store.alerts_stored() == 0


def test_a_thumbnail_beyond_the_limit_is_refused(open_store):
    thumbnail = bytes(MAX_THUMBNAIL_BYTES + 1)
    with pytest.raises(MessageRefused, match="thumbnail takes 8193 bytes"):
        open_store().store(alert_draft(thumbnail=thumbnail), thumbnail)


def test_numbers_only_grow_also_across_restarts(open_store):
    store = open_store()
    first = [store.next_number("connection") for _ in range(2)]
    store.close()
    store = open_store()
    assert [*first, store.next_number("connection"), store.next_number("other")] == [1, 2, 3, 1]


def test_a_waiting_lease_is_answered_as_soon_as_an_alert_is_stored(open_store):
    store = open_store()
    answered = []

    def wait():
        batch = store.lease(limit=1, in_flight_rows=(), wait_s=30.0)
        answered.append((batch.items[0].seq, CLOCK.mono_ns()))

    waiter = threading.Thread(target=wait)
    waiter.start()
    store.store(alert_draft(), None)
    stored_ns = CLOCK.mono_ns()
    waiter.join()
    ((seq, answered_ns),) = answered
    assert seq == 1
    assert answered_ns - stored_ns < 1e9


def test_a_waiting_lease_is_not_answered_with_what_is_in_flight(open_store):
    store = open_store()
    store.store(alert_draft(), None)
    (item,) = store.lease(limit=1, in_flight_rows=(), wait_s=0).items
    assert store.lease(limit=1, in_flight_rows=(item.row,), wait_s=0.01).items == ()


def test_closing_ends_a_waiting_lease_at_once(open_store):
    store = open_store()
    started_ns = CLOCK.mono_ns()
    batches = []
    waiter = threading.Thread(
        target=lambda: batches.append(store.lease(limit=1, in_flight_rows=(), wait_s=30.0))
    )
    waiter.start()
    store.wake()
    waiter.join()
    assert batches[0].items == ()
    assert store.lease(limit=1, in_flight_rows=(), wait_s=30.0).items == ()
    assert CLOCK.mono_ns() - started_ns < 5e9


def test_what_was_sent_is_kept_up_to_its_bound_oldest_forgotten_first(open_store, memory_directory):
    store = open_store(history_max_bytes=65536)
    thumbnail = bytes(6000)
    for _ in range(30):
        store.store(alert_draft(thumbnail=thumbnail), thumbnail)
        items = store.lease(limit=2, in_flight_rows=(), wait_s=0).items
        store.delivered(tuple(item.row for item in items))
    assert store.store(alert_draft(), None) == 31
    store.close()
    kept = [alert.seq for alert in read(memory_directory / "node.db")]
    assert kept == list(range(kept[0], 32))
    assert 5 < len(kept) < 12


def test_an_alert_is_kept_while_its_thumbnail_waits(open_store):
    store = open_store(history_max_bytes=65536)
    thumbnail = bytes(6000)
    for _ in range(30):
        store.store(alert_draft(thumbnail=thumbnail), thumbnail)
    items = store.lease(limit=100, in_flight_rows=(), wait_s=0).items
    store.delivered(tuple(item.row for item in items if item.kind.value == "alert"))
    left = store.lease(limit=100, in_flight_rows=(), wait_s=0).items
    assert [item.seq for item in left] == list(range(1, 31))
    assert all(item.payload == thumbnail for item in left)


def test_one_thumbnail_that_waits_keeps_its_own_alert_and_no_other(open_store):
    store = open_store(history_max_bytes=65536)
    thumbnail = bytes(6000)
    draft = alert_draft(thumbnail=thumbnail)
    store.store(draft, thumbnail)
    kept, waiting = store.lease(limit=2, in_flight_rows=(), wait_s=0).items
    store.delivered((kept.row,))
    others = [alert_draft(thumbnail=thumbnail) for _ in range(30)]
    for other in others:
        store.store(other, thumbnail)
        items = store.lease(limit=2, in_flight_rows=(waiting.row,), wait_s=0).items
        store.delivered(tuple(item.row for item in items))
    assert store.lease(limit=2, in_flight_rows=(), wait_s=0).items == (waiting,)
    assert store.store(draft, thumbnail) == 1
    # The oldest of the others is forgotten: its id is new to the store.
    assert store.store(others[0], thumbnail) == 32


def test_the_write_ahead_log_stays_bounded(open_store, memory_directory):
    store = open_store()
    thumbnail = os.urandom(7000)
    bound_bytes = (WAL_CHECKPOINT_PAGES + 100) * (PAGE_BYTES + 24)
    for _ in range(200):
        store.store(alert_draft(thumbnail=thumbnail), thumbnail)
        assert (memory_directory / "node.db-wal").stat().st_size < bound_bytes


def test_nobody_but_its_user_can_read_the_store(open_store, memory_directory):
    open_store().store(alert_draft(), None)
    for path in memory_directory.glob("node.db*"):
        assert path.stat().st_mode & 0o077 == 0


def test_stored_times_are_the_clocks(tmp_path):
    clock = SimulatedClock(t_mono_ns=5_000_000_000)
    store = AloneStore(tmp_path / "node.db", clock, outbox_max_bytes=1 << 20)
    store.store(alert_draft(), None)
    (item,) = store.lease(limit=1, in_flight_rows=(), wait_s=0).items
    store.close()
    assert item.t_stored_mono_us == clock.mono_ns() // NS_PER_US


def test_a_second_node_on_the_same_store_is_told(open_store, memory_directory):
    open_store()
    assert refusal(memory_directory / "node.db") == (
        "roeh: STORAGE_FAILED: another process has the store open: "
        f"{memory_directory}/node.db; one node runs on one data_dir: stop the other one"
    )


def test_a_data_dir_that_is_a_file_is_named(tmp_path):
    (tmp_path / "data").write_text("")
    assert refusal(tmp_path / "data" / "node.db") == (
        f"roeh: STORAGE_FAILED: paths.data_dir is not a directory: {tmp_path}/data; "
        "name a directory"
    )


def test_a_data_dir_below_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    assert "Not a directory" in refusal(tmp_path / "file" / "data" / "node.db")


def test_a_store_that_is_no_database_is_named(tmp_path):
    (tmp_path / "node.db").write_bytes(os.urandom(8192))
    line = refusal(tmp_path / "node.db")
    assert "the store is damaged (file is not a database)" in line
    assert "it moves it aside and makes it anew" in line


def test_a_store_of_a_newer_version_is_left_alone(tmp_path):
    database = sqlite3.connect(tmp_path / "node.db")
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()
    assert f"the store has schema {SCHEMA_VERSION + 1}" in refusal(tmp_path / "node.db")


def test_damage_inside_is_told_and_nothing_is_acknowledged(open_store, memory_directory):
    store = open_store()
    thumbnail = os.urandom(7000)
    for _ in range(50):
        store.store(alert_draft(thumbnail=thumbnail), thumbnail)
    store.close()
    path = memory_directory / "node.db"
    content = bytearray(path.read_bytes())
    content[PAGE_BYTES:] = os.urandom(len(content) - PAGE_BYTES)
    path.write_bytes(content)
    assert "the store is damaged" in refusal(path)


def test_many_threads_store_and_lease_without_losing_or_doubling(open_store):
    store = open_store(outbox_max_bytes=1 << 24)
    delivered = []
    done = threading.Event()

    def produce():
        for _ in range(50):
            store.store(alert_draft(), None)

    def consume():
        while True:
            finished = done.is_set()
            items = store.lease(limit=7, in_flight_rows=(), wait_s=0.01).items
            if not items and finished:
                return
            delivered.extend(item.seq for item in items)
            store.delivered(tuple(item.row for item in items))

    producers = [threading.Thread(target=produce) for _ in range(3)]
    consumer = threading.Thread(target=consume)
    for thread in (*producers, consumer):
        thread.start()
    for producer in producers:
        producer.join()
    done.set()
    consumer.join()
    assert sorted(delivered) == list(range(1, 151))
    wait_until(lambda: store.counts().rows == 0)


def test_an_alert_carries_the_newest_checkpoint_and_is_the_same_when_stored_again(
    open_store, memory_directory
):
    notes = ["first", "second"]
    store = open_store(checkpoint=lambda: notes[0])
    draft = alert_draft()
    store.store(draft, None)
    notes.pop(0)
    assert store.store(draft, None) == 1
    store.store(alert_draft(), None)
    store.close()
    alerts = read(memory_directory / "node.db")
    assert [alert.checkpoint for alert in alerts] == ["first", "second"]


def test_a_checkpoint_never_makes_an_alert_too_large(open_store, memory_directory):
    store = open_store(checkpoint=lambda: "x" * 2000)
    store.store(alert_draft(rule="r" * (MAX_ALERT_BYTES - 1500)), None)
    store.close()
    (alert,) = read(memory_directory / "node.db")
    assert alert.checkpoint is None


def test_an_eviction_is_told_in_the_transaction_that_evicts(open_store):
    told = []
    store = open_store(
        outbox_max_bytes=3000,
        evicted=lambda connection, seq, alert_id: told.append(
            (seq, alert_id, connection.in_transaction)
        ),
    )
    drafts = [alert_draft() for _ in range(4)]
    for draft in drafts:
        store.store(draft, None)
    assert told
    assert told == [(n, draft.id, True) for n, draft in enumerate(drafts[: len(told)], start=1)]


def test_once_the_medium_failed_under_it_nothing_is_stored_any_more(memory_directory):
    """Whatever SQLite calls an operational error; a dead disk is tested with a disk."""
    failures = []
    database = NodeDatabase(memory_directory / "node.db", on_failed=failures.append)
    with pytest.raises(StorageFailed, match="no such table"), database.writing() as connection:
        connection.execute("INSERT INTO nowhere VALUES (1)")
    for use in (database.writing, database.reading):
        with pytest.raises(StorageFailed, match="no such table"), use():
            pytest.fail("it was used again")
    assert len(failures) == 1
    database.close()
