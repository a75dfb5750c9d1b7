"""Both brokers of the demo are real, on loopback alone, and leave nothing behind."""

import hashlib
import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from roeh.core.errors import BrokerRefused, ConfigError, PortTaken
from roeh.demo.broker import LOOPBACK, choose_broker
from roeh.transport.messages import ALERT_ID, SHA256, Incoming, Outgoing
from roeh.transport.mqtt import BrokerOptions, Disconnected, MqttConnection, Will
from roeh.transport.tls import TlsFiles
from roeh.transport.topics import Channel, Topic, shared_filter
from tests.process.brokers import (
    CLOCK,
    KINDS,
    Client,
    ControlRoom,
    listening_addresses,
    running_broker,
)

LOOPBACK_HEX = "0100007F"


@pytest.fixture(params=KINDS)
def broker(request):
    with running_broker(request.param) as running:
        yield running


def message(channel=Channel.ALERT, payload=b"{}", **properties):
    return Outgoing(Topic("harbour", "pole", channel), payload, tuple(properties.items()))


def test_it_listens_on_loopback_alone(broker):
    assert listening_addresses(broker.pid) == {(LOOPBACK_HEX, broker.port)}


def test_a_picture_of_20_kb_arrives_whole_with_its_properties(broker):
    room = ControlRoom(broker.port)
    node = Client(broker.port, "pole")
    jpeg = os.urandom(20_000)
    sent = message(Channel.THUMB, jpeg, **{ALERT_ID: "a", SHA256: hashlib.sha256(jpeg).hexdigest()})
    assert node.publish(sent) == 0
    got = room.next(Incoming)
    assert (got.topic, got.payload, got.user_properties) == (
        str(sent.topic),
        jpeg,
        sent.user_properties,
    )
    node.connection.close()
    room.connection.close()


def test_a_subscriber_that_was_away_gets_what_it_missed(broker):
    room = ControlRoom(broker.port)
    node = Client(broker.port, "pole")
    assert node.publish(message(payload=b"1")) == 0
    assert room.next(Incoming).payload == b"1"
    room.connection.abandon()
    assert node.publish(message(payload=b"2")) == 0
    back = ControlRoom(broker.port)
    assert back.session.present
    # At least once: what was not yet acknowledged may come a second time.
    while back.next(Incoming).payload != b"2":
        pass
    back.connection.close()
    node.connection.close()


def test_a_group_of_subscribers_gets_every_channel_it_asked_for(broker):
    desk = Client(broker.port, "desk", receive_maximum=500)
    channels = (Channel.ALERT, Channel.THUMB, Channel.RSP)
    for channel in channels:
        desk.connection.subscribe(shared_filter("group", channel))
    node = Client(broker.port, "pole")
    for channel in channels * 30:
        node.publish(message(channel))
    got = [desk.next(Incoming).topic for _ in channels * 30]
    assert sorted(got) == sorted(str(message(channel).topic) for channel in channels * 30)
    node.connection.close()
    desk.connection.close()


def test_the_state_is_there_for_who_comes_later_and_the_will_replaces_it(broker):
    will = Will(message(Channel.STATE, b"offline"), delay_s=1)
    node = Client(broker.port, "pole", session_expiry_s=60, will=will)
    node.publish(message(Channel.STATE, b"online"))
    room = ControlRoom(broker.port)
    assert room.next(Incoming).payload == b"online"
    node.connection.abandon()
    assert room.next(Incoming).payload == b"offline"
    late = ControlRoom(broker.port, "late")
    assert late.next(Incoming).payload == b"offline"
    late.connection.close()
    room.connection.close()


def test_the_will_is_not_spoken_when_the_node_is_back_before_its_delay(broker):
    options = {
        "session_expiry_s": 60,
        "clean_start": False,
        "will": Will(message(Channel.STATE, b"offline"), delay_s=1),
    }
    room = ControlRoom(broker.port)
    Client(broker.port, "pole", **options).connection.abandon()
    node = Client(broker.port, "pole", **options)
    assert room.quiet(1.5)
    node.connection.close()
    room.connection.close()


def test_nothing_of_it_remains_after_it_was_stopped(broker):
    pid = broker.pid
    broker.stop()
    broker.stop()
    assert not Path(f"/proc/{pid}").exists()
    assert not list(Path(os.environ.get("TMPDIR", "/tmp")).glob(f"roeh-broker-*/{pid}"))
    with socket.socket() as probe:
        assert probe.connect_ex((LOOPBACK, broker.port)) != 0


def test_it_starts_again_on_its_port_after_kill_9(broker):
    node = Client(broker.port, "pole")
    os.kill(broker.pid, signal.SIGKILL)
    node.next(Disconnected)
    node.connection.abandon()
    broker.start()
    again = Client(broker.port, "pole")
    again.connection.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_taken_port_is_one_clear_line(kind):
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(PortTaken, match=f"{LOOPBACK}:{port}"),
            running_broker(kind, port=port),
        ):
            pass


def test_the_broker_at_hand_is_chosen():
    broker = choose_broker(CLOCK)
    assert broker.kind in KINDS
    assert broker.port > 0


def refusal_of(port, **options):
    connection = MqttConnection(
        BrokerOptions(host=LOOPBACK, port=port, client_id="pole", **options), lambda _event: None
    )
    with pytest.raises(BrokerRefused) as caught:
        connection.open()
    line = caught.value.line()
    assert f"{LOOPBACK}:{port}" in line
    assert "\n" not in line
    return line


def test_a_port_where_nothing_listens_is_named():
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    assert "nothing listens there" in refusal_of(port)


def test_a_host_that_is_not_known_is_named():
    options = BrokerOptions(host="no-such-host.invalid", port=1883, client_id="pole")
    with pytest.raises(BrokerRefused, match=r"no-such-host\.invalid:1883"):
        MqttConnection(options, lambda _event: None).open()


def answering(answer):
    """The port of a server that is no MQTT broker: it says `answer` and hangs up."""
    listener = socket.create_server((LOOPBACK, 0))

    def serve():
        with listener:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x02\x00\x00"])
def test_a_server_that_is_no_mqtt_5_broker_is_one_clear_line(answer):
    assert "check that this port speaks MQTT 5" in refusal_of(answering(answer))


def test_tls_to_a_port_without_tls_is_one_clear_line(broker):
    assert "TLS" in refusal_of(broker.port, tls=TlsFiles(), connect_timeout_s=1.0)


def test_a_certificate_file_that_is_not_there_is_a_configuration_error(tmp_path):
    options = BrokerOptions(
        host=LOOPBACK, port=1, client_id="pole", tls=TlsFiles(ca_file=str(tmp_path / "ca.pem"))
    )
    with pytest.raises(ConfigError, match=r"broker\.tls\.ca_file"):
        MqttConnection(options, lambda _event: None)
