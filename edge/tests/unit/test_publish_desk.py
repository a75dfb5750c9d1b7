"""publish with a desk: rows leave by its signature, and what comes down is handed on, bounded."""

import itertools

import msgspec
import pytest

from roeh.core.clock import NS_PER_S
from roeh.core.delivery import AnswerItem, CheckpointProof, OutboxKind
from roeh.core.errors import MessageRefused
from roeh.core.peers import BoardHealth
from roeh.transport.messages import CheckpointMessage, Incoming, Snapshot, parse_up
from roeh.transport.topics import Channel, Topic
from tests.unit.test_publish_sender import SETTINGS, Pole

COMMAND = "0192f0c1-0000-7000-8000-000000000001"
PICTURE = b"\xff\xd8 picture"


class Desk:
    """Acknowledges what it is sent; a row's number is that of its place in the count."""

    def __init__(self, pole):
        self.pole = pole
        self.is_there = True
        self.ignores = set()
        self._owed = set()
        self.most_owed = 0
        pole.broker.on_arrival = self.take

    def take(self, message):
        is_row = message.topic.channel in (Channel.ALERT, Channel.THUMB)
        if not self.is_there or not is_row or not message.payload.isdigit():
            return
        row = int(message.payload)
        self._owed = (self._owed | {row}) & self.pole.evidence.rows.keys()
        self.most_owed = max(self.most_owed, len(self._owed))
        if row not in self.ignores:
            self.pole.world.after(0.02, lambda: say(self.pole, Channel.ACK, b"ack %d" % row))


def say(pole, channel, payload):
    connection = pole.broker.connection
    if connection is not None:
        topic = str(Topic("harbour", "pole", channel))
        connection.hand_over(Incoming(topic, payload, (), retained=False))


def store(pole, *rows, priority=5):
    for row in rows:
        pole.evidence.store(row, payload=b"%d" % row, priority=priority)


def sent(pole):
    return [int(message.payload) for message in pole.broker.on(Channel.ALERT)]


@pytest.fixture
def pole():
    return Pole(ack="desk")


@pytest.fixture
def desk(pole):
    return Desk(pole)


def test_a_row_leaves_by_the_word_of_the_desk_and_not_of_the_broker(pole, desk):
    desk.is_there = False
    store(pole, 1)
    pole.run(5.0)
    assert sent(pole) == [1]
    assert set(pole.evidence.rows) == {1}
    say(pole, Channel.ACK, b"ack 1")
    pole.run(1.0)
    assert pole.evidence.rows == {}
    pole.run(120.0)
    assert sent(pole) == [1]


def test_everything_arrives_once_with_a_desk_that_answers(pole, desk):
    store(pole, *range(500))
    pole.run(60.0)
    assert pole.evidence.rows == {}
    assert sorted(sent(pole)) == list(range(500))
    assert pole.broker.most_unanswered <= 20


def test_the_node_listens_before_it_sends(pole, desk):
    store(pole, 1)
    pole.run(0.005)
    assert pole.broker.connection.subscribed[0] == "roeh/v1/harbour/pole/down/+"


def test_a_desk_that_is_away_gets_each_row_once_and_then_one_now_and_then(pole, desk):
    desk.is_there = False
    store(pole, *range(100))
    pole.run(29.0)
    window = len(sent(pole))
    assert window == 18
    pole.run(3600.0)
    # Steps of 0.5, 1, 2 ... 60 s: about 70 in an hour.
    assert len(sent(pole)) <= 100 + 75
    assert set(sent(pole)) == set(range(100))
    before = len(sent(pole))
    pole.run(3600.0)
    assert len(sent(pole)) - before <= 75
    assert "does not acknowledge" in pole.evidence.reports[-1].detail
    desk.is_there = True
    pole.run(75.0)
    assert pole.evidence.rows == {}
    assert pole.evidence.reports[-1].state == "ok"


def test_a_desk_that_was_away_for_a_night_is_noticed_within_a_minute_or_two(pole, desk):
    desk.is_there = False
    store(pole, 1, 2)
    pole.run(8 * 3600.0)
    assert len(sent(pole)) <= 2 + 8 * 60 * 2
    desk.is_there = True
    pole.run(135.0)
    assert pole.evidence.rows == {}


def test_an_acknowledgement_that_was_lost_costs_one_row_sent_again(pole, desk):
    desk.ignores = {7}
    store(pole, *range(10))
    pole.run(5.0)
    assert set(pole.evidence.rows) == {7}
    desk.ignores = set()
    pole.run(26.0)
    assert pole.evidence.rows == {}
    assert sorted(sent(pole)) == sorted([*range(10), 7])


