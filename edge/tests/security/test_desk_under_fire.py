"""A desk whose poles are hostile: it falls for nothing, and honest poles are acknowledged."""

import contextlib
import hashlib
import json
import random
import threading

import hypothesis
import pytest
from hypothesis import strategies

from roeh.core.config import parse_desk_config
from roeh.core.errors import MessageRefused
from roeh.desk.ingest.main import run_ingest
from roeh.desk.ingest.received import Received, receive
from roeh.desk.keys import make_desk_keys
from roeh.desk.service_tls import tls_dir
from roeh.transport.messages import Incoming
from roeh.transport.topics import TOPICS, Direction
from tests.desks import incoming, said_alert, said_picture, said_state
from tests.process.brokers import CLOCK
from tests.security.intruder import NO_SUBSCRIBERS
from tests.waiting import wait_until

UP = [row.channel.value for row in TOPICS.values() if row.direction is Direction.UP]
FLOOD = 10_000
DESK = """
name = "haifa"
[paths]
data_dir = "{directory}/desk"
[broker]
port = {port}
[broker.tls]
ca_file = "{ca}"
"""


def taken(message):
    """What a desk makes of it: something, or a refusal; nothing else may come of it."""
    try:
        return receive(message)
    except MessageRefused:
        return None


def genuine():
    alert = said_alert(3)
    return [
        incoming(message)
        for message in (alert, said_picture(json.loads(alert.payload)["id"]), said_state())
    ]


def test_what_was_genuine_before_it_was_changed_is_taken():
    assert all(isinstance(taken(message), Received) for message in genuine())


@hypothesis.settings(max_examples=800)
@hypothesis.given(
    strategies.text(max_size=60) | strategies.sampled_from([str(m.topic) for m in genuine()]),
    strategies.binary(max_size=200) | strategies.text().map(str.encode),
    strategies.lists(strategies.tuples(strategies.text(), strategies.text()), max_size=3),
)
def test_no_message_brings_a_desk_down(topic, payload, properties):
    taken(Incoming(topic, payload, tuple(properties), retained=False))


#: JSON of any shape in the place of a field.
JSON = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats()
    | strategies.text(max_size=8),
    lambda inner: (
        strategies.lists(inner, max_size=3)
        | strategies.dictionaries(strategies.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=4,
)


@hypothesis.settings(max_examples=400)
@hypothesis.given(strategies.data())
def test_no_field_of_any_shape_brings_a_desk_down(data):
    message = incoming(said_alert(3))
    fields = json.loads(message.payload)
    fields[data.draw(strategies.sampled_from(sorted(fields)))] = data.draw(JSON)
    payload = json.dumps(fields).encode()
    taken(Incoming(message.topic, payload, (), retained=False))


def changed(chance, message):
    """A genuine message, spoilt."""
    payload = bytearray(message.payload)
    match chance.randrange(5):
        case 0:
            payload = payload[: chance.randrange(len(payload))]
        case 1:
            for _ in range(chance.randrange(1, 6)):
                payload[chance.randrange(len(payload))] = chance.randrange(256)
        case 2:
            payload = bytearray(chance.randbytes(chance.randrange(200)))
        case 3:
            payload = bytearray(b'{"a":' * chance.randrange(1, 3000))
        case _:
            payload = payload * chance.randrange(2, 30)
    return bytes(payload)


def test_three_times_ten_thousand_spoilt_messages_are_refused_or_harmless():
    chance = random.Random(7)
    messages = genuine()
    outcomes = {True: 0, False: 0}
    for _ in range(3 * FLOOD):
        message = chance.choice(messages)
        spoilt = Incoming(
            message.topic, changed(chance, message), message.user_properties, retained=False
        )
        outcomes[taken(spoilt) is not None] += 1

    assert outcomes[False] > 2 * FLOOD


@contextlib.contextmanager
def running_desk(ground):
    """Ingest with the certificate that the key keeper made for it."""
    directory = ground.directory
    text = DESK.format(
        directory=directory, port=ground.broker.services_port, ca=ground.city.broker_ca
    )
    config = parse_desk_config(text, name="desk.toml")
    make_desk_keys(config)
    tls_dir(config).mkdir(parents=True)
    own = tls_dir(config) / "desk.pem"
    own.write_bytes(ground.city.service("desk", "haifa").read_bytes())
    own.chmod(0o600)
    stop = threading.Event()
    thread = threading.Thread(target=run_ingest, args=(config, CLOCK, stop))
    thread.start()
    try:
        yield config
    finally:
        stop.set()
        thread.join()


def say_alert(pole, seq, node):
    """Say one, again until a desk hears it, and return its id and hash."""
    alert = said_alert(seq, node=node)
    wait_until(lambda: pole.publish(str(alert.topic), alert.payload) != NO_SUBSCRIBERS)
    return json.loads(alert.payload)["id"], hashlib.sha256(alert.payload).hexdigest()


def acknowledged(pole, wanted):
    """Hear acknowledgements until all of these are named."""
    missing = set(wanted)
    while missing:
        body = json.loads(pole.hear()[1].decode().split("\n")[2])
        missing -= {(entry["id"], entry["sha256"]) for entry in body["acks"]}


@pytest.mark.apt("mosquitto")
def test_honest_poles_are_acknowledged_while_another_floods(own_ground):
    with (
        running_desk(own_ground),
        own_ground.pole("pole-7") as honest,
        own_ground.pole("pole-8") as hostile,
    ):
        honest.subscribe("roeh/v1/harbour/pole-7/down/ack")
        acknowledged(honest, [say_alert(honest, 1, "pole-7")])
        chance = random.Random(11)
        messages = genuine()
        for number in range(FLOOD):
            junk = changed(chance, chance.choice(messages))
            hostile.throw(f"roeh/v1/harbour/pole-8/up/{chance.choice(UP)}", junk)
            if number == FLOOD // 2:
                said = [say_alert(honest, seq, "pole-7") for seq in range(2, 22)]

        acknowledged(honest, said)


@pytest.mark.apt("mosquitto")
def test_a_pole_that_joins_the_desk_s_subscribers_takes_nothing_from_it(own_ground):
    """A broker gives each message to one of a group, and to a member that may not read it too."""
    with (
        running_desk(own_ground) as config,
        own_ground.pole("pole-7") as honest,
        own_ground.pole("pole-8") as thief,
    ):
        honest.subscribe("roeh/v1/harbour/pole-7/down/ack")
        acknowledged(honest, [say_alert(honest, 1, "pole-7")])
        for group in (config.ingest.group, config.name, "haifa-ack", "+", "#"):
            with contextlib.suppress(ValueError):
                thief.subscribe(f"$share/{group}/roeh/v1/+/+/up/alert")

        acknowledged(honest, [say_alert(honest, seq, "pole-7") for seq in range(2, 22)])
