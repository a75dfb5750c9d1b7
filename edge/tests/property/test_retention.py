"""Whatever is recorded, locked, held, released or interrupted: kept is kept, and all is told."""

import contextlib
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from roeh.core.errors import HoldRefused
from roeh.core.types import AlertPhase
from roeh.ledger.records import PruneRecord, SegmentRecord, UnlockRecord
from tests.rings import DAY_S, Ring, S

DIRECTORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
SEGMENTS = 5
SEGMENT_BYTES = 1024 * 1024 // SEGMENTS // 32 * 32 + 32
CAMERAS = ("north", "south")
PERSONS = ("A. Visser", "B. Smit", "C. Jansen")


class Stopped(Exception):
    """The process ended here."""


class Fuse:
    """Files and transactions, of which one ends the process."""

    def __init__(self):
        self.steps_left = None

    def step(self):
        if self.steps_left is not None:
            if self.steps_left == 0:
                raise Stopped
            self.steps_left -= 1


class FusedFiles:
    """The real files: the process may end before a file goes, and after."""

    def __init__(self, inner, fuse):
        self._inner = inner
        self._fuse = fuse
        self.directory = inner.directory

    def delete(self, camera_id, number):
        self._fuse.step()
        gone = self._inner.delete(camera_id, number)
        self._fuse.step()
        return gone


