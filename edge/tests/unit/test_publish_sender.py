"""publish against simulated evidence and a simulated broker, on simulated time."""

import bisect
import hashlib
import heapq
import itertools
import threading
from collections import deque

import msgspec
import pytest

from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.config import BrokerSection
from roeh.core.delivery import (
    AnswerBatch,
    CheckpointProof,
    ConnectionNumber,
    OutboxBatch,
    OutboxItem,
    OutboxKind,
)
from roeh.core.errors import BrokerRefused, PeerGone
from roeh.core.peers import BoardHealth, NodeStatus
from roeh.core.types import ProcessReport
from roeh.publish.inbox import AnswersLeased, Leased, LeaseFailed
from roeh.publish.sender import Named, Sender
from roeh.transport.messages import HealthMessage, Incoming, StateMessage
from roeh.transport.mqtt import Acknowledged, Disconnected, NotOpened, Opened, Session
from roeh.transport.topics import Channel, Topic

GONE = PeerGone(what="no answer", which="evidence.sock", remedy="it is asked again")
SETTINGS = BrokerSection(connect_spread_s=0.0, heartbeat_s=60.0, ack_timeout_s=15.0)


class World:
    """Simulated time in which things happen when they are due; also the inbox."""

    def __init__(self):
        self.clock = SimulatedClock()
        self._happenings = deque()
        self.has_room_for = lambda _happening: True
        self._agenda = []
        self._count = itertools.count()

    def after(self, delay_s, action):
        due_ns = self.clock.mono_ns() + round(delay_s * NS_PER_S)
        heapq.heappush(self._agenda, (due_ns, next(self._count), action))

    def put(self, happening):
        if not self.has_room_for(happening):
            return False
        self._happenings.append(happening)
        return True

    def get(self, timeout_s):
        deadline_ns = self.clock.mono_ns() + round(timeout_s * NS_PER_S)
        while not self._happenings and self._agenda and self._agenda[0][0] <= deadline_ns:
            due_ns, _, action = heapq.heappop(self._agenda)
            self.clock.advance(max(0, due_ns - self.clock.mono_ns()) / NS_PER_S)
            action()
        if self._happenings:
            return self._happenings.popleft()
        self.clock.advance(max(0, deadline_ns - self.clock.mono_ns()) / NS_PER_S)
        return None


