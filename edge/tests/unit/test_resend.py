"""A desk that misses numbers gets what is kept of them, and learns what is not."""

import random

import pytest

from roeh.core.delivery import OutboxKind
from roeh.core.orders import SeqRange
from roeh.ledger.age import US_PER_DAY
from roeh.ledger.resend import MAX_ABSENT_RANGES, MAX_RESENT_ALERTS, merged
from tests.delivering_nodes import DeliveringNode, numbers

JPEG = b"\xff\xd8" + bytes(1000)
DAY_S = US_PER_DAY / 1e6


@pytest.fixture
def node(memory_directory):
    node = DeliveringNode(memory_directory, outbox_max_bytes=1 << 22)
    yield node
    node.close()


def deliver(node, *kinds):
    """All that waits, or of these kinds, is with the desk."""
    items = node.waiting(*kinds)
    for first in range(0, len(items), 100):
        node.acknowledge(node.desk.acknowledge(items[first : first + 100]))
    return items


def test_what_is_asked_for_again_comes_as_it_was_with_its_picture_and_priority(node):
    for priority in (3, 9, 5):
        node.store_alert(JPEG, priority=priority)
    sent = deliver(node)
    assert node.store.resend([SeqRange(1, 2)]) == ()
    again = node.waiting()
    assert [(item.seq, item.kind) for item in again] == [
        (2, OutboxKind.ALERT),
        (2, OutboxKind.THUMBNAIL),
        (1, OutboxKind.ALERT),
        (1, OutboxKind.THUMBNAIL),
    ]
    known = {item.row: (item.payload, item.priority) for item in sent}
    assert all(known[item.row] == (item.payload, item.priority) for item in again)


def test_asked_for_twice_it_waits_once_and_leaves_as_any_other(node):
    for _ in range(2):
        node.store_alert(JPEG)
    deliver(node)
    for _ in range(3):
        assert node.store.resend([SeqRange(1, 2)]) == ()
        assert len(node.waiting()) == 4
    node.reopen()
    deliver(node)
    assert node.waiting() == []
    assert node.kept() == [1, 2]


def test_what_waits_for_the_first_time_is_left_as_it_is(node):
    node.store_alert(JPEG)
    before = node.waiting()
    assert node.store.resend([SeqRange(1, 1)]) == ()
    assert node.waiting() == before


def test_a_waiting_lease_hears_of_it(node):
    node.store_alert()
    deliver(node)
    node.store.resend([SeqRange(1, 1)])
    assert numbers(node.store.lease(limit=5, in_flight_rows=(), wait_s=30.0).items) == [1]


def test_numbers_that_were_never_given_or_are_forgotten_are_named(node):
    for _ in range(6):
        node.store_alert()
    deliver(node)
    forget(node, 2, 3, 5)
    assert node.store.resend([SeqRange(1, 3), SeqRange(5, 9)]) == (
        SeqRange(7, 9),
        SeqRange(5, 5),
        SeqRange(2, 3),
    )
    assert numbers(node.waiting()) == [1, 6]


def forget(node, *seqs):
    """What the bounds of the history do, for these."""
    with node.ledger.database.writing() as connection:
        for seq in seqs:
            connection.execute("DELETE FROM alert WHERE seq = ?", (seq,))
            connection.execute("DELETE FROM history WHERE seq = ?", (seq,))


def test_an_order_for_every_number_there_is_is_answered_briefly(node):
    for _ in range(3 * MAX_ABSENT_RANGES):
        node.store_alert()
    deliver(node)
    forget(node, *range(2, 3 * MAX_ABSENT_RANGES, 2))
    absent = node.store.resend([SeqRange(1, 2**53 - 1)])
    assert len(absent) <= MAX_ABSENT_RANGES
    assert absent[0] == SeqRange(3 * MAX_ABSENT_RANGES + 1, 2**53 - 1)
    assert len(node.waiting()) <= MAX_RESENT_ALERTS


def test_more_than_one_order_holds_comes_newest_first_and_the_rest_is_asked_for_again(node):
    count = MAX_RESENT_ALERTS + 50
    for _ in range(count):
        node.store_alert()
    deliver(node)
    everything = [SeqRange(1, count)]
    assert node.store.resend(everything) == ()
    assert numbers(deliver(node)) == list(range(51, count + 1))
    assert node.store.resend([SeqRange(1, 50)]) == ()
    assert numbers(node.waiting()) == list(range(1, 51))


def test_nothing_that_waits_gives_way_to_it(memory_directory):
    node = DeliveringNode(memory_directory, outbox_max_bytes=20_000)
    for _ in range(10):
        node.store_alert()
    deliver(node)
    for _ in range(8):
        node.store_alert(priority=1)
    before = node.store.counts()
    assert node.store.resend([SeqRange(1, 10)]) == ()
    assert node.store.counts().size_bytes <= 20_000
    assert node.store.counts().evicted == before.evicted == 0
    came = [seq for seq in numbers(node.waiting()) if seq <= 10]
    assert came == list(range(11 - len(came), 11))
    assert 0 < len(came) < 10
    node.close()


