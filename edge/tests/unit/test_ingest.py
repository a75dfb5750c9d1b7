"""What a commit makes of messages: each once, numbers accounted for, poles as they are."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roeh.core.clock import SimulatedClock
from roeh.core.errors import MessageRefused
from roeh.core.ids import ClockIds
from roeh.core.orders import Answer, Command, Outcome, SeqRange
from roeh.desk.commit_hook import NoHook
from roeh.desk.ingest.committing import commit
from roeh.desk.ingest.pole_rows import MAX_POLES
from roeh.desk.ingest.received import receive
from roeh.desk.ingest.sending import ask_for_missing, take_due
from roeh.desk.ingest.seq_rows import MAX_RANGES, renew_missing, runs_of
from roeh.desk.keys import make_desk_keys, open_command_key
from roeh.desk.pole import Pole
from roeh.desk.store import open_desk_store
from roeh.keys.home_file import PemSigner, unprovisioned_set
from roeh.keys.key_pem import parse_entry
from roeh.keys.signer import KeyUsage, NodeName
from roeh.transport.down import parse_body
from roeh.transport.messages import answer_message
from roeh.transport.signed import StatementKind, open_statement, sign_answer
from tests.desks import (
    desk_in,
    id_of,
    incoming,
    said_alert,
    said_picture,
    said_state,
    said_tombstone,
)

POLE = Pole("harbour", "pole-7")
SECOND_US = 1_000_000
OTHER_BOOT = "0e2f5d6a-3c1b-4f7e-9d08-5a6b7c8d9e0f"


class RememberingHook(NoHook):
    def __init__(self):
        self.alerts = []
        self.contradicted = []
        self.counted_again = []

    def on_alerts(self, transaction, alerts, now_utc_us):
        self.alerts += [alert.id for alert in alerts]

    def on_two_payloads(self, transaction, pole, message_id, now_utc_us):
        self.contradicted.append(message_id)

    def on_count_again(self, transaction, pole, seq, now_utc_us):
        self.counted_again.append(seq)


class Desk:
    """Ingest without a broker."""

    def __init__(self, store):
        self.store = store
        self.clock = SimulatedClock()
        self.ids = ClockIds(self.clock)
        self.hook = RememberingHook()

    @property
    def now_us(self):
        return self.clock.read().t_utc_ns // 1000

    def take(self, *messages, retained=False):
        batch = [receive(incoming(message, retained=retained)) for message in messages]
        return commit(self.store, batch, self.hook, None, self.clock.read())

    def values(self, sql):
        with self.store.reading() as transaction:
            return transaction.values(sql)

    def missing(self):
        with self.store.writing() as transaction:
            renew_missing(transaction, self.now_us)
        return self.values("SELECT first, last FROM seq_missing ORDER BY first")

    def ask(self):
        with self.store.writing() as transaction:
            renew_missing(transaction, self.now_us)
            return ask_for_missing(
                transaction,
                self.ids,
                self.now_us,
                missing_after_us=5 * SECOND_US,
                resend_every_us=60 * SECOND_US,
            )

    def commands(self):
        rows = self.values("SELECT command_json FROM command ORDER BY id")
        return [msgspec.json.decode(row[0], type=Command) for row in rows]


@pytest.fixture
def desk(desk_database):
    return Desk(desk_database)


def entries(stored):
    return [entry.id for entries in stored.acknowledged.values() for entry in entries]


def test_a_message_that_is_there_is_acknowledged_again_and_counted(desk):
    alert = said_alert(1)
    picture = said_picture(id_of(alert))
    assert desk.take(alert, picture, alert).duplicates == 1
    again = desk.take(alert, picture)
    assert (again.new, again.duplicates) == (0, 2)
    assert entries(again) == [id_of(alert)] * 2
    assert desk.values("SELECT COUNT(*) FROM alert") == [(1,)]
    assert desk.values("SELECT name, value FROM counter") == [("duplicates", 3)]
    assert desk.hook.alerts == [id_of(alert)]


def test_another_message_under_an_id_is_neither_stored_nor_acknowledged(desk):
    alert = said_alert(1)
    forged = said_alert(1, alert_id=id_of(alert), label="boat")
    desk.take(alert)
    stored = desk.take(forged)
    assert (stored.contradicted, stored.acknowledged) == (1, {})
    kept = desk.values("SELECT sha256 FROM alert")
    assert kept == [(hashlib.sha256(alert.payload).hexdigest(),)]
    assert desk.hook.contradicted == [id_of(alert)]
    assert ("two_payloads", 1) in desk.values("SELECT name, value FROM counter")


def test_two_poles_may_use_one_id(desk):
    alert = said_alert(1)
    other = said_alert(1, node="pole-8", alert_id=id_of(alert))
    assert desk.take(alert, other).new == 2


def test_numbers_that_others_have_overtaken_are_missing_from_one_on(desk):
    desk.take(said_alert(3), said_tombstone(5))
    assert desk.missing() == [(1, 2), (4, 4)]
    desk.take(said_alert(1), said_alert(4))
    assert desk.missing() == [(2, 2)]


def test_what_is_left_of_a_gap_keeps_its_age(desk):
    desk.take(said_alert(9))
    desk.missing()
    desk.clock.advance(4)
    desk.take(said_alert(4))
    desk.missing()
    desk.clock.advance(1.5)
    desk.take(said_state())
    assert desk.ask() == 1
    (command,) = desk.commands()
    assert command.order.ranges == (SeqRange(5, 8), SeqRange(1, 3))
    assert command.operator == "desk"
    assert (command.site, command.node) == ("harbour", "pole-7")


def test_what_is_missing_is_asked_for_again_while_the_pole_is_connected(desk):
    desk.take(said_alert(3))
    desk.missing()
    desk.clock.advance(6)
    assert desk.ask() == 0  # never told to be connected
    desk.take(said_state(1))
    assert desk.ask() == 1
    desk.clock.advance(30)
    assert desk.ask() == 0
    desk.clock.advance(1000)
    assert desk.ask() == 1  # that one was not answered, and is over
    desk.take(said_state(1, online=False))
    desk.clock.advance(1000)
    assert desk.ask() == 0
    assert len(desk.commands()) == 2


def test_at_most_32_ranges_are_asked_for_at_a_time_the_newest_first(desk):
    desk.take(said_state(), *(said_alert(seq) for seq in range(2, 120, 2)))
    desk.missing()
    desk.clock.advance(6)
    desk.ask()
    (command,) = desk.commands()
    assert [one.first for one in command.order.ranges] == list(range(117, 117 - 64, -2))


def test_commands_go_out_signed_each_thirty_seconds_until_they_are_over(desk, memory_directory):
    config = desk_in(memory_directory)
    make_desk_keys(config)
    signer = open_command_key(config)
    desk.take(said_state(), said_alert(3))
    desk.missing()
    desk.clock.advance(6)
    desk.ask()
    (sent,) = take_due(desk.store, signer, desk.now_us)
    statement = open_statement(
        sent.payload, StatementKind.COMMAND, "harbour/pole-7", [signer.verifier]
    )
    assert parse_body(statement.body, Command) == desk.commands()[0]
    assert take_due(desk.store, signer, desk.now_us) == []
    desk.clock.advance(31)
    assert len(take_due(desk.store, signer, desk.now_us)) == 1
    desk.clock.advance(600)
    assert take_due(desk.store, signer, desk.now_us) == []
    assert desk.values("SELECT state, times_sent FROM command") == [("expired", 2)]


class Key:
    """A pole's log key."""

    def __init__(self):
        content = unprovisioned_set(NodeName("harbour", "pole-7"))["log.pem"]
        self.signer = PemSigner(
            parse_entry(content, KeyUsage.LOG, "log.pem"), home="file", which="log.pem"
        )
        self.chain_pem = self.signer.chain_pem.decode()

    def answer(self, command, outcome=Outcome.DONE, **fields):
        answer = Answer(
            command_id=command.id, site="harbour", node="pole-7", outcome=outcome, **fields
        )
        statement = sign_answer("harbour/pole-7", msgspec.json.encode(answer), self.signer)
        return answer_message("harbour", "pole-7", statement)