class SimulatedEvidence:
    """An outbox in memory with the promises of the real one."""

    def __init__(self, world):
        self._world = world
        self._waiting = None
        self._order = []
        self.rows = {}
        self.there = True
        self.checkpoint = None
        self.connections = 0
        self.acknowledged = []
        self.commands = []
        self.cosignatures = []
        self.trust_lists = []
        self.statement_error = None
        self.proof = CheckpointProof(note=None, from_size=0, hashes=())
        self.proofs_asked = 0
        self.answers = {}
        self.board = BoardHealth()
        self.alarms = ()
        self._answers_waiting = None
        self.refusals = []
        self.reports = []
        self.other_reports = []
        self.asked = 0

    def store(self, number, kind=OutboxKind.ALERT, priority=5, payload=b"{}"):
        self.rows[number] = OutboxItem(
            row=number,
            kind=kind,
            alert_id=f"alert-{number}",
            seq=number,
            priority=priority,
            payload=payload,
            payload_sha256=hashlib.sha256(payload).hexdigest(),
            t_stored_mono_us=0,
            boot_id="boot",
        )
        bisect.insort(self._order, (-priority, number))
        self._answer(at_once=False)

    def forget_lease(self):
        """Who asked is gone."""
        self._waiting = None
        self._answers_waiting = None

    def go_away(self):
        self.there = False
        if self._waiting is not None:
            self.forget_lease()
            self._world.put(LeaseFailed(GONE))

    def lease(self, request):
        assert self._waiting is None, "one lease at a time"
        self.asked += 1
        if not self.there:
            self._world.put(LeaseFailed(GONE))
            return
        self._waiting = request
        self._answer(at_once=False)
        self._world.after(request.wait_s, lambda: self._expire(request))

    def delivered(self, rows):
        self._require()
        for number in rows:
            self.rows.pop(number, None)

    def refused(self, row, reason_code):
        self._require()
        self.refusals.append((row, reason_code))

    def begin_connection(self, at_least):
        self._require()
        self.connections = max(self.connections, at_least) + 1
        return ConnectionNumber(self.connections, "a chain")

    def acknowledge(self, statement):
        """A statement names its rows, after a space each."""
        self._believe()
        rows = tuple(int(word) for word in statement.split()[1:])
        self.acknowledged.extend(rows)
        for number in rows:
            self.rows.pop(number, None)
        return rows

    def take_command(self, statement):
        self._believe()
        self.commands.append(statement)

    def keep_cosignature(self, note):
        self._believe()
        self.cosignatures.append(note)

    def offer_trust_list(self, signed):
        self._believe()
        self.trust_lists.append(signed)

    def checkpoint_proof(self):
        self._require()
        self.proofs_asked += 1
        return self.proof

    def lease_answers(self, request):
        assert self._answers_waiting is None, "one lease at a time"
        self.asked += 1
        self._answers_waiting = request
        self._give_answers(at_once=False)
        self._world.after(request.wait_s, lambda: self._expire_answers(request))

    def answer(self, item):
        self.answers[item.row] = item
        self._give_answers(at_once=False)

    def answers_delivered(self, rows):
        self._require()
        for number in rows:
            self.answers.pop(number, None)

    def report(self, report):
        self._require()
        self.reports.append(report)

    def status(self):
        self._require()
        return NodeStatus(
            t_mono_us=0,
            boot_id="boot",
            reports=(*self.other_reports, *self.reports[-1:]),
            alerts_stored=0,
            outbox_rows=len(self.rows),
            outbox_bytes=0,
            outbox_oldest_age_us=0,
            outbox_evicted=0,
            outbox_refused=0,
            storage_state="ok",
            checkpoint=self.checkpoint,
            board=self.board,
            alarms=self.alarms,
        )

    def _believe(self):
        self._require()
        if self.statement_error is not None:
            raise self.statement_error

    def _expire_answers(self, request):
        if self._answers_waiting is request:
            self._give_answers(at_once=True)

    def _give_answers(self, *, at_once):
        request = self._answers_waiting
        if request is None:
            return
        free = [item for item in self.answers.values() if item.row not in request.known_rows]
        if free or at_once:
            self._answers_waiting = None
            self._world.put(AnswersLeased(AnswerBatch(items=tuple(free))))

    def _require(self):
        self.asked += 1
        if not self.there:
            raise GONE

    def _expire(self, request):
        if self._waiting is request:
            self._answer(at_once=True)

    def _answer(self, *, at_once):
        request = self._waiting
        if request is None:
            return
        self._order = [key for key in self._order if key[1] in self.rows]
        free = (row for _, row in self._order if row not in request.in_flight_rows)
        items = tuple(self.rows[row] for row in itertools.islice(free, request.limit))
        if items or at_once:
            self._waiting = None
            self._world.put(Leased(OutboxBatch(items=items)))


class SimulatedBroker:
    """Takes messages, answers after 10 ms, keeps the retained state, speaks the wills."""

    def __init__(self, world):
        self.world = world
        self.there = True
        self.silent = False
        self.answers_dials = True
        self.last = None
        self.reason_of = lambda _message: 0
        self.taken = []
        self.retained = None
        self.connection = None
        self.dials_ns = []
        self.receive_maximum = 20
        self.most_unanswered = 0
        self.on_arrival = lambda _message: None
        self.broker_certificate_ends_us = None
        self.own_certificate_ends_us = None

    def connect(self, will, hand_over):
        self.last = SimulatedConnection(self, will, hand_over)
        return self.last

    def break_connection(self):
        connection, self.connection = self.connection, None
        connection.hand_over(Disconnected(reason="the connection was lost"))

    def on(self, channel):
        return [message for message in self.taken if message.topic.channel is channel]


