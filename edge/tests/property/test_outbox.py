"""Whatever is stored, sent, evicted or interrupted: bounded, ordered, and nothing forgotten."""

import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from roeh.core.delivery import OutboxKind
from roeh.core.errors import MessageRefused, PeerRefused
from roeh.core.orders import SeqRange
from roeh.core.types import MAX_TOMBSTONE_BYTES, Alert, AlertPhase
from roeh.ledger.outbox import ROW_OVERHEAD_BYTES
from tests.alert_drafts import alert_draft
from tests.delivering_nodes import AckingDesk, DeliveringNode, entry

MAX_BYTES = 65536
#: Memory, where there is: what a disk does is tested elsewhere.
DIRECTORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
STRANGER = AckingDesk()


class OutboxMachine(RuleBasedStateMachine):
    """A pole's outbox against what must hold of it, whatever publish and the broker do."""

    def __init__(self):
        super().__init__()
        self.directory = tempfile.TemporaryDirectory(prefix="roeh-", dir=DIRECTORY)
        self.node = DeliveringNode(
            Path(self.directory.name),
            outbox_max_bytes=MAX_BYTES,
            history_max_bytes=MAX_BYTES,
        )
        self.drafts = {}  # seq → what was stored
        self.seen = {}  # row → what was sent under it, whatever became of it since
        self.at_desk = set()  # rows that the desk rightly signed for
        self.in_flight = ()

    @property
    def store(self):
        return self.node.store

    def waiting(self):
        return self.node.waiting()

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
        assert [(-item.priority, item.row) for item in items] == sorted(
            (-item.priority, item.row) for item in items
        )
        self.in_flight = (*self.in_flight, *rows)
        self.seen |= {item.row: item for item in items}

    @precondition(lambda self: self.seen)
    @rule(data=st.data(), is_right=st.booleans())
    def acknowledge(self, data, is_right):
        """The desk signs for any of what was ever sent to it, early, late or once more."""
        items = data.draw(st.lists(st.sampled_from(list(self.seen.values())), min_size=1))
        before = {item.row for item in self.waiting()}
        named = [entry(item, None if is_right else item.payload + b" ") for item in items]
        rows = self.node.acknowledge(self.node.desk.sign(named[:100]))
        gone = before - {item.row for item in self.waiting()}
        if not is_right:
            assert rows == ()
            assert gone == set()
            return
        signed = {item.row for item in items[:100]}
        # With an alert goes a tombstone that stood for it.
        assert gone <= signed | {row + 2 for row in signed if row % 4 == 0}
        assert not signed & {item.row for item in self.waiting()}
        # Of what is forgotten nothing is said: publish lets go of it by itself.
        assert set(rows) <= signed
        self.at_desk |= signed
        self.in_flight = tuple(row for row in self.in_flight if row not in signed)

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def forge(self, data):
        items = data.draw(st.lists(st.sampled_from(list(self.seen.values())), min_size=1))
        before = self.waiting()
        with pytest.raises(MessageRefused):
            self.node.acknowledge(STRANGER.acknowledge(items[:100]))
        with pytest.raises(PeerRefused):
            self.node.delivered(item.row for item in items[:100])
        assert self.waiting() == before

    @precondition(lambda self: self.drafts)
    @rule(first=st.integers(1, 40), count=st.integers(0, 40))
    def resend(self, first, count):
        before = {item.row: item for item in self.waiting()}
        asked = SeqRange(first, first + count)
        absent = {
            seq for each in self.store.resend([asked]) for seq in range(each.first, each.last + 1)
        }
        after = {item.row: item for item in self.waiting()}
        kept = set(self.node.kept())
        buried = {item.seq for item in after.values() if item.kind is OutboxKind.TOMBSTONE}
        numbers = set(range(first, first + count + 1))
        assert absent == numbers - kept - buried
        assert all(row in after or row % 4 == 2 for row in before)
        assert {row // 4 for row in set(after) - set(before)} <= set(
            range(first, first + count + 1)
        )

    @rule()
    def restart(self):
        before = self.store.counts()
        self.node.reopen()
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
    def every_alert_waits_or_is_at_the_desk_or_is_named_by_a_tombstone(self):
        items = self.waiting()
        accounted = {item.seq for item in items if item.kind is not OutboxKind.THUMBNAIL}
        accounted |= {row // 4 for row in self.at_desk if row % 4 in (0, 2)}
        assert accounted == set(self.drafts)

    @invariant()
    def what_is_at_the_desk_is_kept_or_was_let_go_for_room(self):
        """Nothing is in the history that never left the outbox, and the other way round."""
        waiting = {item.seq for item in self.waiting() if item.kind is OutboxKind.ALERT}
        with self.node.ledger.database.reading() as connection:
            history = {seq for (seq,) in connection.execute("SELECT seq FROM history")}
        assert history | waiting == set(self.node.kept())
        assert not history & waiting

    @invariant()
    def what_waits_is_what_was_stored(self):
        for item in self.waiting():
            if item.kind is OutboxKind.ALERT:
                draft = self.drafts[item.seq]
                expected = Alert(**msgspec.structs.asdict(draft), seq=item.seq)
                assert msgspec.json.decode(item.payload, type=Alert) == expected

    def teardown(self):
        self.node.close()
        self.directory.cleanup()


TestOutbox = OutboxMachine.TestCase
TestOutbox.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
