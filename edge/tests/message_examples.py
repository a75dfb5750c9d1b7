"""One real message of every kind, encoded as it is on the wire; always the same bytes."""

import base64
import hashlib

import msgspec
from cryptography.hazmat.primitives.asymmetric import ed25519

from roeh.core.delivery import OutboxItem, OutboxKind
from roeh.core.orders import Answer, Command, Outcome, ResendOrder, SeqRange
from roeh.core.types import Alert, AlertPhase, ClearedBy, RuleKind, Tombstone
from roeh.desk.adapters.onvif import onvif_messages
from roeh.desk.published import BODIES
from roeh.desk.witness.alarm import WitnessAlarms, alarm_topic
from roeh.transport.down import Ack, AckEntry
from roeh.transport.messages import (
    CheckpointMessage,
    HealthMessage,
    OutboxHealth,
    StateMessage,
    answer_message,
    checkpoint_message,
    down_message,
    health_message,
    outbox_message,
    snapshot_message,
    state_message,
)
from roeh.transport.signed import StatementKind, sign_statement
from roeh.transport.topics import Channel
from roeh.transport.view_messages import AlarmStep, joint_alert, parent_text
from roeh.transport.view_topics import View, ViewTopic
from tests.alert_drafts import alert_draft

JPEG = b"\xff\xd8\xff" + bytes(6144)
_ID = "0192f0c1-0000-7000-8000-{:012d}"
_T_UTC_US = 1_760_000_000_000_000
_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
#: Three CAs for persons and poles, each with its list of revocation.
_TRUST_LIST_BYTES = 4700
_NOTE = (
    "roeh/harbour/pole-7\n4711\n"
    + base64.b64encode(bytes(32)).decode()
    + "\n\n— roeh/harbour/pole-7 "
    + base64.b64encode(bytes(76)).decode()
    + "\n"
)


class Example(msgspec.Struct, frozen=True):
    """A message of the row `key` of what is published; `body` is its JSON, if it has any."""

    key: str
    name: str
    topic: str
    payload: bytes
    body: bytes | None


def full_alert(seq=42, phase=AlertPhase.RAISED, **changes):
    """An alert with everything in it that one can have."""
    cleared = ClearedBy.RULE if phase is AlertPhase.CLEARED else None
    draft = alert_draft(
        thumbnail=JPEG,
        alert_id=_ID.format(seq),
        phase=phase,
        t_utc_us=_T_UTC_US,
        **{"raised_id": _ID.format(42), "cleared_by": cleared, **changes},
    )
    return Alert(**msgspec.structs.asdict(draft), seq=seq, checkpoint=_NOTE)


def slim_alert():
    """An alert with as little in it as one can have."""
    alert = full_alert(thumbnail_sha256=None, zone=None, track_ids=())
    where = msgspec.structs.replace(alert.where, latitude_deg=None, longitude_deg=None)
    return msgspec.structs.replace(alert, where=where, checkpoint=None)


def examples():
    """Every example, in the order of the page."""
    alert = full_alert()
    state, health = _state(alert), _health(alert)
    checkpoint = CheckpointMessage(
        site="harbour", node="pole-7", note=_NOTE, from_size=4650,
        hashes=tuple(base64.b64encode(bytes([n]) * 32).decode() for n in range(3)),
    )  # fmt: skip
    tombstone = Tombstone(evicted_seq=43, id=_ID.format(43))
    found = [
        _sent("alert", "alert", _outbox(OutboxKind.ALERT, alert)),
        _sent("alert", "tombstone", _outbox(OutboxKind.TOMBSTONE, tombstone)),
        _sent("thumb", None, _outbox(OutboxKind.THUMBNAIL, JPEG)),
        _sent("thumb", None, snapshot_message("harbour", "pole-7", _ID.format(7), JPEG)),
        _sent("health", "health", health_message(health)),
        _sent("state", "state", state_message(state)),
        _sent("checkpoint", "checkpoint", checkpoint_message(checkpoint)),
        *_statements(),
        *_views(alert),
    ]
    (onvif,) = onvif_messages(alert, prefix="roeh/view/v1/onvif", others_open=False)
    found.append(Example("onvif", "onvif-event", onvif.topic, onvif.payload, onvif.payload))
    return found


def _state(alert):
    return StateMessage(
        site="harbour",
        node="pole-7",
        online=True,
        connection_number=8,
        boot_id=alert.boot_id,
        t_utc_us=_T_UTC_US,
        software="0.1.0",
    )


def _health(alert):
    names = ("capture", "detect", "evidence", "publish", "retrieve")
    return HealthMessage(
        site="harbour",
        node="pole-7",
        boot_id=alert.boot_id,
        connection_number=8,
        t_utc_us=_T_UTC_US,
        clock=alert.clock,
        software="0.1.0",
        heartbeat_s=60.0,
        condition="ok",
        processes=dict.fromkeys(names, "ok"),
        alerts_stored=42,
        outbox=OutboxHealth(rows=0, bytes=0, oldest_age_us=0, evicted=0, refused=0),
        storage_state="ok",
        certificate_days=211,
        retention_us=30 * 86400 * 10**6,
        checkpoint=_NOTE,
    )


