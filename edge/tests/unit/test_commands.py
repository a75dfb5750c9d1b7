"""A command is believed, taken once, carried out or refused with its reason, and answered."""

import logging
import random
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.errors import MessageRefused
from roeh.core.orders import (
    REASONS,
    HoldOrder,
    LogLevelOrder,
    Outcome,
    Reason,
    RestartOrder,
    ScheduleOrder,
    SeqRange,
    SnapshotOrder,
)
from roeh.core.peers import Role
from roeh.transport.signed import StatementKind
from tests.commanded_nodes import CommandedNode
from tests.ledgers import FileLogKey
from tests.rings import BOOT, S
from tests.signing_desks import MINUTE_US, RESEND

SNAPSHOT = SnapshotOrder(camera_id="north")
OTHER_BOOT = "00000000-0000-4000-8000-00000000beef"
DAY_US = 24 * 60 * MINUTE_US


@pytest.fixture
def node(memory_directory):
    node = CommandedNode(memory_directory)
    yield node
    node.close()


def now_us(node):
    return node.clock.read().t_utc_ns // 1000


def schedule(node, minutes, mode="always", rule="gate"):
    return ScheduleOrder(rule=rule, mode=mode, until_utc_us=now_us(node) + minutes * MINUTE_US)


# --- what is believed


def altered(node):
    return node.desk.sign(node.desk.command(SNAPSHOT)).replace(b"a.visser", b"b.visser")


def by_another_key(node):
    return node.desk.sign(node.desk.command(SNAPSHOT), key=ed25519.Ed25519PrivateKey.generate())


def for_another_node(node):
    return node.desk.sign(node.desk.command(SNAPSHOT), addressee="harbour/pole-8")


def of_another_kind(node):
    return node.desk.sign(node.desk.command(SNAPSHOT), kind=StatementKind.ACK)


def with_another_node_inside(node):
    return node.desk.sign(node.desk.command(SNAPSHOT, node="pole-8"))


def that_is_no_command(node):
    return node.desk.sign({"order": {"kind": "release", "hold_id": "x"}})


def that_is_nothing(_node):
    return b"\xff\x00"


@pytest.mark.parametrize(
    "forged",
    [
        altered,
        by_another_key,
        for_another_node,
        of_another_kind,
        with_another_node_inside,
        that_is_no_command,
        that_is_nothing,
    ],
)
def test_what_is_not_to_be_believed_is_counted_and_never_answered(node, forged):
    node.give(forged(node))
    assert len(node.refused) == 1
    assert node.leased() == ()
    assert node.recorded() == []


def test_without_a_desk_nobody_is_believed(node):
    statement = node.desk.sign(node.desk.command(SNAPSHOT))
    node.desk.key = ed25519.Ed25519PrivateKey.generate()
    node.give(statement)
    assert len(node.refused) == 1


# --- what is refused


@pytest.mark.parametrize(
    ("order", "fields", "reason"),
    [
        (SNAPSHOT, {"boot_id": OTHER_BOOT}, Reason.ANOTHER_BOOT),
        (RESEND, {"boot_id": OTHER_BOOT}, Reason.ANOTHER_BOOT),
        (SNAPSHOT, {"not_before_utc_us": 2**52, "expires_utc_us": 2**52 + 1}, Reason.NOT_YET),
        (SNAPSHOT, {"not_before_utc_us": 1, "expires_utc_us": 2}, Reason.EXPIRED),
        (RESEND, {"not_before_utc_us": 1, "expires_utc_us": 2}, Reason.EXPIRED),
        (SNAPSHOT, {"not_before_utc_us": 1}, Reason.LIVES_TOO_LONG),
        (SnapshotOrder(camera_id="south"), {}, Reason.NO_SUCH_CAMERA),
        (
            HoldOrder(camera_ids=("north", "south"), from_utc_us=1, to_utc_us=2, reason="x"),
            {},
            Reason.NO_SUCH_CAMERA,
        ),
        (HoldOrder(from_utc_us=2, to_utc_us=2, reason="x"), {}, Reason.SPAN_IS_EMPTY),
        (HoldOrder(from_utc_us=1, to_utc_us=2, reason="x"), {}, Reason.NOTHING_RECORDED),
        (
            ScheduleOrder(rule="nowhere", mode="always", until_utc_us=2**52),
            {},
            Reason.NO_SUCH_RULE,
        ),
        (ScheduleOrder(rule="gate", mode="never", until_utc_us=5), {}, Reason.OVER_ALREADY),
        (ScheduleOrder(rule="gate", mode="never", until_utc_us=2**52), {}, Reason.TOO_FAR_AHEAD),
        (HoldOrder(from_utc_us=1, to_utc_us=2**52, reason="x"), {}, Reason.TOO_FAR_AHEAD),
    ],
)
def test_a_refusal_is_answered_with_its_word_and_is_a_record(node, order, fields, reason):
    command = node.order(order, **fields)
    assert node.said() == [("refused", reason.value)]
    assert node.recorded() == [(command.id, "refused", reason.value)]
    assert [node.orders(role) for role in (Role.DETECT, Role.CAPTURE)] == [(), ()]


