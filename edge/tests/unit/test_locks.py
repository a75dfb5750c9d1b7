"""An alert keeps its video before and after it, for a time, up to a share; each by record."""

import pytest

from roeh.core.errors import MessageRefused
from roeh.core.types import AlertPhase, ClearedBy
from roeh.ledger.records import AlertRecord, EvictionRecord, LockRecord, UnlockRecord
from tests.rings import BOOT, DAY_S, SEGMENT_BYTES, Ring, S

PRE_S, POST_S, LOCK_DAYS = 30, 20, 90


@pytest.fixture
def ring(memory_directory):
    ring = Ring(
        memory_directory,
        pre_roll_s=PRE_S,
        post_roll_s=POST_S,
        lock_days=LOCK_DAYS,
        max_bytes=20 * SEGMENT_BYTES,
        max_locked_share=0.5,
        record=True,
    )
    ring.clock.advance(1000)
    yield ring
    ring.close()


def locks(ring):
    return ring.locks.page(after=-1, limit=200)


def spans(ring):
    return [(lock.span.from_mono_us // S, lock.span.to_mono_us // S) for lock in locks(ring)]


def follow_up(ring, draft, first_us, last_us, phase=AlertPhase.UPDATED, **fields):
    return ring.alert(
        first_us=first_us, last_us=last_us, phase=phase, raised_id=draft.raised_id, **fields
    )


def test_an_alert_locks_before_and_after(ring):
    draft = ring.alert(first_us=500 * S, last_us=510 * S)
    (lock,) = locks(ring)
    assert (lock.span.camera_id, lock.span.boot_id) == ("north", BOOT)
    assert spans(ring) == [(470, 530)]
    (record,) = ring.records(LockRecord)
    assert record.raised_id == draft.raised_id
    assert record.expires_age_us == ring.age.now_us() + LOCK_DAYS * DAY_S * S
    assert lock.priority == draft.priority


def test_the_last_picture_is_locked_without_any_roll(memory_directory):
    ring = Ring(memory_directory, pre_roll_s=0, post_roll_s=0)
    ring.alert(first_us=5 * S)
    (lock,) = locks(ring)
    assert lock.span.from_mono_us <= 5 * S < lock.span.to_mono_us
    ring.close()


def test_a_lock_that_begins_before_the_boot_begins_with_it(ring):
    ring.alert(first_us=S, last_us=2 * S)
    assert spans(ring) == [(0, 22)]


def test_updates_widen_and_never_narrow(ring):
    draft = ring.alert(first_us=500 * S, last_us=510 * S)
    follow_up(ring, draft, 505 * S, 507 * S)
    assert spans(ring) == [(470, 530)]
    follow_up(ring, draft, 505 * S, 540 * S)
    assert spans(ring) == [(470, 560)]
    follow_up(ring, draft, 541 * S, 550 * S, AlertPhase.CLEARED, cleared_by=ClearedBy.RULE)
    assert spans(ring) == [(470, 570)]
    # What changed nothing is no record.
    assert [record.to_mono_us // S for record in ring.records(LockRecord)] == [530, 560, 570]


def test_an_alert_that_does_not_end_keeps_no_more_than_the_longest_stretch(memory_directory):
    ring = Ring(memory_directory, lock_max_s=300)
    draft = ring.alert(first_us=1000 * S)
    for last_s in range(1100, 3000, 100):
        follow_up(ring, draft, 1000 * S, last_s * S)
    assert spans(ring) == [(970, 1270)]
    assert [record.to_mono_us // S for record in ring.records(LockRecord)] == [
        1030,
        1130,
        1230,
        1270,
    ]
    ring.close()


def test_the_end_of_a_detection_that_restarted_rests_on_no_picture(ring):
    draft = ring.alert(first_us=500 * S)
    follow_up(ring, draft, 900 * S, 900 * S, AlertPhase.CLEARED, cleared_by=ClearedBy.RESTART)
    assert spans(ring) == [(470, 520)]


def test_every_alert_message_is_a_record_and_so_is_its_eviction(ring):
    draft = ring.alert()
    (record,) = ring.records(AlertRecord)
    assert (record.seq, record.id, record.phase) == (1, draft.id, "raised")
    with ring.database.writing() as connection:
        ring.alert_records.on_evicted(connection, 1, draft.id)
    assert ring.records(EvictionRecord) == [EvictionRecord(seq=1, id=draft.id)]


def test_alert_lock_and_records_are_stored_together_or_not_at_all(memory_directory):
    ring = Ring(memory_directory)

    def refuse(connection, alert):
        raise MessageRefused(what="refused", which="this alert", remedy="none")

    ring.store._witnesses = (*ring.store._witnesses, refuse)
    with pytest.raises(MessageRefused):
        ring.alert()
    assert locks(ring) == ()
    assert ring.envelopes() == []
    ring.close()


def test_it_expires_by_age_and_by_record(ring):
    draft = ring.alert()
    ring.clock.advance(LOCK_DAYS * DAY_S - 1)
    assert ring.locks.expire() == 0
    ring.clock.advance(1)
    assert ring.locks.expire() == 1
    assert ring.locks.expire() == 0
    assert [lock.state for lock in locks(ring)] == ["expired"]
    assert ring.records(UnlockRecord) == [UnlockRecord(raised_id=draft.id, reason="expired")]


def test_an_alert_that_lasts_longer_than_its_lock_locks_again(ring):
    draft = ring.alert(first_us=500 * S)
    ring.clock.advance(LOCK_DAYS * DAY_S)
    ring.locks.expire()
    follow_up(ring, draft, 900 * S, 900 * S)
    assert spans(ring) == [(870, 920)]
    assert [lock.state for lock in locks(ring)] == ["active"]


@pytest.mark.parametrize("by_days", [-36500, -1, 1, 36500])
def test_no_step_of_utc_ends_a_lock(ring, by_days):
    ring.alert()
    ring.clock.step_utc(by_days * DAY_S)
    ring.age.tick()
    assert ring.locks.expire() == 0
    ring.clock.advance(LOCK_DAYS * DAY_S - 1)
    assert ring.locks.expire() == 0


def test_the_lowest_priority_gives_way_first_and_of_those_the_oldest(ring):
    # Ten segments are what locks may keep.
    drafts = []
    for priority in (3, 2, 5, 2):
        drafts.append(ring.alert(priority=priority, first_us=ring.now_us() + 30 * S))
        for _ in range(6):
            ring.segment()
    share = ring.locks.enforce_share()
    assert share.released == 3
    assert share.locked_bytes <= share.cap_bytes
    assert "gave way" in share.alarm
    released = [record.raised_id for record in ring.records(UnlockRecord)]
    assert released == [drafts[1].id, drafts[3].id, drafts[0].id]
    assert {record.reason for record in ring.records(UnlockRecord)} == {"released"}


def test_what_gave_way_is_not_locked_again_by_the_same_alert(ring):
    draft = ring.alert(first_us=ring.now_us())
    for _ in range(12):
        ring.segment()
    follow_up(ring, draft, draft.evidence.first_t_mono_us, ring.now_us())
    assert ring.locks.enforce_share().released == 1
    follow_up(ring, draft, ring.now_us(), ring.now_us())
    assert [lock.state for lock in locks(ring)] == ["released"]


def test_it_is_said_before_locks_give_way(ring):
    ring.alert(first_us=ring.now_us(), last_us=ring.now_us() + 60 * S)
    for _ in range(7):
        ring.segment()
    assert ring.locks.enforce_share().alarm == ""
    ring.segment()
    share = ring.locks.enforce_share()
    assert share.released == 0
    assert "80%" in share.alarm


def test_a_segment_locked_twice_counts_once(ring):
    first_us = ring.now_us()
    ring.alert(first_us=first_us)
    ring.alert(first_us=first_us + 2 * S)
    ring.alert(first_us=first_us + 90 * S, last_us=first_us + 91 * S)
    numbers = [ring.segment() for _ in range(8)]
    assert len(numbers) == 8
    # 1000..1022 and 1060..1111
    assert ring.locks.enforce_share().locked_bytes == 5 * SEGMENT_BYTES


def test_another_camera_is_not_locked(ring):
    ring.alert(camera="south", first_us=ring.now_us())
    ring.segment("north")
    assert ring.locks.enforce_share().locked_bytes == 0