@pytest.mark.parametrize(
    ("unbearable", "within_s"), [(3, 40.0), (12, 60.0), (30, 90.0), (60, 150.0), (200, 480.0)]
)
def test_rows_that_the_desk_will_not_have_do_not_hold_up_the_others(
    pole, desk, unbearable, within_s
):
    desk.ignores = set(range(unbearable))
    store(pole, *range(unbearable), priority=9)
    store(pole, *range(100, 400))
    pole.run(within_s)
    assert set(pole.evidence.rows) == desk.ignores
    # Nor are they sent for ever as often as others are.
    before = len(sent(pole))
    pole.run(3600.0)
    assert len(sent(pole)) - before <= 130


def test_what_was_not_acknowledged_when_the_connection_broke_is_sent_again(pole, desk):
    desk.is_there = False
    store(pole, *range(5))
    pole.run(2.0)
    assert sorted(sent(pole)) == [0, 1, 2, 3, 4]
    desk.is_there = True
    pole.broker.break_connection()
    pole.run(5.0)
    assert pole.evidence.rows == {}


def test_after_an_outage_the_most_urgent_go_first(pole, desk):
    pole.run(1.0)
    pole.broker.there = False
    pole.broker.break_connection()
    store(pole, *range(100), priority=1)
    pole.run(30.0)
    store(pole, *range(200, 230), priority=9)
    pole.run(30.0)
    pole.broker.there = True
    pole.run(120.0)
    assert pole.evidence.rows == {}
    first_30 = list(dict.fromkeys(sent(pole)))[:30]
    assert set(first_30) == set(range(200, 230))


def test_an_acknowledgement_may_come_before_the_brokers(pole, desk):
    pole.run(1.0)
    store(pole, 1)
    pole.sender.turn()
    pole.sender.turn()
    say(pole, Channel.ACK, b"ack 1")
    pole.run(60.0)
    assert pole.evidence.rows == {}
    assert sent(pole) == [1]


def test_a_flood_from_the_broker_is_dropped_at_the_door(pole, desk):
    pole.run(1.0)
    for _ in range(10_000):
        say(pole, Channel.CMD, b"order")
        say(pole, Channel.COSIGN, b"note")
        say(pole, Channel.ACK, b"ack")
        say(pole, Channel.STATE, b"{}")
        say(pole, Channel.HEALTH, b"not ours to read")
    say(pole, Channel.CMD, bytes(100_000))
    pole.run(6.0)
    assert len(pole.evidence.commands) <= 16 + 6 * 2
    assert len(pole.evidence.cosignatures) <= 8 + 6
    assert pole.evidence.reports[-1].counters["down_dropped"] > 49_000
    store(pole, 1)
    pole.run(15.0)
    assert pole.evidence.rows == {}


def test_what_finds_no_room_in_the_inbox_is_counted_and_comes_again(pole, desk):
    pole.run(1.0)
    pole.world.has_room_for = lambda happening: (
        not isinstance(getattr(happening, "event", None), Incoming)
    )
    store(pole, 1)
    pole.run(6.0)
    assert set(pole.evidence.rows) == {1}
    assert pole.evidence.reports[-1].counters["down_dropped"] == 1
    pole.world.has_room_for = lambda _happening: True
    pole.run(60.0)
    assert pole.evidence.rows == {}


def test_what_evidence_does_not_believe_is_counted_and_evidence_is_there(pole, desk):
    pole.run(1.0)
    pole.evidence.statement_error = MessageRefused(what="no", which="statement", remedy="none")
    say(pole, Channel.CMD, b"forged")
    say(pole, Channel.COSIGN, b"\xff")
    pole.run(6.0)
    assert pole.evidence.reports[-1].counters["down_refused"] == 2
    assert pole.evidence.reports[-1].state == "ok"


def test_an_answer_goes_after_its_picture_and_is_then_forgotten(pole, desk):
    pole.run(1.0)
    pole.evidence.answer(AnswerItem(1, COMMAND, b"signed", PICTURE))
    pole.run(1.0)
    picture, answer = pole.broker.taken[-2:]
    incoming = Incoming(
        str(picture.topic), picture.payload, picture.user_properties, retained=False
    )
    snapshot = parse_up(picture.topic, incoming)
    assert isinstance(snapshot, Snapshot)
    assert (snapshot.command_id, snapshot.picture) == (COMMAND, PICTURE)
    assert (answer.topic.channel, answer.payload) == (Channel.RSP, b"signed")
    assert pole.evidence.answers == {}


def test_an_answer_that_nobody_reads_or_that_was_under_way_goes_again(pole, desk):
    pole.broker.reason_of = lambda message: 0x10 if message.topic.channel is Channel.RSP else 0
    pole.run(1.0)
    pole.evidence.answer(AnswerItem(1, COMMAND, b"one", None))
    pole.evidence.answer(AnswerItem(2, COMMAND, b"two", None))
    pole.run(10.0)
    assert len(pole.evidence.answers) == 2
    pole.broker.break_connection()
    pole.broker.reason_of = lambda _message: 0
    pole.run(70.0)
    assert pole.evidence.answers == {}
    assert {message.payload for message in pole.broker.on(Channel.RSP)} == {b"one", b"two"}


