"""What goes is the oldest that nothing keeps, by record, and each step can be the last."""

import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.errors import StorageFailed
from roeh.ledger.records import PruneRecord, UnlockRecord
from tests.rings import DAY_S, SEGMENT_BYTES, Ring, S

OTHER_BOOT = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def make_ring(memory_directory):
    rings = []

    def make(**settings):
        ring = Ring(memory_directory, **{"pre_roll_s": 0, "post_roll_s": 0, **settings})
        rings.append(ring)
        return ring

    yield make
    for ring in rings:
        ring.close()


def ring_of(make_ring, segments, **settings):
    return make_ring(max_bytes=segments * SEGMENT_BYTES, max_locked_share=0.9, **settings)


def kept(ring, camera="north"):
    return [number for number, state in ring.states(camera).items() if state != "pruned"]


def test_the_oldest_goes_when_the_ring_is_full(make_ring):
    ring = ring_of(make_ring, 16)
    for _ in range(18):
        ring.segment()
    state = ring.retention.make_room(SEGMENT_BYTES)
    assert (state.has_room, state.pruned, state.alarms) == (True, 3, ())
    assert kept(ring) == list(range(4, 19))
    assert ring.on_disk() == {("north", number) for number in range(4, 19)}
    pruned = ring.records(PruneRecord)
    assert [(record.segment, record.reason) for record in pruned] == [
        (1, "full"),
        (2, "full"),
        (3, "full"),
    ]
    envelopes = ring.envelopes()
    assert all(envelopes[r.segment_leaf].body.segment == r.segment for r in pruned)
    with ring.database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM fragment").fetchone() == (15,)


def test_the_oldest_of_any_camera_goes(make_ring):
    ring = ring_of(make_ring, 16)
    for number in range(18):
        ring.segment("south" if number in (0, 5) else "north")
    ring.retention.make_room(0)
    assert kept(ring, "south") == [2]
    assert kept(ring)[0] == 2


def test_what_is_being_written_stays(make_ring):
    ring = ring_of(make_ring, 16)
    ring.segment("south", closed=False)
    for _ in range(16):
        ring.segment()
    ring.retention.make_room(0)
    assert kept(ring, "south") == [1]
    assert kept(ring)[0] == 2
    ring.close_segment("south", 1)
    ring.segment()
    ring.retention.make_room(0)
    assert kept(ring, "south") == []
    assert kept(ring)[0] == 2


def test_locked_and_held_stay_whatever_their_age(make_ring):
    ring = ring_of(make_ring, 16)
    ring.alert(first_us=ring.now_us() + 15 * S)
    ring.hold(35 * S, 36 * S)
    for _ in range(19):
        ring.segment()
    ring.retention.make_room(0)
    assert kept(ring)[:3] == [2, 4, 6]


def test_a_hold_placed_later_keeps_too(make_ring):
    ring = ring_of(make_ring, 16)
    for _ in range(17):
        ring.segment()
    ring.retention.make_room(0)
    ring.hold(10 * S, 11 * S)  # the second, which would be next
    ring.segment()
    ring.retention.make_room(0)
    assert kept(ring)[:2] == [2, 4]


def test_what_is_let_go_is_the_oldest_again(make_ring):
    ring = ring_of(make_ring, 16)
    hold = ring.hold(0, 15 * S)
    ring.alert(first_us=12 * S)
    for _ in range(18):
        ring.segment()
    ring.retention.make_room(0)
    assert kept(ring)[:3] == [1, 2, 5]
    ring.release(hold, "B")
    ring.release(hold, "C")
    ring.retention.make_room(SEGMENT_BYTES)
    assert kept(ring)[:3] == [2, 5, 6]


def test_old_segments_go_by_age(make_ring):
    ring = make_ring(max_age_days=1)
    for _ in range(3):
        ring.segment()
    ring.clock.advance(DAY_S - 5)
    ring.retention.sweep()
    assert kept(ring) == [3]
    assert [record.reason for record in ring.records(PruneRecord)] == ["age", "age"]


@pytest.mark.parametrize("by_days", [-36500, -1, 1, 400, 36500])
@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_no_step_of_utc_deletes_anything(make_ring, by_days, when):
    ring = make_ring(max_age_days=1, lock_days=1)
    if when == "before":
        ring.clock.step_utc(by_days * DAY_S)
    ring.alert(first_us=ring.now_us())
    for number in range(4):
        ring.segment()
        if number == 1 and when == "during":
            ring.clock.step_utc(by_days * DAY_S)
    if when == "after":
        ring.clock.step_utc(by_days * DAY_S)
    for _ in range(3):
        ring.retention.sweep()
        ring.reopen()
    ring.retention.sweep()
    assert kept(ring) == [1, 2, 3, 4]
    assert [lock.state for lock in ring.locks.page(after=-1, limit=9)] == ["active"]