def asked(desk, key):
    desk.take(said_state(chain_pem=key.chain_pem), said_alert(9))
    desk.missing()
    desk.clock.advance(6)
    desk.ask()
    return desk.commands()[0]


def test_what_the_pole_has_no_more_is_lost_by_record_and_no_longer_missing(desk):
    key = Key()
    command = asked(desk, key)
    desk.take(said_alert(4))
    desk.take(key.answer(command, absent=(SeqRange(2, 6), SeqRange(11, 2**50))))
    lost = "SELECT first, last, command_id FROM seq_lost ORDER BY first"
    assert desk.values(lost) == [(2, 3, command.id), (5, 6, command.id)]
    assert desk.missing() == [(1, 1), (7, 8)]
    assert desk.values("SELECT state FROM command") == [("done",)]
    # What comes after all is not lost.
    desk.take(said_alert(5))
    assert [row[:2] for row in desk.values(lost)] == [(2, 3), (6, 6)]


def test_an_answer_that_another_key_signed_is_not_believed(desk):
    command = asked(desk, Key())
    stored = desk.take(Key().answer(command, absent=(SeqRange(1, 8),)))
    assert stored.refused == 1
    assert desk.values("SELECT state FROM command") == [("pending",)]
    assert desk.values("SELECT * FROM seq_lost") == []
    assert ("answers_refused", 1) in desk.values("SELECT name, value FROM counter")