class SimulatedConnection:
    def __init__(self, broker, will, hand_over):
        self.broker = broker
        self.will = will
        self.hand_over = hand_over
        self.subscribed = []
        self.ended = ""
        self._packets = itertools.count(1)
        self._unanswered = 0

    def open_soon(self):
        self.broker.dials_ns.append(self.broker.world.clock.mono_ns())
        if not self.broker.there:
            refused = BrokerRefused(
                what="nothing listens there", which="broker 127.0.0.1:1883", remedy="start it"
            )
            self.hand_over(NotOpened(refused))
        elif self.broker.answers_dials:
            self.broker.connection = self
            session = Session(
                present=False,
                receive_maximum=self.broker.receive_maximum,
                max_packet_bytes=None,
                broker_certificate_ends_us=self.broker.broker_certificate_ends_us,
                own_certificate_ends_us=self.broker.own_certificate_ends_us,
            )
            self.hand_over(Opened(session))

    def publish(self, message):
        packet_id = next(self._packets)
        if self.broker.connection is self:
            if message.topic.row.qos:
                self._unanswered += 1
                self.broker.most_unanswered = max(self.broker.most_unanswered, self._unanswered)
            self.broker.world.after(0.01, lambda: self._arrive(packet_id, message))
        return packet_id

    def subscribe(self, topic_filter):
        self.subscribed.append(topic_filter)
        self.deliver_retained()

    def deliver_retained(self):
        if self.broker.retained is not None and self.subscribed:
            message = self.broker.retained
            self.hand_over(Incoming(str(message.topic), message.payload, (), retained=True))

    def close(self):
        self.ended = "closed"

    def abandon(self):
        self.ended = "abandoned"
        self.broker.connection = None

    def _arrive(self, packet_id, message):
        if self.broker.connection is not self or self.broker.silent:
            return
        self._unanswered -= bool(message.topic.row.qos)
        reason = self.broker.reason_of(message)
        if reason < 0x80:
            self.broker.taken.append(message)
            self.broker.on_arrival(message)
            if message.topic.row.retained:
                self.broker.retained = message
        if message.topic.row.qos:
            self.hand_over(Acknowledged(packet_id, reason))


class Pole:
    """A sender in its world, run turn by turn."""

    def __init__(self, settings=SETTINGS, jitter=lambda bound: bound, ack="broker"):
        self.world = World()
        self.evidence = SimulatedEvidence(self.world)
        self.broker = SimulatedBroker(self.world)
        self.settings = settings
        self.jitter = jitter
        self.named = Named(site="harbour", node="pole", ack=ack, has_desk=ack == "desk")
        self.restart()

    def restart(self):
        """As after kill -9: everything in memory is gone."""
        self.evidence.forget_lease()
        self.sender = Sender(
            named=self.named,
            broker=self.settings,
            evidence=self.evidence,
            connect=self.broker.connect,
            inbox=self.world,
            clock=self.world.clock,
            on_progress=lambda: None,
            jitter=self.jitter,
        )

    def run(self, duration_s):
        stop = threading.Event()
        self.world.after(duration_s, stop.set)
        while not stop.is_set():
            self.sender.turn()

    def run_until_stopped(self, duration_s):
        stop = threading.Event()
        self.world.after(duration_s, stop.set)
        self.sender.run(stop)

    def states(self):
        return [
            msgspec.json.decode(message.payload, type=StateMessage)
            for message in self.broker.on(Channel.STATE)
        ]

    def healths(self):
        return [
            msgspec.json.decode(message.payload, type=HealthMessage)
            for message in self.broker.on(Channel.HEALTH)
        ]


@pytest.fixture
def pole():
    return Pole()


def test_what_is_stored_is_published_and_then_deleted(pole):
    pole.evidence.store(1)
    pole.evidence.store(2, OutboxKind.THUMBNAIL, payload=b"jpeg")
    pole.run(1.0)
    assert [message.payload for message in pole.broker.on(Channel.ALERT)] == [b"{}"]
    assert [message.payload for message in pole.broker.on(Channel.THUMB)] == [b"jpeg"]
    assert pole.evidence.rows == {}


def test_an_alert_goes_out_the_moment_it_is_stored(pole):
    pole.run(5.0)
    pole.evidence.store(1)
    stored_ns = pole.world.clock.mono_ns()
    pole.sender.turn()
    pole.sender.turn()
    assert pole.broker.on(Channel.ALERT)
    assert pole.world.clock.mono_ns() - stored_ns <= 0.011 * NS_PER_S


