"""Payloads are what the published schemas say, and nothing else is believed."""

import hashlib

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roeh.core.delivery import OutboxItem, OutboxKind
from roeh.core.errors import MessageRefused
from roeh.core.types import MAX_TOMBSTONE_BYTES, Alert, Tombstone
from roeh.desk.published import message_schema
from roeh.transport.messages import (
    MAX_INTEGER,
    STORAGE_OK,
    CheckpointMessage,
    HealthMessage,
    Incoming,
    OutboxHealth,
    SignedAnswer,
    Snapshot,
    StateMessage,
    Thumbnail,
    answer_message,
    checkpoint_message,
    down_message,
    health_message,
    outbox_message,
    parse_down,
    parse_up,
    snapshot_message,
    state_message,
    worst_condition,
)
from roeh.transport.topics import Channel, Topic
from tests.alert_drafts import alert_draft

JPEG = b"\xff\xd8\xff picture"

#: As long as the note of a real node's ledger.
NOTE = "roeh/harbour/pole-7\n123456\n" + "A" * 44 + "\n\n— roeh/harbour/pole-7 " + "A" * 104 + "\n"

DRAFT = alert_draft(
    thumbnail=JPEG,
    alert_id="0192f0c1-0000-7000-8000-000000000001",
    rule="gate",
    zone=None,
    t_utc_us=1_700_000_000_000_000,
)
ALERT = Alert(**msgspec.structs.asdict(DRAFT), seq=42)
STATE = StateMessage(
    site="harbour",
    node="pole-7",
    online=True,
    connection_number=8,
    boot_id=ALERT.boot_id,
    t_utc_us=ALERT.t_utc_us,
    software="0.1.0",
)
HEALTH = HealthMessage(
    site="harbour",
    node="pole-7",
    boot_id=ALERT.boot_id,
    connection_number=8,
    t_utc_us=ALERT.t_utc_us,
    clock=ALERT.clock,
    software="0.1.0",
    heartbeat_s=60.0,
    condition="blind",
    processes={"capture": "blind", "detect": "ok"},
    details={"capture": "no frame for 5 s"},
    alerts_stored=42,
    outbox=OutboxHealth(rows=2, bytes=9000, oldest_age_us=100, evicted=0, refused=0),
    storage_state="ok",
)


def item(kind, payload):
    return OutboxItem(
        row=1,
        kind=kind,
        alert_id=ALERT.id,
        seq=ALERT.seq,
        priority=5,
        payload=payload,
        payload_sha256=hashlib.sha256(payload).hexdigest(),
        t_stored_mono_us=0,
        boot_id=ALERT.boot_id,
    )


def arrived(outgoing):
    return Incoming(
        topic=str(outgoing.topic),
        payload=outgoing.payload,
        user_properties=outgoing.user_properties,
        retained=False,
    )


def read_back(outgoing):
    return parse_up(outgoing.topic, arrived(outgoing))


def objects_in(node):
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from objects_in(child)


def is_valid(name, payload):
    jsonschema.Draft202012Validator(message_schema(name)).validate(msgspec.json.decode(payload))


def test_an_alert_arrives_as_it_was_stored():
    outgoing = outbox_message(
        item(OutboxKind.ALERT, msgspec.json.encode(ALERT)), "harbour", "pole-7"
    )
    assert read_back(outgoing) == ALERT
    is_valid("alert", outgoing.payload)


def test_the_picture_travels_as_itself_and_names_its_alert():
    outgoing = outbox_message(item(OutboxKind.THUMBNAIL, JPEG), "harbour", "pole-7")
    assert outgoing.topic.channel is Channel.THUMB
    assert outgoing.payload == JPEG
    assert read_back(outgoing) == Thumbnail(ALERT.id, ALERT.thumbnail_sha256, JPEG)


def test_a_tombstone_travels_where_its_alert_would_have():
    tombstone = Tombstone(evicted_seq=42, id=ALERT.id)
    outgoing = outbox_message(
        item(OutboxKind.TOMBSTONE, msgspec.json.encode(tombstone)), "harbour", "pole-7"
    )
    assert outgoing.topic.channel is Channel.ALERT
    assert read_back(outgoing) == tombstone
    is_valid("tombstone", outgoing.payload)


def test_the_largest_tombstone_keeps_its_size():
    tombstone = Tombstone(evicted_seq=MAX_INTEGER, id=ALERT.id)
    assert len(msgspec.json.encode(tombstone)) <= MAX_TOMBSTONE_BYTES


def test_state_and_health_are_what_their_schemas_say():
    assert read_back(state_message(STATE)) == STATE
    assert read_back(health_message(HEALTH)) == HEALTH
    is_valid("state", state_message(STATE).payload)
    is_valid("health", health_message(HEALTH).payload)