def note(size):
    return f"roeh/harbour/pole\n{size}\nroot\n\n— signed\n"


def proofs(pole):
    return [
        msgspec.json.decode(message.payload, type=CheckpointMessage)
        for message in pole.broker.on(Channel.CHECKPOINT)
    ]


def test_a_checkpoint_goes_to_the_witnesses_on_time_and_after_an_outage(pole, desk):
    pole.evidence.proof = CheckpointProof(note(10), 5, ("aa",))
    pole.run(601.0)
    assert len(proofs(pole)) == 3
    assert (proofs(pole)[0].note, proofs(pole)[0].from_size) == (note(10), 5)
    pole.broker.there = False
    pole.broker.break_connection()
    pole.run(400.0)
    pole.broker.there = True
    pole.run(61.0)
    assert len(proofs(pole)) == 4


def test_a_witness_that_knows_less_gets_the_proof_it_needs_at_once(pole, desk):
    pole.evidence.proof = CheckpointProof(note(10), 8, ())
    pole.run(1.0)
    pole.evidence.proof = CheckpointProof(note(11), 3, ("aa",))
    say(pole, Channel.COSIGN, note(3).encode())
    pole.run(12.0)
    assert [proof.from_size for proof in proofs(pole)] == [8, 3]


def test_a_cosignature_that_evidence_did_not_believe_brings_no_traffic(pole, desk):
    pole.evidence.proof = CheckpointProof(note(10), 8, ())
    pole.run(1.0)
    for _ in itertools.repeat(None, 20):
        say(pole, Channel.COSIGN, note(3).encode())
        pole.run(5.0)
    assert len(proofs(pole)) == 1
    assert pole.evidence.proofs_asked <= 12


def test_alerts_and_pictures_stay_within_the_links_budget():
    pole = Pole(msgspec.structs.replace(SETTINGS, max_bps=16_000), ack="desk")
    Desk(pole)
    for row in range(60):
        kind = OutboxKind.THUMBNAIL if row % 2 else OutboxKind.ALERT
        pole.evidence.store(row, kind, payload=b"%01000d" % row)
    pole.run(20.0)
    taken = len(pole.broker.on(Channel.ALERT)) + len(pole.broker.on(Channel.THUMB))
    # 2,000 bytes a second, about 1,300 bytes each on the wire.
    assert 25 <= taken <= 34
    pole.run(60.0)
    assert pole.evidence.rows == {}


def test_ten_thousand_that_waited_drain_most_urgent_first_within_window_and_budget():
    """At one megabit a second, messages of one kilobyte."""
    pole = Pole(msgspec.structs.replace(SETTINGS, max_bps=1_000_000), ack="desk")
    desk = Desk(pole)
    pole.broker.there = False
    for row in range(10_000):
        priority = 9 if row % 10 == 0 else 1 + row % 3
        pole.evidence.store(row, payload=b"%0900d" % row, priority=priority)
    pole.run(5.0)
    pole.broker.there = True
    began_ns = pole.world.clock.mono_ns()
    while pole.evidence.rows:
        pole.run(1.0)
    seconds = (pole.world.clock.mono_ns() - began_ns) / NS_PER_S
    assert pole.broker.most_unanswered <= 20
    assert desk.most_owed <= 20
    assert sorted(sent(pole)) == list(range(10_000))
    priorities = [9 if row % 10 == 0 else 1 + row % 3 for row in sent(pole)]
    # A window's worth may have been leased before the rest was stored.
    assert priorities == sorted(priorities, reverse=True)
    assert seconds >= 10_000 * 1000 * 8 / 1_000_000


def test_the_heartbeat_tells_how_the_board_and_the_certificates_are(pole, desk):
    pole.evidence.board = BoardHealth(
        temperature_c=61.26, throttled=("under_voltage",), certificate_days=300
    )
    pole.evidence.alarms = tuple(f"alarm {number} {'x' * 200}" for number in range(9))
    now_us = pole.world.clock.read().t_utc_ns // 1000
    pole.broker.own_certificate_ends_us = now_us + 29 * 86_400 * 1_000_000
    pole.broker.broker_certificate_ends_us = now_us + 90 * 86_400 * 1_000_000
    pole.run(10.0)
    health = pole.healths()[-1]
    assert (health.temperature_c, health.throttled) == (61.3, ("under_voltage",))
    assert (health.certificate_days, health.broker_certificate_days) == (28, 89)
    assert len(health.alarms) == 4
    assert len(health.alarms[0]) == 120
    assert pole.evidence.reports[-1].state == "degraded"
    assert "ends in 28 days" in pole.evidence.reports[-1].detail


def test_the_birth_carries_the_certificates_of_the_ledgers_key(pole, desk):
    pole.run(1.0)
    assert pole.states()[0].log_chain_pem == "a chain"
    will = msgspec.json.decode(pole.broker.connection.will.message.payload)
    assert "log_chain_pem" not in will