def test_no_more_than_twenty_messages_wait_for_the_broker(pole):
    pole.broker.silent = True
    for number in range(100):
        pole.evidence.store(number)
    pole.run(5.0)
    assert pole.broker.most_unanswered == 20
    pole.broker.silent = False
    pole.run(60.0)
    assert pole.evidence.rows == {}
    assert pole.broker.most_unanswered <= 20


def test_a_broker_that_takes_fewer_at_a_time_gets_fewer(pole):
    pole.broker.receive_maximum = 3
    for number in range(30):
        pole.evidence.store(number)
    pole.run(10.0)
    assert pole.evidence.rows == {}
    assert pole.broker.most_unanswered <= 3


def test_a_broker_that_does_not_answer_is_left_and_dialled_again(pole):
    pole.run(1.0)
    pole.broker.silent = True
    first = pole.broker.connection
    pole.evidence.store(1)
    pole.run(14.0)
    assert first.ended == ""
    pole.run(2.0)
    assert first.ended == "abandoned"
    pole.broker.silent = False
    pole.run(60.0)
    assert pole.evidence.rows == {}


def test_nothing_is_lost_when_the_connection_breaks_with_messages_under_way(pole):
    pole.run(1.0)
    for number in range(40):
        pole.evidence.store(number)
    pole.sender.turn()
    pole.sender.turn()
    pole.broker.break_connection()
    pole.run(30.0)
    assert pole.evidence.rows == {}
    assert len(pole.broker.on(Channel.ALERT)) >= 40


def test_nothing_is_lost_when_publish_is_killed_at_anyturn():
    for turns in range(12):
        pole = Pole()
        for number in range(25):
            pole.evidence.store(number)
        for _ in range(turns):
            pole.sender.turn()
        pole.broker.connection = None
        pole.restart()
        pole.run(30.0)
        assert pole.evidence.rows == {}
        assert len(pole.broker.on(Channel.ALERT)) >= 25


def test_nothing_is_lost_while_evidence_is_away(pole):
    pole.run(1.0)
    for number in range(5):
        pole.evidence.store(number)
    pole.sender.turn()
    pole.sender.turn()
    pole.evidence.go_away()
    pole.run(10.0)
    assert len(pole.evidence.rows) == 5
    sent = len(pole.broker.on(Channel.ALERT))
    pole.evidence.there = True
    pole.run(2.0)
    assert pole.evidence.rows == {}
    assert len(pole.broker.on(Channel.ALERT)) == sent, "deleted, not sent again"


def test_waits_between_dials_grow_to_the_cap_and_begin_anew_after_success():
    pole = Pole(settings=msgspec.structs.replace(SETTINGS, backoff_cap_s=8.0))
    pole.broker.there = False
    pole.run(60.0)
    dials_s = [ns / NS_PER_S for ns in pole.broker.dials_ns]
    waits = [later - earlier for earlier, later in itertools.pairwise(dials_s)]
    assert waits[:7] == pytest.approx([0.5, 1, 2, 4, 8, 8, 8], abs=0.01)
    pole.broker.there = True
    pole.run(20.0)
    dials = len(pole.broker.dials_ns)
    pole.broker.break_connection()
    pole.run(0.6)
    assert len(pole.broker.dials_ns) == dials + 1


def test_the_first_dial_is_spread():
    pole = Pole(
        settings=msgspec.structs.replace(SETTINGS, connect_spread_s=10.0),
        jitter=lambda bound: bound * 0.7,
    )
    pole.run(20.0)
    assert pole.broker.dials_ns[0] == pytest.approx(7 * NS_PER_S)


def test_a_refused_row_stays_and_is_counted_and_tried_again(pole):
    pole.broker.reason_of = lambda message: 0x87 if message.topic.channel is Channel.ALERT else 0
    pole.evidence.store(7)
    pole.run(10.0)
    assert 7 in pole.evidence.rows
    assert {(7, 0x87)} == set(pole.evidence.refusals)
    assert pole.evidence.reports[-1].state == "degraded"
    assert "0x87" in pole.evidence.reports[-1].detail
    pole.broker.reason_of = lambda _message: 0
    pole.run(60.0)
    assert pole.evidence.rows == {}