def test_an_evicted_alert_that_is_still_kept_comes_in_place_of_its_tombstone(memory_directory):
    node = DeliveringNode(memory_directory, outbox_max_bytes=4000)
    for _ in range(4):
        node.store_alert()
    evicted = numbers(node.waiting(), OutboxKind.TOMBSTONE)
    assert evicted
    deliver(node, OutboxKind.ALERT)
    assert node.store.resend([SeqRange(each, each) for each in evicted]) == ()
    assert numbers(node.waiting()) == evicted
    assert node.waiting(OutboxKind.TOMBSTONE) == []
    # And may have to go again.
    for _ in range(4):
        node.store_alert(priority=9)
    assert set(evicted) <= set(numbers(node.waiting(), OutboxKind.TOMBSTONE))
    node.close()


def test_one_whose_tombstone_waits_is_not_absent_though_it_is_forgotten(memory_directory):
    node = DeliveringNode(memory_directory, outbox_max_bytes=4000)
    for _ in range(4):
        node.store_alert()
    buried = numbers(node.waiting(), OutboxKind.TOMBSTONE)
    forget(node, *buried)
    assert node.store.resend([SeqRange(1, 5)]) == (SeqRange(5, 5),)
    assert numbers(node.waiting(), OutboxKind.TOMBSTONE) == buried
    node.close()


def test_what_is_sent_again_does_not_make_the_outbox_look_late(node):
    node.store_alert()
    deliver(node)
    node.clock.advance(3600)
    node.store_alert()
    stored_us = node.store.counts().oldest_t_stored_mono_us
    node.clock.advance(60)
    node.store.resend([SeqRange(1, 1)])
    assert node.store.counts().oldest_t_stored_mono_us == stored_us


def test_ranges_in_any_order_are_one_list_without_overlap():
    ranges = [SeqRange(4, 6), SeqRange(9, 8), SeqRange(1, 2), SeqRange(5, 9), SeqRange(3, 3)]
    assert merged(ranges) == (SeqRange(1, 9),)
    assert merged([SeqRange(1, 2), SeqRange(7, 7)]) == (SeqRange(7, 7), SeqRange(1, 2))


# What is kept, and for how long.


@pytest.fixture
def forgetful(memory_directory):
    node = DeliveringNode(memory_directory, history_age_us=30 * US_PER_DAY)
    yield node
    node.close()


def run_for(node, days):
    """The node runs; its age counts as it does in evidence."""
    node.clock.advance(days * DAY_S)
    node.age.tick()
    return node.store.forget_old()


def test_what_was_delivered_is_kept_for_its_days_of_running_and_not_longer(forgetful):
    forgetful.store_alert(JPEG)
    assert run_for(forgetful, 5) == 0
    deliver(forgetful)
    assert run_for(forgetful, 29.9) == 0
    assert forgetful.kept() == [1]
    assert run_for(forgetful, 0.2) == 1
    assert forgetful.kept() == []
    assert forgetful.store.resend([SeqRange(1, 1)]) == (SeqRange(1, 1),)
    with forgetful.ledger.database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM thumbnail").fetchone() == (0,)


def test_of_a_picture_that_is_forgotten_no_byte_stays_in_the_file(forgetful, memory_directory):
    picture = random.Random(5).randbytes(7000)
    forgetful.store_alert(picture)
    deliver(forgetful)

    def found():
        forgetful.reopen()  # what is only in the write-ahead log comes into the file
        content = (memory_directory / "node.db").read_bytes()
        return [picture[first : first + 50] in content for first in range(0, 7000, 1000)]

    assert any(found())
    assert run_for(forgetful, 31) == 1
    assert not any(found())


def test_time_switched_off_and_a_wrong_clock_forget_nothing(forgetful):
    forgetful.store_alert()
    deliver(forgetful)
    forgetful.clock.step_utc(400 * DAY_S)
    assert run_for(forgetful, 1) == 0
    assert forgetful.kept() == [1]


def test_what_waits_is_never_too_old(forgetful):
    forgetful.store_alert(JPEG)
    deliver(forgetful, OutboxKind.ALERT)
    assert run_for(forgetful, 100) == 0
    assert forgetful.kept() == [1]
    deliver(forgetful)
    assert run_for(forgetful, 1) == 1


def test_what_is_asked_for_again_is_kept_from_then_on(forgetful):
    forgetful.store_alert()
    deliver(forgetful)
    run_for(forgetful, 29)
    forgetful.store.resend([SeqRange(1, 1)])
    deliver(forgetful)
    assert run_for(forgetful, 29) == 0
    assert run_for(forgetful, 2) == 1
