"""With a desk: whatever comes and goes, no row is lost, too many are never under way."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from roeh.core.clock import NS_PER_S
from roeh.core.delivery import MAX_NAMED_ROWS, OutboxItem, OutboxKind
from roeh.publish.pace import WIRE_OVERHEAD_BYTES, Pace
from roeh.publish.suspects import MAX_SUSPECTS
from roeh.publish.taken import TakenRows
from roeh.publish.window import Window

SUCCESS, UNREAD, REFUSED = 0x00, 0x10, 0x87
PATIENCE_S, CAP_S = 30.0, 60.0


def row(number, kind, priority):
    return OutboxItem(
        row=number,
        kind=kind,
        alert_id=f"alert-{number}",
        seq=number,
        priority=priority,
        payload=b"{}",
        payload_sha256=hashlib.sha256(b"{}").hexdigest(),
        t_stored_mono_us=0,
        boot_id="boot",
    )


class Delivery:
    """An outbox, a window, a broker and a desk, a step at a time."""

    def __init__(self, size, outbox, drawn=1.0):
        self.size = size
        self.outbox = outbox
        taken = TakenRows(PATIENCE_S, CAP_S, jitter=lambda bound: drawn * bound)
        self.window = Window(size, CAP_S, taken)
        self.now_ns = 0
        self.packet = 0
        self.unanswered = {}
        self.with_broker = set()
        self.sent = []

    def check(self):
        assert self.window.in_flight <= self.size
        assert len(self.unanswered) <= self.size
        assert self.window.to_delete() == (), "nothing is deleted on the broker's word"

    def lease(self):
        known = set(self.window.known_rows(self.now_ns))
        free = sorted(
            (item for number, item in self.outbox.items() if number not in known),
            key=lambda item: (-item.priority, item.row),
        )
        self.window.accept(free[: self.window.room()], self.now_ns)

    def send(self):
        self.window.send_overdue_again(self.now_ns)
        while (item := self.window.next_to_send(self.now_ns)) is not None:
            assert item.row not in self.unanswered.values()
            self.packet += 1
            self.unanswered[self.packet] = item.row
            self.sent.append(item.row)
            self.window.sent(item, self.packet, self.now_ns)
            self.check()

    def answer(self, packet, code):
        number = self.unanswered.pop(packet)
        self.window.answered(packet, code, self.now_ns)
        if code == SUCCESS:
            self.with_broker.add(number)

    def acknowledge(self, numbers):
        for number in numbers:
            self.outbox.pop(number, None)
        self.window.acknowledged(numbers, self.now_ns)

    def break_connection(self):
        self.unanswered.clear()
        self.window.connection_lost(self.now_ns)


@given(st.data())
def test_no_row_is_lost_and_the_window_holds_whatever_happens(data):
    kinds = st.sampled_from([OutboxKind.ALERT, OutboxKind.THUMBNAIL])
    everything = range(data.draw(st.integers(1, 30)))
    outbox = {n: row(n, data.draw(kinds), data.draw(st.integers(1, 9))) for n in everything}
    delivery = Delivery(data.draw(st.integers(1, 18)), outbox)
    steps = st.sampled_from(
        ["lease", "send", "answer", "early", "acknowledge", "strange", "break", "anew", "wait"]
    )
    for _ in range(data.draw(st.integers(0, 60))):
        step = data.draw(steps)
        if step == "lease":
            delivery.lease()
        elif step == "send":
            delivery.send()
        elif step == "answer" and delivery.unanswered:
            packet = data.draw(st.sampled_from(sorted(delivery.unanswered)))
            delivery.answer(packet, data.draw(st.sampled_from([SUCCESS, UNREAD, REFUSED])))
        elif step == "early" and delivery.unanswered:
            delivery.acknowledge([data.draw(st.sampled_from(sorted(delivery.unanswered.values())))])
        elif step == "acknowledge" and delivery.with_broker:
            delivery.acknowledge([data.draw(st.sampled_from(sorted(delivery.with_broker)))])
        elif step == "strange":
            delivery.acknowledge([1_000_000])
        elif step == "break":
            delivery.break_connection()
        elif step == "anew":
            delivery.window.lease_anew()
        elif step == "wait":
            delivery.now_ns += data.draw(st.integers(0, 100)) * NS_PER_S
        delivery.check()

    # The desk is silent, then answers: every row is offered again, and goes.
    waiting = set(delivery.outbox)
    delivery.sent.clear()
    turns = 0
    while delivery.outbox:
        turns += 1
        assert turns <= 600, "a row is not offered again"
        delivery.now_ns += 10 * NS_PER_S
        before = len(delivery.sent)
        delivery.lease()
        delivery.send()
        for packet in list(delivery.unanswered):
            delivery.answer(packet, SUCCESS)
        if turns > 20:
            delivery.acknowledge(delivery.sent[before:])
        delivery.check()
    assert waiting <= set(delivery.sent)


@given(
    max_bps=st.integers(100, 10_000_000),
    steps=st.lists(st.tuples(st.integers(0, 5 * NS_PER_S), st.integers(1, 20_000)), max_size=60),
)
def test_no_stretch_of_time_carries_more_than_the_bound_and_a_message(max_bps, steps):
    pace, now_ns, sent = Pace(max_bps), 0, []
    for wait_ns, size_bytes in steps:
        now_ns += wait_ns
        if pace.may_send(now_ns):
            pace.sent(size_bytes, now_ns)
            sent.append((now_ns, (size_bytes + WIRE_OVERHEAD_BYTES) * 8))
        else:
            assert pace.wakes_ns(now_ns) > now_ns
    for first, (begin_ns, _) in enumerate(sent):
        for end_ns, bits in sent[first:]:
            stretch = [b for at_ns, b in sent[first:] if at_ns <= end_ns]
            bound = max_bps * ((end_ns - begin_ns) / NS_PER_S + 1) + max(stretch) + len(stretch)
            assert sum(stretch) <= bound, bits


@given(size_bytes=st.integers(1, 1_000_000))
def test_without_a_bound_nothing_waits(size_bytes):
    pace = Pace(0)
    pace.sent(size_bytes, 0)
    assert pace.may_send(0)


@given(st.data())
def test_rows_that_the_desk_never_acknowledges_do_not_hold_up_the_others(data):
    """However many they are and however urgent, whenever the good ones come."""
    size = data.draw(st.integers(4, 18))
    unbearable = {n: row(n, OutboxKind.ALERT, 9) for n in range(data.draw(st.integers(0, 60)))}
    good = {
        n: row(n, OutboxKind.ALERT, data.draw(st.integers(1, 9)))
        for n in range(100, 100 + data.draw(st.integers(1, 10)))
    }
    comes_s = data.draw(st.integers(0, 600))
    delivery = Delivery(size, dict(unbearable), data.draw(st.sampled_from([0.01, 0.5, 1.0])))
    # With 18 places and 60 of them this is five times the patience.
    rounds = 2 + len(unbearable) // (size - size // 4)
    for second in range(comes_s + int(rounds * PATIENCE_S) + 1):
        delivery.now_ns = second * NS_PER_S
        if second == comes_s:
            delivery.outbox.update(good)
        for _ in range(2):
            delivery.lease()
            delivery.send()
            for packet in list(delivery.unanswered):
                delivery.answer(packet, SUCCESS)
            delivery.acknowledge([n for n in sorted(delivery.with_broker) if n in good])
            delivery.with_broker.clear()
            delivery.check()
    assert not delivery.outbox.keys() & good.keys()
    assert delivery.outbox.keys() == unbearable.keys()


def test_more_suspects_than_a_lease_can_name_let_what_is_more_urgent_past():
    unbearable = {n: row(n, OutboxKind.ALERT, 5) for n in range(2 * MAX_NAMED_ROWS)}
    delivery = Delivery(18, unbearable)
    urgent = 10_000

    turn_s = 5

    def a_turn():
        delivery.now_ns += turn_s * NS_PER_S
        delivery.lease()
        delivery.send()
        for packet in list(delivery.unanswered):
            delivery.answer(packet, SUCCESS)
        delivery.check()

    for _ in range(3600 // turn_s):
        a_turn()
    assert len(set(delivery.sent)) > MAX_SUSPECTS - 18
    before = len(delivery.sent)
    for _ in range(3600 // turn_s):
        a_turn()
    assert len(delivery.sent) - before <= 75, "those that are forgotten come no faster"
    delivery.outbox[urgent] = row(urgent, OutboxKind.ALERT, 9)
    for _ in range(3 * int(CAP_S) // turn_s):
        a_turn()
    assert urgent in delivery.sent