def test_without_a_synchronised_clock_only_what_does_no_harm_twice_is_taken(memory_directory):
    clock = SimulatedClock(boot_id=BOOT, synchronised=False, utc_error_ns=3600 * NS_PER_S)
    node = CommandedNode(memory_directory, clock)
    node.order(SNAPSHOT)
    node.order(LogLevelOrder(process="evidence", level="debug"))
    assert node.said() == [("refused", "clock_not_synchronised")] * 2
    node.order(RESEND)
    assert node.said() == [("done", "")]
    node.close()


@pytest.mark.parametrize(
    ("begins_s", "ends_s", "reason"),
    [(-3, 600, ""), (-1, 600, "not_yet"), (-600, 3, ""), (-600, 1, "expired")],
)
def test_the_clocks_error_is_on_the_refusing_side(memory_directory, begins_s, ends_s, reason):
    clock = SimulatedClock(boot_id=BOOT, utc_error_ns=2 * NS_PER_S)
    node = CommandedNode(memory_directory, clock)
    node.order(
        SNAPSHOT,
        not_before_utc_us=now_us(node) + begins_s * 1_000_000,
        expires_utc_us=now_us(node) + ends_s * 1_000_000,
    )
    assert node.said() == [("refused" if reason else "accepted", reason)]
    node.close()


@pytest.mark.parametrize(("life_us", "outcome"), [(DAY_US, "accepted"), (DAY_US + 1, "refused")])
def test_nothing_is_valid_for_more_than_a_day(node, life_us, outcome):
    begins_us = now_us(node) - MINUTE_US
    node.order(SNAPSHOT, not_before_utc_us=begins_us, expires_utc_us=begins_us + life_us)
    ((said, _),) = node.said()
    assert said == outcome


def test_every_reason_has_a_meaning_and_the_page_says_it():
    assert set(REASONS) == set(Reason)
    page = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text().splitlines()
    rows = [f"| `{reason.value}` | {REASONS[reason]} |" for reason in Reason]
    words = tuple(f"| `{reason.value}` |" for reason in Reason)
    assert [line for line in page if line.startswith(words)] == rows


# --- once


def test_a_command_that_comes_again_gets_the_same_answer_and_is_not_done_again(node):
    command = node.order(RESEND)
    first = node.deliver()
    node.take(command)
    assert node.deliver() == first
    assert len(node.resent) == 1
    assert len(node.recorded()) == 2


def test_what_was_refused_stays_refused(node):
    command = node.order(SNAPSHOT, not_before_utc_us=now_us(node) + MINUTE_US)
    assert node.said() == [("refused", "not_yet")]
    node.clock.advance(120.0)
    node.take(command)
    assert node.said() == [("refused", "not_yet")]


def test_an_answer_that_is_on_its_way_is_not_doubled(node):
    command = node.order(RESEND)
    node.take(command)
    node.take(command)
    assert len(node.leased()) == 1


def test_an_answer_is_signed_once_however_often_it_is_asked_for(memory_directory):
    key = FileLogKey()
    node = CommandedNode(memory_directory, key=key)
    command = node.order(RESEND)
    for _ in range(5):
        assert [item.command_id for item in node.leased()] == [command.id]
    node.deliver()
    node.take(command)
    assert len(node.deliver()) == 1
    assert len(key.signed) == 1
    node.close()


def test_publish_names_what_it_has_and_is_given_the_rest(node):
    node.order(RESEND)
    (first,) = node.leased()
    node.order(RESEND)
    (second,) = node.leased(first.row)
    assert second.row > first.row


def test_a_forgotten_command_has_expired_whatever_the_clock_says_later(node):
    command = node.order(SNAPSHOT)
    (item,) = node.orders()
    node.done(Role.DETECT, item.row, Outcome.DONE)
    node.deliver()
    node.clock.advance(2 * 3600)
    node.commands.sweep()
    node.clock.step_utc(-2 * 3600)
    node.take(command)
    assert node.said() == [("refused", "expired")]
    assert node.orders() == ()


def test_of_answers_that_nobody_takes_the_newest_wait(node):
    given = [node.order(RESEND) for _ in range(1100)]
    node.commands.sweep()
    rows = [item.row for item in node.leased()]
    known = tuple(rows)
    while items := node.leased(*known):
        known += tuple(item.row for item in items)
    assert len(known) == 1000
    assert node.commands.counters()["answers_dropped"] == 100
    node.take(given[0])
    (again,) = node.leased(*known)
    assert again.command_id == given[0].id