def test_the_first_key_of_a_pole_stays_whatever_comes_later(desk):
    first, second = Key(), Key()
    command = asked(desk, first)
    desk.take(said_state(2, chain_pem=second.chain_pem))
    assert desk.take(second.answer(command)).refused == 1
    assert desk.take(first.answer(command)).refused == 0


def test_the_first_final_answer_stays(desk):
    key = Key()
    command = asked(desk, key)
    desk.take(key.answer(command, Outcome.ACCEPTED))
    desk.take(key.answer(command, Outcome.REFUSED, reason="not_yet"))
    desk.take(key.answer(command, Outcome.DONE))
    desk.take(key.answer(command, Outcome.ACCEPTED))
    assert desk.values("SELECT state FROM command") == [("refused",)]


def test_an_old_will_does_not_take_a_pole_offline(desk):
    desk.take(said_state(4))
    desk.take(said_state(3, online=False))
    assert desk.values("SELECT online, connection_number FROM pole") == [(1, 4)]
    desk.take(said_state(4, online=False))
    assert desk.values("SELECT online FROM pole") == [(0,)]
    desk.take(said_state(4), retained=True)
    assert desk.values("SELECT online FROM pole") == [(0,)]


def test_a_pole_installed_anew_is_there_though_its_connections_count_from_one(desk):
    desk.take(said_state(500, t_utc_us=1_000))
    desk.take(said_state(500, online=False, t_utc_us=1_000))
    desk.take(said_state(1, boot_id=OTHER_BOOT, t_utc_us=500))  # a birth that comes late
    assert desk.values("SELECT online FROM pole") == [(0,)]
    desk.take(said_state(1, boot_id=OTHER_BOOT, t_utc_us=2_000))
    assert desk.values("SELECT online, connection_number, boot_id FROM pole") == [
        (1, 1, OTHER_BOOT)
    ]


