"""What witnesses say to the desk is kept when they are known, and nobody else's."""

import contextlib

import msgspec
import pytest

from roeh.core.errors import ConfigError, MessageRefused
from roeh.desk.audit.checkpoints import AuditCheckpoints, newest_cosigned
from roeh.desk.audit.log import AuditAction
from roeh.desk.ingest.witness_words import WitnessWords
from roeh.desk.keys import keys_dir, make_desk_keys, open_audit_key
from roeh.desk.known_witnesses import WITNESSES_FILE, known_witnesses
from roeh.desk.store.sqlite import SqliteStore
from roeh.desk.witness.alarm import StandingAlarm, WitnessAlarms
from roeh.desk.witness.entries import AlarmKind
from roeh.desk.witness.key import make_witness_keys
from roeh.transport.messages import Incoming, parse_up
from tests.cosigners import Cosigner
from tests.operated_desks import ANNA, OperatedDesk
from tests.process.children import node_config
from tests.witnesses import RunningWitness

COSIGN_TOPIC = "roeh/v1/desk/haifa/down/cosign"


def newest(store):
    with store.reading() as transaction:
        return newest_cosigned(transaction)


class Witnessed:
    """A desk, one cosigner and one witness's alarm key, known to it."""

    def __init__(self, config, store, directory):
        make_desk_keys(config)
        self.cosigner = Cosigner()
        self.keys = make_witness_keys(directory / "witness", "police")
        lines = f"{self.cosigner.line}alarm {self.keys.alarm.verifier_key}\n"
        (keys_dir(config) / WITNESSES_FILE).write_text(lines)
        self.desk = OperatedDesk(config, store)
        self.checkpoints = AuditCheckpoints(
            store, open_audit_key(config), self.desk.clock, config.name, interval_s=1.0
        )
        self.words = WitnessWords(config, store, self.desk.hook, self.checkpoints, self.desk.clock)

    def alarm(self, *ledgers, keys=None):
        said = WitnessAlarms(
            witness="police",
            t_utc_us=5,
            alarms=tuple(
                StandingAlarm(
                    ledger=ledger, alarm=AlarmKind.TWO_ROOTS, t_utc_us=4, detail="two roots"
                )
                for ledger in ledgers
            ),
        )
        statement = (keys or self.keys).alarm_statement(msgspec.json.encode(said))
        self.words.hear(Incoming("roeh/desk/v1/police/alarm", statement, (), True))


@pytest.fixture
def witnessed(desk_config, desk_database, memory_directory):
    return Witnessed(desk_config, desk_database, memory_directory)


def test_the_audit_goes_out_as_a_ledger_does_and_its_cosignature_is_kept(witnessed):
    with witnessed.desk.store.writing() as transaction:
        witnessed.desk.audit.append(transaction, ANNA, AuditAction.POLES_VIEWED)
    message = witnessed.words.due()
    incoming = Incoming(str(message.topic), message.payload, (), False)
    said = parse_up(message.topic, incoming)
    assert str(message.topic) == "roeh/v1/desk/haifa/up/checkpoint"
    cosigned = witnessed.cosigner.cosign(said.note).encode()
    assert witnessed.words.takes(COSIGN_TOPIC)
    witnessed.words.hear(Incoming(COSIGN_TOPIC, cosigned, (), False))
    found = witnessed.desk.check(witnesses=[witnessed.cosigner.key])
    assert found.cosigned_size == 1


def test_a_witness_that_was_told_nothing_else_cosigns_the_audit(witnessed, memory_directory):
    witness = RunningWitness(memory_directory / "running")
    for _ in range(2):
        with witnessed.desk.store.writing() as transaction:
            witnessed.desk.audit.append(transaction, ANNA, AuditAction.POLES_VIEWED)
        witnessed.desk.clock.advance(60)
        message = witnessed.words.due()
        said = parse_up(message.topic, Incoming(str(message.topic), message.payload, (), False))
        note = witness.witness.take(said)
        witnessed.checkpoints.keep_cosigned(note, [witness.keys.witness])
    found = witnessed.desk.check(witnesses=[witness.keys.witness])
    assert found.cosigned_size == 2
    assert witness.alarms() == []
    witness.witness.close()


