"""Who is revoked is out, for certain, and the others come back with their sessions."""

import signal
import socket
import ssl

import pytest

from roeh.core.errors import KeyRefused
from tests.process.secured_broker import LOOPBACK, SITE, City
from tests.security.intruder import NOT_AUTHORISED, Refused, tls_of

pytestmark = pytest.mark.apt("mosquitto")
KEPT_S = 600


def topic(node, rest):
    return f"roeh/v1/{SITE}/{node}/{rest}"


def revoke(ground, file):
    """As the city's administrator does; the restart is what systemd does."""
    revoked = ground.city.revoke(file)
    ground.broker.command("revoke", ground.directory / "broker", revoked)


def test_who_is_revoked_while_connected_is_thrown_out_and_stays_out(own_ground):
    stolen = own_ground.city.node("pole-7")
    thief, honest = own_ground.come(stolen), own_ground.pole("pole-8", expiry_s=KEPT_S)
    honest.subscribe(topic("pole-8", "down/ack"))
    desk = own_ground.service("desk", expiry_s=KEPT_S)
    desk.subscribe(topic("+", "up/alert"))

    revoke(own_ground, stolen)
    own_ground.broker.restart()

    assert thief.is_out()
    for _ in range(2):
        with pytest.raises(Refused):
            own_ground.come(stolen)
    with own_ground.service("desk", expiry_s=KEPT_S) as desk:
        assert desk.session_present
        assert desk.publish(topic("pole-8", "down/ack"), b"for the honest") == 0
        with own_ground.pole("pole-8", expiry_s=KEPT_S) as honest:
            assert honest.session_present
            assert honest.hear() == (topic("pole-8", "down/ack"), b"for the honest")
            assert honest.publish(topic("pole-8", "up/alert"), b"again") == 0
        assert desk.hear() == (topic("pole-8", "up/alert"), b"again")


def test_a_reload_keeps_newcomers_out_but_leaves_who_is_in(own_ground):
    """What mosquitto 2.0 does; it is why revoking takes a restart (edge/docs/broker.md)."""
    stolen = own_ground.city.node("pole-7")
    thief = own_ground.come(stolen)
    revoke(own_ground, stolen)

    own_ground.broker.signal(signal.SIGHUP)

    with own_ground.pole("pole-8"):  # it has read the list when it takes in the next
        with pytest.raises(Refused):
            own_ground.come(stolen)
        assert thief.publish(topic("pole-7", "up/alert")) < NOT_AUTHORISED


def test_a_service_can_be_revoked_too(own_ground):
    lost = own_ground.city.service("desk", "haifa")
    desk = own_ground.service("desk")

    revoke(own_ground, lost)
    own_ground.broker.restart()

    assert desk.is_out()
    with pytest.raises(Refused):
        own_ground.service("desk")


def test_a_resumed_tls_session_does_not_outlive_the_certificate(own_ground):
    stolen = own_ground.city.node("pole-7")
    context = tls_of(own_ground.city.broker_ca, stolen)
    session = tls_session(own_ground, context, None)

    revoke(own_ground, stolen)
    own_ground.broker.signal(signal.SIGHUP)
    with own_ground.pole("pole-8"):
        pass

    with pytest.raises((ssl.SSLError, ConnectionError)):
        tls_session(own_ground, context, session)


def tls_session(ground, context, session):
    """Greet in TLS, say CONNECT and read the answer; the session's ticket."""
    connect = bytes.fromhex("1011 0004 4d515454 05 02 003c 00 0004 61626364".replace(" ", ""))
    address = (LOOPBACK, ground.broker.poles_port)
    with (
        socket.create_connection(address, timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=LOOPBACK, session=session) as connection,
    ):
        connection.sendall(connect)
        if not connection.recv(64):
            raise ConnectionError("closed")
        return connection.session


def test_a_new_certificate_takes_over_the_session_of_the_old_one(own_ground):
    """Rotation: what was said meanwhile is heard, and nothing is lost."""
    old = own_ground.come(own_ground.city.node("pole-7", file="old"), expiry_s=KEPT_S)
    old.subscribe(topic("pole-7", "down/ack"))
    with own_ground.service("desk") as desk:
        old.vanish()
        desk.publish(topic("pole-7", "down/ack"), b"meanwhile")

        new = own_ground.come(own_ground.city.node("pole-7", file="new"), expiry_s=KEPT_S)

        assert new.session_present
        assert new.hear() == (topic("pole-7", "down/ack"), b"meanwhile")
        new.close()


def test_a_late_subscriber_sees_the_state_of_before_a_restart(own_ground):
    with own_ground.pole("pole-7") as pole:
        assert pole.publish(topic("pole-7", "up/state"), b"birth", retain=True) < NOT_AUTHORISED

    own_ground.broker.restart()

    with own_ground.service("desk") as desk:
        desk.subscribe("roeh/v1/+/+/up/state")
        assert desk.hear() == (topic("pole-7", "up/state"), b"birth")


def test_lists_that_a_broker_must_not_take_are_refused(own_ground, tmp_path):
    broker, directory = own_ground.broker, own_ground.directory / "broker"
    before = (directory / "poles-revoked.pem").read_bytes()
    older = tmp_path / "older.pem"
    older.write_bytes(own_ground.city.lists[0].read_bytes())
    revoke(own_ground, own_ground.city.node("pole-7"))
    newest = (directory / "poles-revoked.pem").read_bytes()

    with pytest.raises(KeyRefused, match="older than the one in force"):
        broker.command("revoke", directory, older)
    forged = tmp_path / "forged.pem"
    forged.write_bytes(other_city(tmp_path).lists[0].read_bytes())
    with pytest.raises(KeyRefused, match="not signed by it"):
        broker.command("revoke", directory, forged)

    assert before != newest == (directory / "poles-revoked.pem").read_bytes()


def other_city(directory):
    """Its CAs have the same names."""

    (directory / "other").mkdir()
    return City(directory / "other")
