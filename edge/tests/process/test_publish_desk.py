"""With a desk nothing leaves the pole but by its signature, on a real broker."""

import pytest

from roeh.core.peers import Role
from roeh.core.types import Alert
from roeh.transport.messages import StateMessage
from roeh.transport.tls import TlsFiles
from roeh.transport.topics import Channel
from tests.delivering_nodes import AckingDesk
from tests.process.acknowledging_desk import ADDRESSEE, AcknowledgingDesk, entry_of
from tests.process.brokers import PATIENCE_S, Authority, ControlRoom, own_mosquitto, running_broker
from tests.process.publishing_node import running_node
from tests.waiting import wait_until

SOON = "desk_ack_timeout_s = 0.5\ncheckpoint_s = 1.0\n"


@pytest.fixture
def mosquitto():
    with running_broker("mosquitto") as running:
        yield running


@pytest.fixture
def desk(mosquitto):
    desk = AcknowledgingDesk(mosquitto.port)
    yield desk.open()
    desk.close()


@pytest.fixture
def node(tmp_path, desk):
    with running_node(tmp_path, desk.port, SOON + desk.node_lines(tmp_path)) as running:
        yield running


def outbox_is_empty(status):
    return status.outbox_rows == 0


def test_what_the_desk_signed_for_leaves_and_nothing_else(desk, node):
    desk.silent = True
    node.store()
    wait_until(lambda: len(set(desk.came)) == 2, PATIENCE_S)
    # The broker took both; offered again and again, they stay.
    wait_until(lambda: len(desk.came) >= 4, PATIENCE_S)
    assert node.status().outbox_rows == 2
    forger = AckingDesk(name=desk.name, addressee=ADDRESSEE)
    (kind, alert_id) = desk.came[0]
    forged = forger.sign([entry_of(kind, alert_id, b"anything")])
    desk.say(Channel.ACK, forged)
    node.wait_for_status(lambda status: status.board.statements_refused > 0)
    assert node.status().outbox_rows == 2
    desk.silent = False
    node.wait_for_status(outbox_is_empty)


def test_a_desk_that_comes_back_gets_everything_that_waited(desk, node):
    node.store()
    node.wait_for_status(outbox_is_empty)
    desk.close()
    for _ in range(50):
        node.store(thumbnail=False)
    desk.open()
    node.wait_for_status(outbox_is_empty)
    assert set(desk.alerts()) == set(node.stored)


def test_publish_killed_between_the_brokers_word_and_the_desks_loses_nothing(desk, node):
    desk.silent = True
    for _ in range(10):
        node.store(thumbnail=False)
    wait_until(lambda: len(desk.alerts()) == 10, PATIENCE_S)
    node.kill(Role.PUBLISH)
    desk.silent = False
    node.start(Role.PUBLISH)
    node.wait_for_status(outbox_is_empty)
    assert set(desk.alerts()) == set(node.stored)


def test_the_birth_names_the_ledgers_key_and_checkpoints_follow(tmp_path, desk, node):
    (state,) = wait_until(lambda: desk.said(Channel.STATE), PATIENCE_S)[:1]
    assert isinstance(state, StateMessage)
    assert state.log_chain_pem.startswith("-----BEGIN CERTIFICATE-----")
    node.store()
    checkpoint = wait_until(lambda: desk.said(Channel.CHECKPOINT), PATIENCE_S)[0]
    assert checkpoint.note.startswith("roeh/harbour/pole\n")


def test_a_full_backlog_drains_most_urgent_first_within_the_window(tmp_path, mosquitto):
    """A thousand here; ten thousand on simulated time in unit/test_publish_desk.py."""
    desk = AcknowledgingDesk(mosquitto.port)
    mosquitto.stop()
    with running_node(tmp_path, desk.port, SOON + desk.node_lines(tmp_path)) as node:
        node.kill(Role.PUBLISH)
        for number in range(1_000):
            node.store(thumbnail=False, priority=9 if number % 100 == 99 else 3)
        mosquitto.start()
        desk.open()
        node.start(Role.PUBLISH)
        node.wait_for_status(outbox_is_empty)
        assert sorted(desk.alerts()) == sorted(node.stored)
        assert set(desk.alerts()[:10]) == set(node.stored[99::100])
        desk.close()


def test_where_bytes_are_paid_for_an_alert_carries_no_checkpoint(tmp_path, desk):
    lines = 'profile = "thrifty"\nheartbeat_s = 0.5\n' + SOON + desk.node_lines(tmp_path)
    with running_node(tmp_path, desk.port, lines) as node:
        wait_until(
            lambda: [health for health in desk.said(Channel.HEALTH) if health.checkpoint],
            PATIENCE_S,
        )
        node.store()
        node.wait_for_status(outbox_is_empty)
    (alert,) = desk.said(Channel.ALERT)
    assert alert.checkpoint is None


def test_a_certificate_is_exchanged_without_the_pole_going_offline(tmp_path):
    authority = Authority(tmp_path)
    server, pole, desk_key = (
        authority.certificate(name, days=2) for name in ("localhost", "pole", "desk")
    )
    config = (
        f"cafile {authority.ca}\ncertfile {server}.pem\nkeyfile {server}.key\n"
        "tls_version tlsv1.3\nrequire_certificate true\nallow_anonymous true\n"
    )
    with own_mosquitto(tmp_path, config) as port:
        files = TlsFiles(str(authority.ca), f"{desk_key}.pem", f"{desk_key}.key")
        room = ControlRoom(port, host="localhost", tls=files)
        tls = (
            f'host = "localhost"\ntls = {{ ca_file = "{authority.ca}", '
            f'certificate_file = "{pole}.pem", key_file = "{pole}.key" }}'
        )
        with running_node(tmp_path, port, tls) as node:
            first = room.next_message(StateMessage)
            report = node.wait_for_report(lambda report: "ends in" in report.detail)
            assert report.state == "degraded"
            health = node.wait_for_report(lambda report: report.counters["connections"] == 1)
            assert "the broker's certificate ends in 1 days" in health.detail
            # In place of the old one: two files, one after the other.
            authority.certificate("pole", days=60)
            second = room.next_message(StateMessage)
            assert (first.online, second.online) == (True, True)
            assert second.connection_number == first.connection_number + 1
            node.wait_for_report(
                lambda report: report.detail == "the broker's certificate ends in 1 days"
            )
            node.store(thumbnail=False)
            assert room.next_message(Alert).id == node.stored[0]
        room.connection.close()
