"""The republisher on a real broker: nothing lost whoever is killed, and texts that expire."""

import contextlib
import re
import signal
import socket
import subprocess
import sys

import msgspec
import pytest

from roeh.core.clock import SystemClock
from roeh.core.types import Alert
from roeh.desk.republish.link import BrokerOutlet
from roeh.desk.store.sqlite import SqliteStore
from roeh.transport.messages import Incoming
from roeh.transport.mqtt import BrokerOptions
from roeh.transport.view_messages import ViewMessage
from tests.desk_views import AUDIENCES, commit_alert, stored_alert
from tests.process.brokers import (
    LOOPBACK,
    PATIENCE_S,
    Client,
    own_mosquitto,
    password_and_access,
    running_broker,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.apt("mosquitto", "openssl")

CLOCK = SystemClock()
ALERTS = 300


@pytest.fixture
def port(tmp_path):
    with own_mosquitto(tmp_path, "allow_anonymous true\n") as port:
        yield port


@contextlib.contextmanager
def republisher(desk_toml):
    command = ["-m", "roeh", "desk", "run", "--only", "republish", "-c", str(desk_toml)]
    child = subprocess.Popen([sys.executable, "-W", "error", *command])
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def listener(port, topic_filter, client_id="listener"):
    client = Client(port, client_id, clean_start=False, session_expiry_s=600, receive_maximum=200)
    client.connection.subscribe(topic_filter)
    return client


def alert_seqs(client, until):
    """The numbers that arrive, up to and with this one."""
    seen = []
    while not seen or seen[-1] != until:
        incoming = client.next(Incoming, PATIENCE_S)
        seen.append(msgspec.json.decode(incoming.payload, type=Alert).seq)
    return seen


def test_nothing_is_lost_when_it_is_killed_again_and_again(tmp_path, port):
    store = SqliteStore(tmp_path / "desk.db")
    desk_toml = tmp_path / "desk.toml"
    desk_toml.write_text(f'[paths]\ndata_dir = "{tmp_path}"\n[broker]\nport = {port}\n' + AUDIENCES)
    control = listener(port, "roeh/view/v1/control/#")
    t_us = CLOCK.read().t_utc_ns // 1000
    seen = []
    for first in range(1, ALERTS, 100):
        for seq in range(first, first + 100):
            commit_alert(store, stored_alert(seq, t_utc_us=t_us), CLOCK)
        with republisher(desk_toml) as child:
            # Killed in the middle of what it has to say.
            seen += alert_seqs(control, first + 50)
            child.send_signal(signal.SIGKILL)
    with republisher(desk_toml):
        seen += alert_seqs(control, ALERTS)
    store.close()
    control.connection.close()
    assert set(seen) == set(range(1, ALERTS + 1))


def test_it_ends_when_told_to_and_finds_a_broker_that_was_away(tmp_path):
    store = SqliteStore(tmp_path / "desk.db")
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    desk_toml = tmp_path / "desk.toml"
    desk_toml.write_text(
        f'[paths]\ndata_dir = "{tmp_path}"\n[broker]\nport = {port}\n'
        f'[metrics]\ndir = "{tmp_path}"\ninterval_s = 0.1\n'
    )
    t_us = CLOCK.read().t_utc_ns // 1000
    with republisher(desk_toml) as child:
        for seq in (1, 2):
            with running_broker("mosquitto", port):
                control = listener(port, "roeh/view/v1/control/#")
                commit_alert(store, stored_alert(seq, t_utc_us=t_us), CLOCK)
                assert alert_seqs(control, seq)[-1] == seq
                control.connection.close()
        shown = re.compile(r"^roeh_republish_messages_total\{.*\} 2$", re.MULTILINE)
        wait_until(lambda: shown.search((tmp_path / "roeh_republish.prom").read_text()), PATIENCE_S)
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE_S) == 0
    store.close()


def text(payload, expiry_s):
    return ViewMessage(
        topic="roeh/view/v1/parents/playground/text",
        payload=payload,
        content_type="application/json",
        expiry_s=expiry_s,
    )


def test_the_broker_forgets_a_text_that_expired(port):
    asleep = listener(port, "roeh/view/v1/parents/#", "asleep")
    outlet = BrokerOutlet(BrokerOptions(host=LOOPBACK, port=port, client_id="republish"), CLOCK)
    outlet.send([text(b"heard", 600)])
    assert asleep.next(Incoming).payload == b"heard"
    asleep.connection.abandon()
    outlet.send([text(b"short", 1), text(b"long", 600)])
    outlet.close()
    # The broker's own clock has to go on: there is nothing else to wait for.
    CLOCK.wait(2.1)
    awake = listener(port, "roeh/view/v1/parents/#", "asleep")
    heard = [awake.next(Incoming).payload]
    while heard[-1] != b"long":
        heard.append(awake.next(Incoming).payload)
    assert b"short" not in heard
    awake.connection.close()


def test_an_audience_that_the_broker_refuses_keeps_nobody_waiting(tmp_path):
    config = password_and_access(tmp_path, "desk", "secret", ["readwrite roeh/view/v1/control/#"])
    with own_mosquitto(tmp_path, config) as port:
        named = {"username": "desk", "password": "secret"}
        control = Client(port, "control", **named)
        control.connection.subscribe("roeh/view/v1/control/#")
        outlet = BrokerOutlet(
            BrokerOptions(host=LOOPBACK, port=port, client_id="republish", **named), CLOCK
        )
        outlet.send(
            [
                ViewMessage(topic=f"roeh/view/v1/{branch}", payload=b"{}", content_type="x")
                for branch in ("parents/playground/text", "control/harbour/pole-7/alert")
            ]
        )
        assert control.next(Incoming).topic == "roeh/view/v1/control/harbour/pole-7/alert"
        outlet.close()
        control.connection.close()