def picture_order(node, picture):
    node.order(SNAPSHOT)
    (item,) = node.orders(after=-1)
    node.done(Role.DETECT, item.row, Outcome.DONE, picture=picture)


def test_of_a_picture_that_was_shown_no_byte_stays_in_the_file(node, memory_directory):
    picture = random.Random(6).randbytes(7000)
    picture_order(node, picture)
    node.deliver()

    def found():
        node.restart()  # what is only in the write-ahead log comes into the file
        content = (memory_directory / "node.db").read_bytes()
        return [picture[first : first + 50] in content for first in range(0, 7000, 1000)]

    assert any(found())
    node.clock.advance(2 * 3600)
    node.commands.sweep()
    assert not any(found())


def test_pictures_that_nobody_fetches_are_bounded(node):
    for number in range(300):
        picture_order(node, b"picture %d" % number)
    node.commands.sweep()
    with node.ring.database.reading() as connection:
        found = connection.execute(
            "SELECT count(*), max(row) = (SELECT max(row) FROM command) FROM command"
            " WHERE picture IS NOT NULL"
        ).fetchone()
    assert found == (256, 1)


# --- evidence's own orders


def test_a_hold_is_placed_in_the_name_of_who_ordered_it(node):
    node.ring.segment(seconds=10)
    command = node.order(node.desk.hold(-8, -2))
    (answer,) = node.deliver()
    assert (answer.outcome, answer.hold_id) == (Outcome.DONE, command.id)
    (hold,) = node.ring.holds.page(after=-1, limit=10)
    assert hold.hold_id == command.id
    assert node.names.read() == {hold.person: "a.visser@haifa-command"}
    assert [(s.camera_id, s.from_mono_us, s.to_mono_us) for s in hold.spans] == [
        ("north", 2_000_000, 8_000_000)
    ]
    assert [kind for _, kind, _ in node.recorded()] == ["accepted", "done"]


def test_a_hold_that_reaches_ahead_holds_what_comes_though_a_segment_has_just_closed(node):
    node.ring.segment(seconds=10)
    now_us = node.clock.read().t_utc_ns // 1000
    node.order(HoldOrder(from_utc_us=now_us - S, to_utc_us=now_us + 60 * S, reason="theft"))
    assert node.said() == [("done", "")]
    (hold,) = node.ring.holds.page(after=-1, limit=10)
    (span,) = hold.spans
    assert span.to_mono_us == node.ring.now_us() + 60 * S


def test_a_hold_names_its_cameras(node):
    node.ring.segment(camera="old", seconds=10)
    node.order(node.desk.hold(-8, -2, cameras=("north",)))
    assert node.said() == [("refused", "nothing_recorded")]
    node.order(node.desk.hold(-8, -2))
    assert node.said() == [("done", "")]


def test_a_resend_names_what_is_not_there(node):
    for _ in range(2):
        node.ring.alert()
    node.order(RESEND)
    (answer,) = node.deliver()
    assert answer.absent == (SeqRange(3, 3),)


def test_evidence_says_more_until_it_is_started_again(node):
    logger = logging.getLogger("roeh")
    before = logger.level
    try:
        node.order(LogLevelOrder(process="evidence", level="debug"))
        assert logger.level == logging.DEBUG
        assert node.said() == [("done", "")]
    finally:
        logger.setLevel(before)


def test_evidence_restarts_once_and_then_says_that_it_is_done(node):
    command = node.order(RestartOrder(process="evidence"))
    assert node.is_ending
    node.restart()
    assert node.said() == [("done", "")]
    node.take(command)
    assert node.said() == [("done", "")]
    assert not node.is_ending


# --- orders for others


def test_an_order_is_forwarded_to_its_process_alone(node):
    node.order(SNAPSHOT)
    assert node.orders(Role.CAPTURE) == ()
    (item,) = node.orders(Role.DETECT)
    assert item.order == SNAPSHOT
    with pytest.raises(Exception, match="not an order of this process"):
        node.done(Role.CAPTURE, item.row, Outcome.DONE)


def test_a_picture_travels_with_its_answer(node):
    command = node.order(SNAPSHOT)
    assert node.said() == [("accepted", "")]
    (item,) = node.orders()
    node.done(Role.DETECT, item.row, Outcome.DONE, picture=b"jpeg")
    (leased,) = node.leased()
    assert (leased.command_id, leased.picture) == (command.id, b"jpeg")
    (answer,) = node.deliver()
    assert answer.picture_sha256 is not None