def _statements():
    ack = Ack((AckEntry(OutboxKind.ALERT, _ID.format(42), hashlib.sha256(b"").hexdigest()),))
    command = Command(
        id=_ID.format(7),
        site="harbour",
        node="pole-7",
        operator="dana",
        not_before_utc_us=_T_UTC_US,
        expires_utc_us=_T_UTC_US + 300 * 10**6,
        boot_id="8be4df61-93ca-4ad2-9b9b-0242ac120002",
        order=ResendOrder(ranges=(SeqRange(17, 19),)),
    )
    answer = Answer(
        command_id=command.id,
        site="harbour",
        node="pole-7",
        outcome=Outcome.DONE,
        leaf=4712,
        t_utc_us=_T_UTC_US,
        absent=(SeqRange(19, 19),),
    )
    alarms = WitnessAlarms(witness="police", t_utc_us=_T_UTC_US, alarms=())
    pole = "harbour/pole-7"
    signed = {
        name: sign_statement(kind, addressee, msgspec.json.encode(body), name=signer, key=_KEY)
        for name, kind, addressee, body, signer in (
            ("ack", StatementKind.ACK, pole, ack, "haifa-ack"),
            ("cmd", StatementKind.COMMAND, pole, command, "haifa-command"),
            ("rsp", StatementKind.ANSWER, pole, answer, "roeh/harbour/pole-7"),
            ("witness-alarm", StatementKind.ALARM, "police", alarms, "police-alarm"),
        )
    }
    down = {
        "cmd": down_message("harbour", "pole-7", Channel.CMD, signed["cmd"]),
        "ack": down_message("harbour", "pole-7", Channel.ACK, signed["ack"]),
        "rsp": answer_message("harbour", "pole-7", signed["rsp"]),
    }
    cosign = down_message("harbour", "pole-7", Channel.COSIGN, _NOTE.encode() * 2)
    trust = down_message("harbour", "pole-7", Channel.TRUST, b"\x30" * _TRUST_LIST_BYTES)
    alarm = signed["witness-alarm"]
    return [
        *(_signed(key, str(message.topic), message.payload) for key, message in down.items()),
        Example("cosign", "cosign", str(cosign.topic), cosign.payload, None),
        Example("trust", "trust", str(trust.topic), trust.payload, None),
        _signed("witness-alarm", alarm_topic("police"), alarm),
    ]


def _views(alert):
    seen = joint_alert(alert, sector="quay", places=("Market",), in_sector=True)
    text = parent_text(
        text_id="5f" * 16,
        place="Market",
        kind=RuleKind.LOITERING,
        t_utc_us=_T_UTC_US,
        expires_utc_us=_T_UTC_US + 900 * 10**6,
    )
    step = AlarmStep(
        alarm_id="9f" * 16,
        version=1,
        pole="harbour/pole-7",
        kind="zone_entry",
        raised_id=alert.raised_id,
        step="acknowledged",
        operator="dana",
        reason="",
        until_utc_us=None,
        closed_as=None,
        t_utc_us=_T_UTC_US,
    )
    return [
        Example(view.value, name, str(ViewTopic(view, names)), payload, body)
        for view, name, names, payload, body in (
            (View.CONTROL_ALERT, "alert", ("harbour", "pole-7"), *_twice(alert)),
            (View.CONTROL_THUMB, "picture", ("harbour", "pole-7"), JPEG, None),
            (View.CONTROL_ALARM, "view-alarm", ("harbour", "pole-7"), *_twice(step)),
            (View.JOINT_ALERT, "view-joint", ("patrol-3", "quay"), *_twice(seen)),
            (View.JOINT_THUMB, "picture", ("patrol-3", "quay"), JPEG, None),
            (View.PARENT_TEXT, "view-text", ("parents", "market"), *_twice(text)),
        )
    ]


def _twice(body):
    payload = msgspec.json.encode(body)
    return payload, payload


def _sent(key, name, outgoing):
    body = outgoing.payload if name in BODIES else None
    return Example(key, name or "picture", str(outgoing.topic), outgoing.payload, body)


def _signed(name, topic, statement):
    body = statement.decode().split("\n")[2].encode()
    return Example(name, name, topic, statement, body)


def _outbox(kind, message):
    payload = message if isinstance(message, bytes) else msgspec.json.encode(message)
    item = OutboxItem(
        row=1,
        kind=kind,
        alert_id=_ID.format(42),
        seq=42,
        priority=5,
        payload=payload,
        payload_sha256=hashlib.sha256(payload).hexdigest(),
        t_stored_mono_us=0,
        boot_id="",
    )
    return outbox_message(item, "harbour", "pole-7")