def test_a_heartbeat_of_a_whole_node_stays_small():
    names = ("capture", "detect", "evidence", "publish", "retrieve")
    whole = msgspec.structs.replace(
        HEALTH,
        condition="ok",
        processes=dict.fromkeys(names, "ok"),
        details={},
        alerts_stored=123_456,
        retention_us=30 * 86_400 * 1_000_000,
        temperature_c=61.5,
        wear_percent=2.25,
        certificate_days=300,
        broker_certificate_days=200,
        witnessed_age_us=250_000_000,
        outbox=OutboxHealth(),
        storage_state=STORAGE_OK,
        checkpoint=NOTE,
    )
    assert len(health_message(whole).payload) <= 760


def test_what_is_empty_is_not_sent():
    sent = msgspec.json.decode(health_message(HEALTH).payload)
    assert "temperature_c" not in sent
    assert "alarms" not in sent
    assert sent["schema"] == "roeh/health/1"
    assert "log_chain_pem" not in msgspec.json.decode(state_message(STATE).payload)


def test_a_checkpoint_an_answer_and_a_snapshot_arrive_as_they_were_sent():
    checkpoint = CheckpointMessage(
        site="harbour", node="pole-7", note=NOTE, from_size=7, hashes=("a" * 44,)
    )
    assert read_back(checkpoint_message(checkpoint)) == checkpoint
    answer = answer_message("harbour", "pole-7", b"signed")
    assert read_back(answer) == SignedAnswer(b"signed")
    snapshot = snapshot_message("harbour", "pole-7", ALERT.id, JPEG)
    assert read_back(snapshot) == Snapshot(ALERT.id, hashlib.sha256(JPEG).hexdigest(), JPEG)


@pytest.mark.parametrize(
    ("picture", "content_type"),
    [(JPEG, "image/jpeg"), (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp")],
)
def test_a_picture_says_what_it_is(picture, content_type):
    assert snapshot_message("harbour", "pole-7", ALERT.id, picture).content_type == content_type


def test_what_is_said_to_a_node_is_handed_on_as_it_came_within_bounds():
    said = down_message("harbour", "pole-7", Channel.ACK, b"signed")
    assert parse_down(said.topic, arrived(said)) == b"signed"
    for payload in (b"", b"x" * 65_537):
        with pytest.raises(MessageRefused):
            parse_down(said.topic, msgspec.structs.replace(arrived(said), payload=payload))
    with pytest.raises(MessageRefused):
        parse_up(said.topic, arrived(said))
    with pytest.raises(MessageRefused):
        parse_down(Topic("harbour", "pole-7", Channel.RSP), arrived(said))


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        (("ok", "ok"), "ok"),
        (("ok", "degraded", "starting"), "degraded"),
        (("blind", "stopped"), "blind"),
        ((), "starting"),
    ],
)
def test_a_node_is_as_well_as_its_worst_process(states, worst):
    processes = {f"process-{number}": state for number, state in enumerate(states)}
    assert worst_condition(processes) == worst


def test_a_node_may_not_speak_for_another():
    topic = Topic("harbour", "pole-8", Channel.ALERT)
    message = Incoming(str(topic), msgspec.json.encode(ALERT), (), retained=False)
    with pytest.raises(MessageRefused, match="harbour/pole-7"):
        parse_up(topic, message)


def test_a_picture_that_was_changed_on_the_way_is_refused():
    outgoing = outbox_message(item(OutboxKind.THUMBNAIL, JPEG), "harbour", "pole-7")
    changed = msgspec.structs.replace(arrived(outgoing), payload=JPEG + b"!")
    with pytest.raises(MessageRefused, match="sha256"):
        parse_up(outgoing.topic, changed)


@given(
    payload=st.binary(max_size=200) | st.text(max_size=100).map(str.encode),
    channel=st.sampled_from(
        [Channel.ALERT, Channel.THUMB, Channel.STATE, Channel.HEALTH, Channel.CHECKPOINT]
    ),
)
def test_garbage_is_refused_with_one_error(payload, channel):
    topic = Topic("harbour", "pole-7", channel)
    with pytest.raises(MessageRefused):
        parse_up(topic, Incoming(str(topic), payload, (), retained=False))


@pytest.mark.parametrize(
    "channel", [Channel.ALERT, Channel.STATE, Channel.HEALTH, Channel.CHECKPOINT]
)
@pytest.mark.parametrize("opening", [b"[", b'{"where":'])
def test_a_bottomless_payload_is_refused_too(channel, opening):
    topic = Topic("harbour", "pole-7", channel)
    with pytest.raises(MessageRefused):
        parse_up(topic, Incoming(str(topic), opening * 60_000, (), retained=False))