def test_time_switched_off_makes_nothing_old(make_ring):
    ring = make_ring(max_age_days=1)
    ring.segment()
    ring.close()
    year = SimulatedClock(boot_id=OTHER_BOOT, t_utc_ns=10**9 * 2_000_000_000)
    ring.clock = year
    ring._open()
    ring.retention.sweep()
    assert kept(ring) == [1]


def test_a_disk_that_others_fill_makes_room_too(make_ring):
    free = [10 * SEGMENT_BYTES]
    ring = make_ring(free_bytes=lambda: free[0], min_free_bytes=8 * SEGMENT_BYTES)
    for _ in range(3):
        ring.segment()
    assert ring.retention.make_room(0).pruned == 0
    free[0] = 7 * SEGMENT_BYTES
    state = ring.retention.make_room(0)
    assert not state.has_room
    assert "nothing left" in state.alarms[0]
    assert {record.reason for record in ring.records(PruneRecord)} == {"disk_full"}


def test_when_only_locked_is_left_locks_give_way_and_holds_do_not(make_ring):
    ring = ring_of(make_ring, 16)
    ring.alert(first_us=0, last_us=50 * S - 1, priority=7)
    ring.alert(first_us=60 * S, last_us=70 * S - 2, priority=6)
    ring.hold(0, 10 * S)
    ring.hold(70 * S, 400 * S)
    for _ in range(20):
        ring.segment()
    state = ring.retention.make_room(0)
    assert state.has_room
    assert "gave way" in state.alarms[0]
    assert [r.reason for r in ring.records(UnlockRecord)] == ["released", "released"]
    assert kept(ring)[:3] == [1, 4, 5]
    ring.segment()
    state = ring.retention.make_room(5 * SEGMENT_BYTES)
    assert not state.has_room
    assert "release holds" in state.alarms[-1]
    assert kept(ring) == [1, *range(8, 22)]


class Stopped(Exception):
    """The process ended here."""


class StoppingFiles:
    """The real files; the process ends before or after a file goes."""

    def __init__(self, inner):
        self._inner = inner
        self.directory = inner.directory
        self.stop = None

    def delete(self, camera_id, number):
        if self.stop == "before":
            raise Stopped
        gone = self._inner.delete(camera_id, number)
        if self.stop == "after":
            raise Stopped
        return gone


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_deletion_that_was_interrupted_is_finished_at_the_next_start(memory_directory, when):
    made = []

    def stopping(inner):
        made.append(StoppingFiles(inner))
        return made[-1]

    ring = Ring(memory_directory, files=stopping, max_bytes=16 * SEGMENT_BYTES)
    for _ in range(17):
        ring.segment()
    made[-1].stop = when
    with pytest.raises(Stopped):
        ring.retention.make_room(0)
    assert ring.states()[1] == "garbage"
    ring.reopen()
    assert ring.retention.replay_garbage() == 1
    assert ring.retention.replay_garbage() == 0
    assert ring.states()[1] == "pruned"
    assert ring.on_disk() == {("north", number) for number in range(2, 18)}
    assert len(ring.records(PruneRecord)) == 1
    ring.close()


def test_a_file_that_cannot_be_removed_is_said_and_tried_again(make_ring, memory_directory):
    ring = ring_of(make_ring, 16)
    for _ in range(17):
        ring.segment()
    camera = memory_directory / "segments" / "north"
    moved = camera.rename(memory_directory / "elsewhere")
    with pytest.raises(StorageFailed):
        ring.retention.make_room(0)
    moved.rename(camera)
    ring.retention.make_room(0)
    assert ring.states()[1] == "pruned"
    assert len(ring.records(PruneRecord)) == 1


def test_what_was_being_written_when_room_was_made_waits_for_its_turn(make_ring):
    ring = ring_of(make_ring, 16)
    for _ in range(17):
        ring.segment()
    ring.retention.make_room(0)
    for _ in range(3):
        ring.segment()
    being_written = ring.segment(closed=False)
    ring.retention.make_room(0)
    ring.close_segment("north", being_written)
    for _ in range(20):
        ring.segment()
        ring.retention.make_room(0)
    pruned = [record.segment for record in ring.records(PruneRecord)]
    assert pruned == list(range(1, len(pruned) + 1))
    assert being_written in pruned
