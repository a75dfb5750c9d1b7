"""Whatever is stored, sent, evicted or interrupted: bounded, ordered, and nothing forgotten."""

import tempfile
from pathlib import Path

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from roeh.core.clock import SimulatedClock
from roeh.core.peers import OutboxKind
from roeh.core.types import MAX_TOMBSTONE_BYTES, Alert, AlertPhase
from roeh.ledger.outbox import ROW_OVERHEAD_BYTES
from tests.alert_drafts import alert_draft
from tests.stores import AloneStore

MAX_BYTES = 65536
#: Memory, where there is: what a disk does is tested elsewhere.
DIRECTORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


class OutboxMachine(RuleBasedStateMachine):
    """A pole's outbox against what must hold of it."""

    def __init__(self):
        super().__init__()
        self.directory = tempfile.TemporaryDirectory(prefix="roeh-", dir=DIRECTORY)
        self.store = self.open()
        self.drafts = {}  # seq → what was stored
        self.answered = set()  # rows that were delivered
        self.in_flight = ()
        self.lost_thumbnails = 0

    def open(self):
        return AloneStore(
            Path(self.directory.name) / "node.db",
            SimulatedClock(),
            outbox_max_bytes=MAX_BYTES,
            history_max_bytes=MAX_BYTES,
        )

    def waiting(self):
        return self.store.lease(limit=10_000, in_flight_rows=(), wait_s=0).items

    @rule(
        phase=st.sampled_from(AlertPhase),
        priority=st.integers(1, 9),
        thumbnail=st.none() | st.integers(1, 8192).map(bytes),
        rule_length=st.integers(1, 6000),
    )
    def store_alert(self, phase, priority, thumbnail, rule_length):
        draft = alert_draft(
            phase=phase, priority=priority, thumbnail=thumbnail, rule="r" * rule_length
        )
        seq = self.store.store(draft, thumbnail)
        assert seq == len(self.drafts) + 1
        self.drafts[seq] = draft

    @precondition(lambda self: self.drafts)
    @rule(choice=st.integers(0))
    def store_again(self, choice):
        """A client that did not hear the answer asks again."""
        seq = max(1, len(self.drafts) - choice % 5)
        draft = self.drafts[seq]
        if draft.thumbnail_sha256 is None:
            before = self.store.counts()
            if any(item.seq == seq for item in self.waiting()):
                assert self.store.store(draft, None) == seq
                assert self.store.counts() == before

    @rule(limit=st.integers(1, 20))
    def lease(self, limit):
        items = self.store.lease(limit=limit, in_flight_rows=self.in_flight, wait_s=0).items
        rows = [item.row for item in items]
        assert not set(rows) & set(self.in_flight)
        assert not set(rows) & self.answered
        assert [(-item.priority, item.row) for item in items] == sorted(
            (-item.priority, item.row) for item in items
        )
        self.in_flight = (*self.in_flight, *rows)

    @rule(share=st.floats(0, 1))
    def deliver(self, share):
        count = round(share * len(self.in_flight))
        rows, self.in_flight = self.in_flight[:count], self.in_flight[count:]
        self.store.delivered(rows)
        self.answered.update(rows)

    @rule()
    def restart(self):
        before = self.store.counts()
        self.store.close()
        self.store = self.open()
        self.in_flight = ()
        assert self.store.counts() == before

    @invariant()
    def bounded_by_bytes_whatever_comes(self):
        items = self.waiting()
        tombstones = [item for item in items if item.kind is OutboxKind.TOMBSTONE]
        buried_bytes = sum(len(item.payload) + ROW_OVERHEAD_BYTES for item in tombstones)
        size_bytes = self.store.counts().size_bytes
        assert size_bytes == sum(len(item.payload) + ROW_OVERHEAD_BYTES for item in items)
        assert size_bytes <= max(MAX_BYTES, buried_bytes)
        assert all(len(item.payload) <= MAX_TOMBSTONE_BYTES for item in tombstones)

    @invariant()
    def every_alert_waits_or_was_delivered_or_is_named_by_a_tombstone(self):
        items = self.waiting()
        accounted = {item.seq for item in items if item.kind is not OutboxKind.THUMBNAIL}
        accounted |= {row // 4 for row in self.answered if row % 4 in (0, 2)}
        assert accounted == set(self.drafts)

    @invariant()
    def what_waits_is_what_was_stored(self):
        for item in self.waiting():
            if item.kind is OutboxKind.ALERT:
                draft = self.drafts[item.seq]
                expected = Alert(**msgspec.structs.asdict(draft), seq=item.seq)
                assert msgspec.json.decode(item.payload, type=Alert) == expected

    def teardown(self):
        self.store.close()
        self.directory.cleanup()


TestOutbox = OutboxMachine.TestCase
TestOutbox.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