def test_an_oversize_row_is_never_handed_to_the_broker(pole):
    pole.evidence.store(1, OutboxKind.THUMBNAIL, priority=9, payload=bytes(20_000))
    pole.evidence.store(2)
    pole.run(5.0)
    assert set(pole.evidence.rows) == {1}
    assert pole.broker.on(Channel.THUMB) == []
    assert (1, 0x95) in pole.evidence.refusals


def test_alerts_that_nobody_reads_wait_for_a_reader(pole):
    pole.broker.reason_of = lambda message: 0x10 if message.topic.channel is Channel.ALERT else 0
    pole.evidence.store(1)
    pole.run(30.0)
    assert 1 in pole.evidence.rows
    assert "nobody reads" in pole.evidence.reports[-1].detail
    pole.broker.reason_of = lambda _message: 0
    pole.run(11.0)
    assert pole.evidence.rows == {}
    assert pole.evidence.reports[-1].state == "ok"


def test_the_birth_is_retained_and_the_numbers_grow(pole):
    pole.run(1.0)
    pole.broker.break_connection()
    pole.run(5.0)
    assert [(state.online, state.connection_number) for state in pole.states()] == [
        (True, 1),
        (True, 2),
    ]


def test_the_will_says_offline_with_the_number_of_its_connection(pole):
    pole.run(1.0)
    will = pole.broker.connection.will
    state = msgspec.json.decode(will.message.payload, type=StateMessage)
    assert (state.online, state.connection_number) == (False, 1)
    assert will.delay_s == 15
    assert will.message.topic.row.retained


def test_an_older_will_that_comes_late_is_answered(pole):
    pole.run(1.0)
    older = pole.broker.connection.will.message
    pole.broker.break_connection()
    pole.run(5.0)
    pole.broker.retained = older
    pole.broker.connection.deliver_retained()
    pole.run(2.0)
    kept = msgspec.json.decode(pole.broker.retained.payload, type=StateMessage)
    assert (kept.online, kept.connection_number) == (True, 2)


def test_a_trust_list_is_handed_on_without_a_key_of_any_desk(pole):
    pole.run(1.0)
    topic = str(Topic("harbour", "pole", Channel.TRUST))
    pole.broker.connection.hand_over(Incoming(topic, b"signed", (), retained=True))
    pole.run(1.0)
    assert pole.evidence.trust_lists == [b"signed"]


def test_a_birth_of_its_own_is_not_answered(pole):
    pole.run(60.0)
    assert len(pole.states()) == 1


def test_the_last_words_of_an_old_connection_delete_nothing(pole):
    pole.run(1.0)
    old = pole.broker.connection
    pole.broker.break_connection()
    pole.run(5.0)
    pole.broker.silent = True
    pole.evidence.store(1)
    pole.run(1.0)
    for packet_id in range(1, 20):
        old.hand_over(Acknowledged(packet_id, 0))
    old.hand_over(Disconnected(reason="the connection was lost"))
    pole.run(1.0)
    assert set(pole.evidence.rows) == {1}
    assert pole.evidence.reports[-1].state == "ok"


def stranger_says(pole, number):
    """Somebody else has the last word under this node's name."""
    said = msgspec.structs.replace(pole.states()[-1], connection_number=number)
    kept = msgspec.structs.replace(pole.broker.retained, payload=msgspec.json.encode(said))
    pole.broker.retained = kept
    pole.broker.connection.deliver_retained()


def test_a_node_whose_database_was_restored_goes_past_what_the_broker_knows(pole):
    pole.run(1.0)
    stranger_says(pole, 1_760_000_000)
    pole.run(6.0)
    assert pole.states()[-1].connection_number == 1_760_000_001
    assert pole.evidence.reports[-1].state == "ok"


