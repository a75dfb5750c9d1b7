"""No row is lost, deleted unacknowledged or in the way of others, whatever the broker does."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roeh.core.clock import NS_PER_S
from roeh.core.delivery import OutboxItem, OutboxKind
from roeh.publish.window import Verdict, Window

SUCCESS, UNREAD, REFUSED = 0x00, 0x10, 0x87
CAP_S = 60.0


def row(number, kind=OutboxKind.ALERT, priority=5):
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


def window_with(*items, size=19):
    window = Window(size, CAP_S)
    window.accept(items, 0)
    return window


def send_all(window, now_ns=0, first_packet=1):
    """Everything that may go now: packet id to row."""
    packets = {}
    while (item := window.next_to_send(now_ns)) is not None:
        packet_id = first_packet + len(packets)
        window.sent(item, packet_id, now_ns)
        packets[packet_id] = item.row
    return packets


def test_urgent_rows_go_first_then_older_ones():
    window = window_with(row(1), row(2, priority=9), row(3), row(4, priority=9))
    assert list(send_all(window).values()) == [2, 4, 1, 3]


def test_a_row_is_deleted_only_after_success():
    window = window_with(row(1), row(2))
    send_all(window)
    assert window.to_delete() == ()
    assert window.answered(1, SUCCESS, 0).verdict is Verdict.DELIVERED
    assert window.answered(2, REFUSED, 0).verdict is Verdict.REFUSED
    assert window.to_delete() == (1,)
    assert set(window.known_rows(0)) == {1, 2}
    window.deleted((1,))
    assert window.known_rows(0) == (2,)


def test_a_refused_row_may_be_leased_again_later_and_later():
    window = window_with(row(1))
    now_ns = 0
    waits_s = []
    for _ in range(9):
        window.accept([row(1)], now_ns)
        while not (packets := send_all(window, now_ns)):
            now_ns = window.wakes_ns(now_ns)
        window.answered(next(iter(packets)), REFUSED, now_ns)
        refused_ns = now_ns
        while window.known_rows(now_ns):
            now_ns += NS_PER_S // 10
        waits_s.append((now_ns - refused_ns) / NS_PER_S)
    assert waits_s == pytest.approx([0.5, 1, 2, 4, 8, 16, 32, 60, 60], abs=0.11)


def test_a_row_that_is_refused_does_not_hold_up_the_others():
    window = window_with(row(1, priority=9), *(row(number) for number in range(2, 6)))
    assert window.answered(1, SUCCESS, 0) is None
    packets = send_all(window)
    poison = next(packet for packet, number in packets.items() if number == 1)
    window.answered(poison, REFUSED, 0)
    for packet in packets:
        window.answered(packet, SUCCESS, 0)
    assert set(window.to_delete()) == {2, 3, 4, 5}


def test_alerts_that_nobody_reads_are_kept_and_asked_about_one_by_one():
    window = window_with(row(1), row(2), row(3))
    for packet in send_all(window):
        assert window.answered(packet, UNREAD, 0).verdict is Verdict.UNREAD
    assert window.unread
    assert window.to_delete() == ()
    assert send_all(window, 0) == {}
    wake_ns = window.wakes_ns(0)
    assert list(send_all(window, wake_ns, 10).values()) == [1]
    window.answered(10, SUCCESS, wake_ns)
    assert not window.unread
    assert list(send_all(window, wake_ns, 20).values()) == [2, 3]


def test_who_comes_to_read_waits_ten_seconds_at_the_most():
    window = window_with(row(1))
    now_ns = 0
    for packet in range(1, 20):
        window.sent(window.next_to_send(now_ns), packet, now_ns)
        window.answered(packet, UNREAD, now_ns)
        before_ns, now_ns = now_ns, window.wakes_ns(now_ns)
        assert now_ns - before_ns <= 10 * NS_PER_S


def test_a_picture_that_nobody_reads_goes_where_alerts_are_read():
    window = window_with(row(1), row(2, OutboxKind.THUMBNAIL))
    send_all(window)
    window.answered(1, SUCCESS, 0)
    assert window.answered(2, UNREAD, 0).verdict is Verdict.DELIVERED


def test_a_picture_waits_while_alerts_are_not_read_either():
    window = window_with(row(1), row(2, OutboxKind.THUMBNAIL))
    send_all(window)
    window.answered(1, UNREAD, 0)
    assert window.answered(2, UNREAD, 0).verdict is Verdict.UNREAD


def test_a_row_that_breaks_the_connection_is_found_out():
    """A packet that the broker cannot bear ends the connection, each time anew."""
    window = window_with(row(1), row(2), row(3))
    refused = ()
    for _ in range(10):
        packets = send_all(window)
        if 1 not in packets.values():
            break
        refused = window.connection_lost(0)
    assert refused == (1,)
    now_ns = window.wakes_ns(0)
    assert list(send_all(window, now_ns).values()) == [2]


@given(st.data())
def test_nothing_is_lost_or_deleted_unacknowledged_whatever_happens(data):
    size = data.draw(st.integers(1, 20))
    kinds = st.sampled_from(list(OutboxKind))
    outbox = {
        number: row(number, data.draw(kinds), data.draw(st.integers(1, 9)))
        for number in range(data.draw(st.integers(1, 30)))
    }
    everything = set(outbox)
    window = Window(size, CAP_S)
    now_ns, packet, acknowledged, in_flight = 0, 0, set(), {}

    def lease():
        known = set(window.known_rows(now_ns))
        free = [item for number, item in outbox.items() if number not in known]
        window.accept(free[: window.room()], now_ns)

    def delete():
        for number in window.to_delete():
            assert number in acknowledged
            outbox.pop(number, None)
        window.deleted(window.to_delete())

    for _ in range(data.draw(st.integers(0, 60))):
        step = data.draw(st.sampled_from(["lease", "send", "answer", "break", "delete", "wait"]))
        if step == "lease":
            lease()
        elif step == "send" and (item := window.next_to_send(now_ns)) is not None:
            assert item.row not in in_flight.values()
            packet += 1
            in_flight[packet] = item.row
            window.sent(item, packet, now_ns)
            assert window.in_flight <= size
        elif step == "answer" and in_flight:
            answered = data.draw(st.sampled_from(sorted(in_flight)))
            code = data.draw(st.sampled_from([SUCCESS, UNREAD, REFUSED, 0x97]))
            verdict = window.answered(answered, code, now_ns).verdict
            number = in_flight.pop(answered)
            assert (verdict is Verdict.REFUSED) == (code >= 0x80)
            if verdict is Verdict.DELIVERED:
                acknowledged.add(number)
        elif step == "break":
            window.connection_lost(now_ns)
            in_flight.clear()
        elif step == "delete":
            delete()
        elif step == "wait":
            now_ns += data.draw(st.integers(0, 100)) * NS_PER_S

    # From now on the broker takes everything: in the end it has every row.
    for _ in range(200):
        now_ns += 61 * NS_PER_S
        lease()
        for sent_packet, number in send_all(window, now_ns, packet + 1).items():
            packet = sent_packet
            in_flight[sent_packet] = number
        for sent_packet, number in list(in_flight.items()):
            window.answered(sent_packet, SUCCESS, now_ns)
            acknowledged.add(number)
        in_flight.clear()
        delete()
        if not outbox:
            break
    assert not outbox
    assert acknowledged == everything
