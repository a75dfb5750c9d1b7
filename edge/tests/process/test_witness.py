"""The witness as it runs: a pole's recorder believes it, and the control room hears its alarms."""

import signal
import subprocess
import sys

import pytest

from roeh.core.config import config_as_toml, parse_desk_config
from roeh.core.peers import Role
from roeh.desk.witness.alarm import alarm_topic, open_witness_alarms
from roeh.desk.witness.entries import AlarmKind
from roeh.desk.witness.judging import tree_of
from roeh.desk.witness.key import make_witness_keys
from roeh.ledger.note import SignatureState, cosignatures, parse_note
from roeh.transport.messages import (
    Incoming,
    StateMessage,
    checkpoint_message,
    down_message,
    state_message,
)
from roeh.transport.topics import Channel, Topic
from tests.process.brokers import PATIENCE_S, Client, running_broker
from tests.process.publishing_node import running_node
from tests.waiting import wait_until
from tests.witnesses import POLE, Pole, said_by

pytestmark = pytest.mark.apt("mosquitto")

WITNESS = """
[broker]
port = {port}
[witness]
name = "police"
state_dir = "{directory}/witness"
allow_unsynchronised = true
[metrics]
dir = "{directory}"
interval_s = 0.1
"""


class WitnessProcess:
    """`roeh desk run --only witness`, on a machine that has nothing else of a desk."""

    def __init__(self, directory, port):
        self.config_path = directory / "desk.toml"
        config = parse_desk_config(WITNESS.format(port=port, directory=directory), name="desk.toml")
        self.config_path.write_text(config_as_toml(config))
        self.keys = make_witness_keys(directory / "witness", "police")
        self.log_path = directory / "witness.log"
        self.process = None

    def start(self):
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "roeh", "desk", "run"),
                    *("--only", "witness", "--config", str(self.config_path)),
                ],
                stdin=subprocess.DEVNULL,
                stderr=log,
            )

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def world(tmp_path):
    """A broker and a witness."""
    with running_broker("mosquitto") as broker:
        witness = WitnessProcess(tmp_path, broker.port)
        witness.start()
        try:
            yield broker, witness
        finally:
            witness.kill()


class Listener(Client):
    """A pole that speaks and a control room that listens."""

    def __init__(self, port, keys):
        super().__init__(port, "listener")
        self.keys = keys
        self.connection.subscribe(str(Topic(POLE.site, POLE.node, Channel.COSIGN)))
        self.connection.subscribe(alarm_topic("police"))

    def introduce(self, pole):
        self.publish(
            state_message(
                StateMessage(
                    site=POLE.site,
                    node=POLE.node,
                    online=True,
                    connection_number=1,
                    boot_id="8be4df61-93ca-4ad2-9b9b-0242ac120002",
                    t_utc_us=1,
                    software="1",
                    log_chain_pem=pole.chain_pem,
                )
            )
        )

    def say(self, message):
        self.connection.publish(checkpoint_message(message))

    def next_on(self, topic):
        while True:
            incoming = self.next(Incoming)
            if incoming.topic == topic:
                return incoming

    def next_cosigned(self):
        incoming = self.next_on(str(Topic(POLE.site, POLE.node, Channel.COSIGN)))
        return said_by(self.keys.witness, incoming.payload.decode())

    def next_alarms(self):
        incoming = self.next_on(alarm_topic("police"))
        return open_witness_alarms(incoming.payload, "police", [self.keys.alarm])


def test_a_poles_recorder_keeps_what_a_witness_cosigned(world, tmp_path):
    broker, witness = world
    keys = tmp_path / "desk.keys"
    keys.write_text(f"witness {witness.keys.verifier_key}\n")
    extra = f'checkpoint_s = 1.0\n[desk]\nkeys_file = "{keys}"\n'
    with running_node(tmp_path, broker.port, extra) as node:
        node.store()
        path = tmp_path / "data" / "ledger" / "cosigned"
        note = wait_until(lambda: path.exists() and path.read_text(), PATIENCE_S)
        (said,) = cosignatures(parse_note(note), [witness.keys.witness])
        assert said.state is SignatureState.VALID

        witness.kill()
        size = int(note.split("\n")[1])
        for _ in range(3):
            node.store()
        node.kill(Role.PUBLISH)
        node.start(Role.PUBLISH)
        witness.start()
        # Killed, both of them: it goes on from where it was.
        wait_until(lambda: int(path.read_text().split("\n")[1]) > size, PATIENCE_S)
        assert node.status().board.statements_refused == 0


def test_a_second_history_is_told_to_the_control_room_and_outlasts_the_witness(world):
    broker, witness = world
    listener = Listener(broker.port, witness.keys)
    pole = Pole()
    pole.append(3)
    # Nothing stands; it says so, and by then it reads.
    assert listener.next_alarms().alarms == ()
    listener.introduce(pole)
    listener.say(pole.message())
    assert listener.next_cosigned()[0] == 3

    other = Pole(pole.key)
    other.append(3, mark=b"other")
    listener.say(other.message())
    (alarm,) = listener.next_alarms().alarms
    assert (alarm.ledger, alarm.alarm) == (str(POLE), AlarmKind.TWO_ROOTS)
    assert alarm.kept.root == tree_of(pole.note()).root.hex()
    assert alarm.claimed.root == tree_of(other.note()).root.hex()
    metrics = witness.config_path.parent / "roeh_witness.prom"
    wait_until(lambda: 'alarm="two-roots"} 1\n' in metrics.read_text())

    witness.kill()
    witness.start()
    later = Listener(broker.port, witness.keys)
    assert later.next_alarms().alarms == (alarm,)


def test_it_ends_when_told_to(world):
    broker, witness = world
    Listener(broker.port, witness.keys).next_alarms()

    assert witness.stop() == 0


def test_garbage_neither_ends_it_nor_keeps_it_from_the_next(world):
    broker, witness = world
    listener = Listener(broker.port, witness.keys)
    assert listener.next_alarms().alarms == ()
    pole = Pole()
    pole.append(1)
    listener.introduce(pole)
    for payload in (b"", b"{", b"\xff" * 1000, b'{"site":"haifa"}', b"[" * 5000):
        message = down_message(POLE.site, POLE.node, Channel.CHECKPOINT, payload)
        listener.connection.publish(message)
    listener.say(pole.message())

    assert listener.next_cosigned()[0] == 1