class RetentionMachine(RuleBasedStateMachine):
    """A ring against what must hold of it."""

    def __init__(self):
        super().__init__()
        self.directory = tempfile.TemporaryDirectory(prefix="roeh-", dir=DIRECTORY)
        self.fuse = Fuse()
        self.ring = Ring(
            Path(self.directory.name),
            files=lambda inner: FusedFiles(inner, self.fuse),
            max_bytes=SEGMENTS * SEGMENT_BYTES,
            max_locked_share=0.5,
            max_age_days=2.0,
            lock_days=1.0,
            pre_roll_s=15,
            post_roll_s=15,
        )
        self.recorded = set()
        self.was_kept = set()
        self.drafts = []
        self.placed = []

    @rule(camera=st.sampled_from(CAMERAS), count=st.integers(1, 8), is_open=st.booleans())
    def record(self, camera, count, is_open):
        for other, number in self.open_segments():
            if other == camera:
                self.ring.close_segment(camera, number)
        for left in reversed(range(count)):
            closed = left > 0 or not is_open
            self.recorded.add(
                (camera, self.ring.segment(camera, size_bytes=SEGMENT_BYTES, closed=closed))
            )

    @rule(
        camera=st.sampled_from(CAMERAS),
        priority=st.integers(1, 9),
        ago_s=st.integers(0, 200),
        for_s=st.integers(0, 60),
    )
    def alert(self, camera, priority, ago_s, for_s):
        first_us = max(0, self.ring.now_us() - ago_s * S)
        last_us = first_us + for_s * S
        draft = self.ring.alert(camera, first_us, last_us, priority=priority)
        self.drafts.append(draft)

    @precondition(lambda self: self.drafts)
    @rule(choice=st.integers(0, 5))
    def update(self, choice):
        draft = self.drafts[-1 - choice % len(self.drafts)]
        now_us = self.ring.now_us()
        self.ring.alert(
            draft.evidence.camera_id,
            now_us,
            now_us,
            raised_id=draft.raised_id,
            priority=draft.priority,
            phase=AlertPhase.UPDATED,
        )

    @rule(camera=st.sampled_from(CAMERAS), ago_s=st.integers(0, 200), for_s=st.integers(1, 60))
    def hold(self, camera, ago_s, for_s):
        from_us = max(0, self.ring.now_us() - ago_s * S)
        self.placed.append(self.ring.hold(from_us, from_us + for_s * S, camera))

    @precondition(lambda self: self.placed)
    @rule(choice=st.integers(0, 5), person=st.sampled_from(PERSONS))
    def release(self, choice, person):
        hold = self.placed[choice % len(self.placed)]
        try:
            after = self.ring.release(hold, person)
        except HoldRefused:
            return
        if after.state == "released":
            self.placed.remove(hold)

    @rule(hours=st.sampled_from((1, 12, 30)))
    def wait(self, hours):
        for camera, number in self.open_segments():
            self.ring.close_segment(camera, number)
        self.ring.clock.advance(hours * 3600)
        self.ring.age.tick()

    @rule(by_s=st.sampled_from((-30 * 365 * DAY_S, -3600, 3600, 30 * 365 * DAY_S)))
    def step_utc(self, by_s):
        self.ring.clock.step_utc(by_s)
        self.ring.age.tick()

    @rule(needed=st.integers(0, 3))
    def make_room(self, needed):
        self.check_room(self.ring.retention.make_room(needed * SEGMENT_BYTES), needed)

    @rule()
    def sweep(self):
        self.check_room(self.ring.retention.sweep(), 0)
        locked = self.ring.locks.enforce_share()
        assert locked.released == 0

    @rule(steps=st.integers(0, 5), needed=st.integers(0, 3))
    def interrupted(self, steps, needed):
        """The process ends at that step, and another one takes it up."""
        self.fuse.steps_left = steps
        with contextlib.suppress(Stopped):
            self.ring.retention.make_room(needed * SEGMENT_BYTES)
        self.fuse.steps_left = None
        self.kept_is_kept()
        self.ring.reopen()
        self.ring.retention.replay_garbage()

    def open_segments(self):
        return [
            (camera, number)
            for camera in CAMERAS
            for number, state in self.ring.states(camera).items()
            if state == "open"
        ]

    def check_room(self, state, needed):
        """The bound holds, or all that is left is held or being written."""
        assert state.segments_bytes == len(self.ring.on_disk()) * SEGMENT_BYTES
        if state.has_room:
            assert state.segments_bytes + needed * SEGMENT_BYTES <= SEGMENTS * SEGMENT_BYTES
            return
        held = self.overlapping("hold_span", "is_active = 1")
        assert self.ring.on_disk() <= held | set(self.open_segments())
        assert state.alarms

    def overlapping(self, table, active):
        """What spans of a table overlap, asked in the plainest way."""
        with self.ring.database.reading() as connection:
            spans = connection.execute(
                f"SELECT camera_id, boot_id, from_mono_us, to_mono_us FROM {table} WHERE {active}"
            ).fetchall()
            segments = connection.execute(
                "SELECT camera_id, number, boot_id, t_first_mono_us, t_end_mono_us FROM segment"
            ).fetchall()
        return {
            (camera, number)
            for camera, number, boot, first, end in segments
            if any(
                (camera, boot) == span[:2] and span[2] < end and first < span[3] for span in spans
            )
        }

    @invariant()
    def kept_is_kept(self):
        """What was kept before the last step and is kept now was not deleted in between."""
        kept = self.overlapping("hold_span", "is_active = 1")
        kept |= self.overlapping("lock", "state = 'active'")
        assert self.was_kept & kept <= self.ring.on_disk()
        self.was_kept = kept & self.ring.on_disk()

    @invariant()
    def every_file_has_a_row_and_every_missing_one_a_record(self):
        on_disk = self.ring.on_disk()
        assert on_disk <= self.recorded
        bodies = [record.body for record in self.ring.envelopes()]
        pruned = [body for body in bodies if isinstance(body, PruneRecord)]
        names = [(body.camera_id, body.segment) for body in pruned]
        assert len(names) == len(set(names))
        assert self.recorded - on_disk == set(names)
        for body in pruned:
            record = bodies[body.segment_leaf]
            assert isinstance(record, SegmentRecord)
            assert (record.camera_id, record.segment) == (body.camera_id, body.segment)

    @invariant()
    def every_lock_that_ended_has_a_record(self):
        ended = {
            lock.raised_id
            for lock in self.ring.locks.page(after=-1, limit=1000)
            if lock.state != "active"
        }
        assert ended <= {record.raised_id for record in self.ring.records(UnlockRecord)}

    def teardown(self):
        self.ring.close()
        self.directory.cleanup()


TestRetention = RetentionMachine.TestCase
TestRetention.settings = settings(max_examples=30, stateful_step_count=40)