@pytest.mark.parametrize(
    ("order", "outcome", "picture"),
    [
        (SNAPSHOT, Outcome.ACCEPTED, None),
        (SNAPSHOT, Outcome.REFUSED, None),
        (LogLevelOrder(process="detect", level="info"), Outcome.DONE, b"jpeg"),
    ],
)
def test_a_process_says_done_or_failed_and_shows_only_what_was_asked_for(
    node, order, outcome, picture
):
    node.order(order)
    (item,) = node.orders()
    with pytest.raises(MessageRefused, match="not what can become"):
        node.done(Role.DETECT, item.row, outcome, picture=picture)
    node.done(Role.DETECT, item.row, Outcome.FAILED, "no_picture")
    assert node.said() == [("failed", "no_picture")]


def test_what_became_of_an_order_is_said_once(node):
    node.order(SNAPSHOT)
    (item,) = node.orders()
    node.done(Role.DETECT, item.row, Outcome.FAILED, "no_picture")
    node.done(Role.DETECT, item.row, Outcome.DONE)
    assert node.said() == [("failed", "no_picture")]


def test_an_order_that_nobody_answers_has_failed(node):
    node.order(SNAPSHOT)
    node.deliver()
    node.clock.advance(61.0)
    node.commands.sweep()
    assert node.said() == [("failed", "no_answer")]
    assert node.orders() == ()
    assert node.commands.counters()["orders_unanswered"] == 1


def test_what_was_done_while_evidence_was_away_is_believed_when_it_is_back(node):
    node.order(schedule(node, minutes=30, mode="never"))
    (item,) = node.orders()
    node.deliver()
    node.clock.advance(100.0)
    node.restart()
    node.done(Role.DETECT, item.row, Outcome.DONE)
    assert node.said() == [("done", "")]


def test_an_order_lost_on_its_way_is_given_again_to_the_same_process(node):
    node.orders(after=-1)
    node.order(SNAPSHOT)
    assert node.orders(after=0) == node.orders(after=0)


def test_what_a_process_left_undone_is_not_done_by_the_next(node):
    node.order(SNAPSHOT)
    (item,) = node.orders(after=0)
    node.deliver()
    assert node.orders(after=-1) == ()
    assert node.said() == [("failed", "process_ended")]
    assert node.orders(after=item.row) == ()


def test_a_restart_is_done_when_the_process_has_begun_again(node):
    node.order(RestartOrder(process="capture"))
    node.deliver()
    assert node.commands.restarting() == ()
    (item,) = node.orders(Role.CAPTURE)
    assert node.commands.restarting() == ("capture",)
    assert node.orders(Role.CAPTURE, after=-1) == ()
    assert node.said() == [("done", "")]
    assert node.commands.restarting() == ()
    assert item.order.process == "capture"


def test_a_schedule_comes_again_to_a_detect_that_was_restarted_until_it_ends(node):
    node.order(schedule(node, minutes=30))
    (item,) = node.orders()
    assert item.until_mono_us == 30 * MINUTE_US
    node.done(Role.DETECT, item.row, Outcome.DONE)
    assert node.orders(after=item.row) == ()
    assert node.orders(after=-1) == (item,)
    node.restart()
    assert node.orders(after=-1) == (item,)
    node.clock.advance(30 * 60)
    assert node.orders(after=-1) == ()


def test_the_newest_schedule_of_a_rule_is_the_one_in_force(node):
    node.order(schedule(node, minutes=30))
    node.order(schedule(node, minutes=10, mode="never"))
    for item in node.orders(after=-1):
        node.done(Role.DETECT, item.row, Outcome.DONE)
    (item,) = node.orders(after=-1)
    assert item.order.mode == "never"
    node.clock.advance(11 * 60)
    assert node.orders(after=-1) == ()


def test_a_schedule_that_failed_leaves_the_one_before_in_force(node):
    node.order(schedule(node, minutes=30))
    (kept,) = node.orders(after=-1)
    node.done(Role.DETECT, kept.row, Outcome.DONE)
    node.order(schedule(node, minutes=60, mode="never"))
    node.clock.advance(61)  # detect is away, and nobody answers
    node.commands.sweep()
    assert node.said()[-1] == ("failed", "no_answer")
    assert node.orders(after=-1) == (kept,)


def test_a_schedule_outlives_its_command(node):
    node.order(schedule(node, minutes=60 * 48))
    (item,) = node.orders()
    node.done(Role.DETECT, item.row, Outcome.DONE)
    node.deliver()
    node.clock.advance(36 * 3600)
    node.commands.sweep()
    assert node.orders(after=-1) == (item,)


def test_nothing_outlives_its_boot(node):
    node.order(schedule(node, minutes=30))
    node.order(SNAPSHOT)
    node.deliver()
    boot = msgspec.structs.replace(node.clock.read(), boot_id=OTHER_BOOT, t_mono_ns=0)
    node.ring.clock = node.clock = node.desk.clock = SimulatedClock(
        t_utc_ns=boot.t_utc_ns, boot_id=OTHER_BOOT
    )
    node.restart()
    assert node.said() == [("failed", "node_restarted")] * 2
    assert node.orders(after=-1) == ()