def test_a_pole_that_counts_from_one_again_is_seen_and_what_it_does_not_send_is_missing(desk):
    desk.take(*(said_alert(seq) for seq in range(1, 6)))
    first, third = said_alert(1), said_alert(3)
    desk.take(third)  # the more urgent one comes first
    desk.take(first)
    desk.take(said_alert(4))
    assert desk.hook.counted_again == [3, 1]
    assert desk.values("SELECT COUNT(*) FROM alert") == [(8,)]
    assert desk.missing() == [(2, 3)]
    desk.take(third)  # sent again because it was asked for
    assert desk.missing() == [(2, 2)]


def test_an_evicted_alert_that_comes_after_all_is_no_second_count(desk):
    desk.take(said_alert(1), said_tombstone(2))
    desk.take(said_alert(2))
    assert desk.hook.counted_again == []
    assert desk.missing() == []


def test_numbers_that_a_pole_invents_stay_bounded(desk):
    desk.take(said_alert(1), said_alert(2**53 - 1))
    assert desk.missing() == [(2, 2**53 - 2)]
    with desk.store.writing() as transaction:
        transaction.insert_new(
            "INSERT INTO seq_known (site, node, first, last) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            [(POLE.site, POLE.node, 2 * seq, 2 * seq) for seq in range(2, MAX_RANGES)],
        )
    desk.take(said_alert(2**40), said_alert(3))
    assert desk.values("SELECT COUNT(*) FROM seq_known") == [(MAX_RANGES,)]
    desk.take(*(said_alert(seq, node="pole-8") for seq in (1, 2, 5)))
    assert desk.values("SELECT COUNT(*) FROM seq_known WHERE node = 'pole-8'") == [(2,)]


def test_poles_that_are_too_many_are_neither_stored_nor_acknowledged(desk):
    known, new = said_alert(1), said_alert(1, node="pole-8")
    desk.take(known)
    with desk.store.writing() as transaction:
        transaction.execute(
            "WITH RECURSIVE number (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < ?)"
            " INSERT INTO pole (site, node, connection_number, boot_id, software, log_chain_pem,"
            " log_standing, condition, t_heard_utc_us, is_silent)"
            " SELECT 'invented', 'p' || n, 0, '', '', '', '', '', 0, 0 FROM number",
            (MAX_POLES,),
        )
    stored = desk.take(said_alert(2), new)
    assert (stored.new, stored.refused) == (1, 1)
    assert id_of(new) not in entries(stored)
    assert desk.values("SELECT COUNT(*) FROM pole") == [(MAX_POLES,)]


def test_a_clock_that_was_set_back_holds_up_no_resend(desk):
    desk.take(said_state(), said_alert(1), said_alert(3))
    desk.missing()
    desk.clock.advance(6)
    assert desk.ask() == 1
    desk.clock.advance(-365 * 86_400)
    assert desk.ask() == 1


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"schema":"roeh/alert/1"}',
        said_alert(1, label="a\0b").payload,
        said_alert(1, node="pole-8").payload,
        b"[" * 100_000,
    ],
)
def test_what_no_pole_says_is_refused(payload):
    message = msgspec.structs.replace(said_alert(1), payload=payload)
    with pytest.raises(MessageRefused):
        receive(incoming(message))


@given(st.lists(st.lists(st.integers(1, 40), max_size=12), max_size=8))
def test_in_whatever_order_numbers_come_what_is_missing_is_what_did_not_come(
    tmp_path_factory, batches
):
    store = open_desk_store(desk_in(tmp_path_factory.mktemp("desk")))
    desk = Desk(store)
    said = {seq: said_alert(seq) for numbers in batches for seq in numbers}
    for numbers in batches:
        desk.take(*(said[seq] for seq in numbers))
    came = {seq for numbers in batches for seq in numbers}
    expected = runs_of(set(range(1, max(came, default=0))) - came)
    assert desk.missing() == [(run.first, run.last) for run in expected]
    known = desk.values("SELECT first, last FROM seq_known ORDER BY first")
    assert known == [(run.first, run.last) for run in runs_of(came)]
    store.close()