def test_two_nodes_with_one_name_are_told_and_do_not_shout_at_each_other(pole):
    pole.run(1.0)
    for number in range(1000, 100_000, 1000):
        stranger_says(pole, number)
        pole.run(2.0)
    assert len(pole.states()) <= 2 + 99 * 2 / 60
    assert pole.evidence.reports[-1].state == "degraded"
    assert "two nodes have one name" in pole.evidence.reports[-1].detail


def test_nobody_makes_a_node_use_up_its_numbers(pole):
    pole.run(1.0)
    stranger_says(pole, 2**53 - 1)
    pole.run(6.0)
    assert len(pole.states()) == 1
    assert pole.evidence.connections == 1
    assert "two nodes have one name" in pole.evidence.reports[-1].detail


def test_the_heartbeat_comes_on_time(pole):
    pole.run(185.0)
    times_us = [health.t_utc_us for health in pole.healths()]
    gaps_s = [(later - earlier) / 1e6 for earlier, later in itertools.pairwise(times_us)]
    assert len(gaps_s) >= 2
    assert max(gaps_s) <= 62.0


def test_the_newest_checkpoint_rides_in_the_heartbeat(pole):
    pole.run(1.0)
    pole.evidence.checkpoint = "a signed note"
    pole.run(70.0)
    assert [health.checkpoint for health in pole.healths()] == [None, "a signed note"]


def test_a_process_that_goes_blind_is_told_at_once(pole):
    pole.run(5.0)
    before = len(pole.healths())
    pole.evidence.other_reports = [
        ProcessReport(
            process="capture", state="blind", detail="no frame for 5 s", t_mono_us=0, counters={}
        )
    ]
    pole.run(2.1)
    assert len(pole.healths()) == before + 1
    assert pole.healths()[-1].condition == "blind"
    assert pole.healths()[-1].details["capture"] == "no frame for 5 s"


def test_it_reports_why_it_is_not_connected(pole):
    pole.broker.there = False
    pole.run(3.0)
    assert pole.evidence.reports[-1].state == "degraded"
    assert "nothing listens there" in pole.evidence.reports[-1].detail
    pole.broker.there = True
    pole.run(10.0)
    assert pole.evidence.reports[-1].state == "ok"


def test_its_report_is_repeated_for_an_evidence_that_forgot(pole):
    pole.run(5.0)
    pole.evidence.reports.clear()
    pole.run(12.5)
    assert pole.evidence.reports


def test_at_rest_evidence_is_asked_seldom(pole):
    pole.run(5.0)
    before = pole.evidence.asked
    pole.run(60.0)
    assert pole.evidence.asked - before <= 60 / 2 + 60 / 5 + 60 / 10 + 2


def test_it_says_goodbye(pole):
    pole.run_until_stopped(3.0)
    last = pole.states()[-1]
    assert (last.online, last.connection_number) == (False, 1)
    assert pole.broker.connection.ended == "closed"
    assert pole.evidence.reports[-1].state == "stopped"


def test_goodbye_does_not_wait_for_ever(pole):
    pole.run(1.0)
    pole.broker.silent = True
    began_ns = pole.world.clock.mono_ns()
    pole.run_until_stopped(0.0)
    assert pole.world.clock.mono_ns() - began_ns <= 5 * NS_PER_S


def test_a_dial_that_hangs_keeps_nothing_else_waiting(pole):
    pole.broker.answers_dials = False
    pole.run(12.0)
    assert len(pole.evidence.reports) >= 2
    pole.run_until_stopped(0.0)
    assert pole.broker.last.ended == "abandoned"


def test_a_connection_that_ends_as_it_opens_is_dialled_again(pole):
    pole.broker.answers_dials = False
    pole.run(1.0)
    pole.broker.last.hand_over(Disconnected(reason="the connection was lost"))
    pole.broker.answers_dials = True
    pole.run(5.0)
    assert pole.evidence.reports[-1].state == "ok"


def test_a_contradiction_right_after_the_birth_is_answered_too(pole):
    pole.run(0.05)
    offline = pole.broker.connection.will.message
    pole.broker.retained = offline
    pole.broker.connection.deliver_retained()
    pole.run(3.0)
    kept = msgspec.json.decode(pole.broker.retained.payload, type=StateMessage)
    assert kept.online