def test_the_real_witness_follows_the_audit_and_another_one_is_an_alarm(
    desk_config, desk_database, memory_directory
):
    make_desk_keys(desk_config)
    witness = RunningWitness(memory_directory / "witness")
    lines = f"witness {witness.keys.verifier_key}\nalarm {witness.keys.alarm.verifier_key}\n"
    (keys_dir(desk_config) / WITNESSES_FILE).write_text(lines)
    desk = OperatedDesk(desk_config, desk_database)

    def one_round(words):
        """A checkpoint goes out, is cosigned, and comes back; whether it was."""
        desk.work.add_note(None, "nothing new", ANNA)
        desk.clock.advance(1)
        message = words.due()
        said = parse_up(message.topic, Incoming(str(message.topic), message.payload, (), False))
        cosigned = witness.witness.take(said)
        if cosigned is None:
            return False
        words.hear(Incoming(COSIGN_TOPIC, cosigned.encode(), (), False))
        return True

    def spoken(store):
        signer = open_audit_key(desk_config)
        checkpoints = AuditCheckpoints(store, signer, desk.clock, desk_config.name, interval_s=1.0)
        return WitnessWords(desk_config, store, desk.hook, checkpoints, desk.clock)

    words = spoken(desk_database)
    assert all(one_round(words) for _ in range(5))
    assert desk.check(witnesses=[witness.keys.witness]).cosigned_size == 5

    # Somebody with the audit's key begins it anew.
    with contextlib.closing(SqliteStore(memory_directory / "anew.db")) as anew:
        desk = OperatedDesk(desk_config, anew, desk.clock)
        words = spoken(anew)
        for _ in range(5):
            desk.work.add_note(None, "nothing happened", ANNA)
        # It repeats what it saw, so that the desk knows from where: from another audit.
        for _ in range(2):
            one_round(words)
        (alarm,) = desk.alarms("kind = 'history_forked'")
        assert (alarm.pole, alarm.priority) == ("desk/haifa", 9)
        assert newest(anew) is None


@pytest.mark.parametrize("payload", [b"", b"\xff", b"nothing of that kind\n"])
def test_what_is_no_cosignature_is_refused(witnessed, payload):
    with pytest.raises(MessageRefused):
        witnessed.words.hear(Incoming(COSIGN_TOPIC, payload, (), False))


def test_an_alarm_of_a_witness_is_one_alarm_of_the_desk_however_often_it_is_said(witnessed):
    witnessed.alarm("harbour/pole-7")
    witnessed.alarm("harbour/pole-7", "harbour/pole-8")
    alarms = witnessed.desk.alarms("kind = 'history_forked'")
    assert {(alarm.pole, alarm.priority) for alarm in alarms} == {
        ("harbour/pole-7", 9),
        ("harbour/pole-8", 9),
    }
    assert len(alarms) == 2


def test_an_alarm_that_nobody_known_signed_is_refused(witnessed, memory_directory):
    foreign = make_witness_keys(memory_directory / "foreign", "police")
    with pytest.raises(MessageRefused):
        witnessed.alarm("harbour/pole-7", keys=foreign)
    assert witnessed.desk.alarms() == []


@pytest.mark.parametrize("line", ["witness x", "police+1+1", "alarm x+1+1", "ack x+1+x"])
def test_a_line_that_is_no_key_is_named(witnessed, line):
    (keys_dir(witnessed.desk.config) / WITNESSES_FILE).write_text(f"# who\n\n{line}\n")
    with pytest.raises(ConfigError, match="line 3"):
        known_witnesses(witnessed.desk.config)


def test_no_pole_can_have_the_site_of_desks(tmp_path):
    assert node_config(tmp_path, '[node]\nsite = "desks"').node.site == "desks"
    with pytest.raises(ConfigError, match="kept for control rooms"):
        node_config(tmp_path, '[node]\nsite = "desk"')
