"""What is said on the topics: types, encoding, and parsing at the border.

Payloads are JSON, except the picture. Times are integers in microseconds and every
integer stays within 2^53, which is all that JavaScript and RFC 8785 keep exactly.
What is null or empty and has a default is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from roeh.core.delivery import MAX_SNAPSHOT_BYTES, MAX_STATEMENT_BYTES, OutboxItem, OutboxKind
from roeh.core.errors import MessageRefused
from roeh.core.peers import NodeStatus
from roeh.core.types import (
    MAX_CHECKPOINT_CHARS,
    Alert,
    ClockState,
    Count,
    Sha256,
    TimeUs,
    Tombstone,
    Uuid7,
)
from roeh.transport.topics import JPEG, WEBP, Channel, Direction, Topic

#: The largest integer that every reader of JSON keeps exactly.
MAX_INTEGER = 2**53 - 1
ALERT_ID = "alert_id"
COMMAND_ID = "command_id"
SHA256 = "sha256"

NodeCondition = Literal["starting", "ok", "degraded", "blind", "stopped"]
#: How many lines of alarms a heartbeat carries, and how long each may be.
MAX_ALARMS = 4
MAX_ALARM_CHARS = 120
#: What `storage_state` is while there is nothing to say; left out then.
STORAGE_OK = "ok"
_MAX_PROCESSES = 16
#: A proof between two trees of 2^53 records has fewer.
_MAX_PROOF_HASHES = 128
_MAX_CHAIN_CHARS = 8192
_RIFF, _WEBP_MARK = b"RIFF", b"WEBP"
_WORST_FIRST: tuple[NodeCondition, ...] = ("blind", "stopped", "degraded", "starting", "ok")


class Outgoing(msgspec.Struct, frozen=True):
    """A message as it is handed to a broker."""

    topic: Topic
    payload: bytes
    user_properties: tuple[tuple[str, str], ...] = ()

    @property
    def content_type(self) -> str:
        """Of the payload; a picture shows what it is by its first bytes."""
        if self.topic.channel is Channel.THUMB:
            return picture_type(self.payload)
        return self.topic.row.content_type

    @property
    def qos(self) -> int:
        """MQTT quality of service, as its topic's row says."""
        return self.topic.row.qos

    @property
    def retained(self) -> bool:
        """Whether the broker keeps it for those who come later, likewise."""
        return self.topic.row.retained

    @property
    def expiry_s(self) -> int | None:
        """What a node says does not expire."""
        return None


class Incoming(msgspec.Struct, frozen=True):
    """A message as a broker hands it over; nothing of it is trusted yet.

    `packet_id` answers it where the reader acknowledges by itself; 0: nothing to answer.
    """

    topic: str
    payload: bytes
    user_properties: tuple[tuple[str, str], ...]
    retained: bool
    packet_id: int = 0


class Thumbnail(msgspec.Struct, frozen=True):
    """The picture of an alert: the payload is the JPEG or WebP itself."""

    alert_id: Uuid7
    sha256: Sha256
    picture: bytes


class Snapshot(msgspec.Struct, frozen=True):
    """The picture that a command asked for, likewise."""

    command_id: Uuid7
    sha256: Sha256
    picture: bytes


class SignedAnswer(msgspec.Struct, frozen=True):
    """The answer to a command, as the node signed it; transport/signed.py verifies it."""

    statement: Annotated[bytes, Meta(min_length=1, max_length=MAX_STATEMENT_BYTES)]


class StateMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether the node is connected: retained, the last of the highest number counts.

    `connection_number` only grows, across reboots: a reader ignores a lower one, such
    as the will of an older connection that comes late. In a will `t_utc_us` is when
    that connection began. `log_chain_pem`: certificates of the key that signs the node's
    ledger and answers, leaf first; in a birth alone.
    """

    # Of a factory, since a plain default would be left out of the JSON.
    schema: Literal["roeh/state/1"] = msgspec.field(default_factory=lambda: "roeh/state/1")
    site: str
    node: str
    online: bool
    connection_number: Count
    boot_id: str
    t_utc_us: TimeUs
    software: str
    log_chain_pem: str = ""


class OutboxHealth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What waits on the node's disk; `evicted` and `refused` count for ever."""

    rows: Count = 0
    bytes: Count = 0
    oldest_age_us: TimeUs = 0
    evicted: Count = 0
    refused: Count = 0


class HealthMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The heartbeat: how the node is, within `heartbeat_s` of the one before.

    `condition` is the worst of its processes'; "blind" means that nothing is watched.
    `checkpoint` is the newest signed note of the node's ledger, None while there is none.

    Attributes:
        processes: the state of each, by its name.
        details: what those say that are not ok.
        alarms: what a person should know, the first few lines.
        retention_us: how far back the recordings reach, in time that the node ran.
        throttled: what the board says of its power and heat.
        wear_percent: of the evidence disk's life.
        certificate_days: until the first of the node's certificates ends, its own for TLS too.
        broker_certificate_days: until the broker's ends.
        witnessed_age_us: since a witness signed a checkpoint.
        statements_refused: acknowledgements, commands and cosignatures not believed.
    """

    schema: Literal["roeh/health/1"] = msgspec.field(default_factory=lambda: "roeh/health/1")
    site: str
    node: str
    boot_id: str
    connection_number: Count
    t_utc_us: TimeUs
    clock: ClockState
    software: str
    heartbeat_s: Annotated[float, Meta(gt=0, le=3600)]
    condition: NodeCondition
    processes: Annotated[dict[str, NodeCondition], Meta(max_length=_MAX_PROCESSES)]
    details: Annotated[dict[str, str], Meta(max_length=_MAX_PROCESSES)] = {}
    alerts_stored: Count
    outbox: OutboxHealth
    storage_state: str = STORAGE_OK
    alarms: Annotated[tuple[str, ...], Meta(max_length=MAX_ALARMS)] = ()
    retention_us: Count | None = None
    temperature_c: float | None = None
    throttled: tuple[str, ...] = ()
    wear_percent: float | None = None
    certificate_days: int | None = None
    broker_certificate_days: int | None = None
    witnessed_age_us: Count | None = None
    statements_refused: Count = 0
    checkpoint: Annotated[str, Meta(max_length=MAX_CHECKPOINT_CHARS)] | None = None


class CheckpointMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The newest checkpoint of a node's ledger, for the witnesses.

    `hashes` (base64) prove that `note` continues the tree of `from_size` records, the last
    one that a witness signed; 0 and none if no witness signed before. `log_chain_pem`:
    certificates of the ledger's key, from a desk, which has no state to say them in.
    """

    schema: Literal["roeh/checkpoint/1"] = msgspec.field(
        default_factory=lambda: "roeh/checkpoint/1"
    )
    site: str
    node: str
    note: Annotated[str, Meta(min_length=1, max_length=MAX_CHECKPOINT_CHARS)]
    from_size: Count
    hashes: Annotated[
        tuple[Annotated[str, Meta(max_length=44)], ...], Meta(max_length=_MAX_PROOF_HASHES)
    ]
    log_chain_pem: Annotated[str, Meta(max_length=_MAX_CHAIN_CHARS)] = ""


UpMessage = (
    Alert
    | Tombstone
    | Thumbnail
    | Snapshot
    | StateMessage
    | HealthMessage
    | CheckpointMessage
    | SignedAnswer
)


def picture_type(picture: bytes) -> str:
    """The content type of a picture that a node sends: WebP or else JPEG."""
    is_webp = picture[:4] == _RIFF and picture[8:12] == _WEBP_MARK
    return WEBP if is_webp else JPEG


def picture_suffix(picture: bytes) -> str:
    """The ending of a file that holds it: ".webp" or ".jpg"."""
    return ".webp" if picture_type(picture) == WEBP else ".jpg"


def process_states(status: NodeStatus) -> dict[str, NodeCondition]:
    """The state of each process of a node, in the order of their names."""
    return {
        report.process: report.state
        for report in sorted(status.reports, key=lambda report: report.process)
    }


def process_details(status: NodeStatus) -> dict[str, str]:
    """What those processes say that are not ok."""
    return {
        report.process: report.detail
        for report in sorted(status.reports, key=lambda report: report.process)
        if report.state != "ok" and report.detail
    }


def worst_condition(processes: Mapping[str, NodeCondition]) -> NodeCondition:
    """The condition of a node whose processes are in these states; "starting" without any."""
    states = set(processes.values())
    for condition in _WORST_FIRST:
        if condition in states:
            return condition
    return "starting"


def outbox_message(item: OutboxItem, site: str, node: str) -> Outgoing:
    """A row of the outbox as a message."""
    if item.kind is OutboxKind.THUMBNAIL:
        return Outgoing(
            topic=Topic(site, node, Channel.THUMB),
            payload=item.payload,
            user_properties=((ALERT_ID, item.alert_id), (SHA256, item.payload_sha256)),
        )
    return Outgoing(topic=Topic(site, node, Channel.ALERT), payload=item.payload)


def state_message(state: StateMessage) -> Outgoing:
    """The birth or the will of a connection."""
    return Outgoing(
        topic=Topic(state.site, state.node, Channel.STATE), payload=msgspec.json.encode(state)
    )


def health_message(health: HealthMessage) -> Outgoing:
    """A heartbeat."""
    return Outgoing(
        topic=Topic(health.site, health.node, Channel.HEALTH), payload=msgspec.json.encode(health)
    )


def checkpoint_message(checkpoint: CheckpointMessage) -> Outgoing:
    """A checkpoint and its proof."""
    return Outgoing(
        topic=Topic(checkpoint.site, checkpoint.node, Channel.CHECKPOINT),
        payload=msgspec.json.encode(checkpoint),
    )


def snapshot_message(site: str, node: str, command_id: str, picture: bytes) -> Outgoing:
    """The picture that a command asked for."""
    sha256 = hashlib.sha256(picture).hexdigest()
    return Outgoing(
        topic=Topic(site, node, Channel.THUMB),
        payload=picture,
        user_properties=((COMMAND_ID, command_id), (SHA256, sha256)),
    )


def answer_message(site: str, node: str, statement: bytes) -> Outgoing:
    """The signed answer to a command."""
    return Outgoing(topic=Topic(site, node, Channel.RSP), payload=statement)


def down_message(site: str, node: str, channel: Channel, statement: bytes) -> Outgoing:
    """What the desk or a witness says to a node: ACK, CMD or COSIGN."""
    return Outgoing(topic=Topic(site, node, channel), payload=statement)


def parse_down(topic: Topic, incoming: Incoming) -> bytes:
    """What was said to a node: a statement as it came, for evidence to verify.

    Raises:
        MessageRefused: nothing, too much, or not on a topic of that direction.
    """
    if topic.row.direction is not Direction.DOWN:
        raise _refused("a topic that nodes write", topic)
    return _statement(topic, incoming)


def parse_up(topic: Topic, incoming: Incoming) -> UpMessage:
    """What a node said, checked: the type its topic promises, and of that node.

    Raises:
        MessageRefused: it is not what its topic promises.
    """
    if topic.channel is Channel.THUMB:
        return _parse_picture(topic, incoming)
    if topic.channel is Channel.ALERT:
        if not _decode(incoming.payload, _SchemaOnly, topic).schema:
            return _decode(incoming.payload, Tombstone, topic)
        return _of_this_node(_decode(incoming.payload, Alert, topic), topic)
    if topic.channel is Channel.RSP:
        return SignedAnswer(_statement(topic, incoming))
    named_type = _NAMED_TYPES.get(topic.channel)
    if named_type is None:
        raise _refused("a topic that nodes only read", topic)
    return _of_this_node(_decode(incoming.payload, named_type, topic), topic)


class _SchemaOnly(msgspec.Struct, frozen=True):
    schema: str = ""


_MessageT = TypeVar("_MessageT", bound=msgspec.Struct)
_Named = Alert | StateMessage | HealthMessage | CheckpointMessage
_NAMED_TYPES: dict[Channel, type[StateMessage | HealthMessage | CheckpointMessage]] = {
    Channel.STATE: StateMessage,
    Channel.HEALTH: HealthMessage,
    Channel.CHECKPOINT: CheckpointMessage,
}
_NamedT = TypeVar("_NamedT", bound=_Named)


def _statement(topic: Topic, incoming: Incoming) -> bytes:
    if not 0 < len(incoming.payload) <= MAX_STATEMENT_BYTES:
        raise _refused(f"{len(incoming.payload)} bytes are no statement", topic)
    return incoming.payload


def _parse_picture(topic: Topic, incoming: Incoming) -> Thumbnail | Snapshot:
    named = dict(incoming.user_properties)
    wanted_type: type[Thumbnail | Snapshot] = Snapshot if COMMAND_ID in named else Thumbnail
    if len(incoming.payload) > MAX_SNAPSHOT_BYTES:
        raise _refused(f"a picture of {len(incoming.payload)} bytes", topic)
    try:
        picture = msgspec.convert({**named, "picture": incoming.payload}, wanted_type)
    except msgspec.ValidationError as error:
        raise _refused(
            f"a picture without {ALERT_ID} or {COMMAND_ID}, and {SHA256} ({error})", topic
        ) from None
    if hashlib.sha256(picture.picture).hexdigest() != picture.sha256:
        raise _refused("a picture that does not match its sha256", topic)
    return picture


def _decode(payload: bytes, message_type: type[_MessageT], topic: Topic) -> _MessageT:
    try:
        return msgspec.json.decode(payload, type=message_type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(f"not a {message_type.__name__} ({error})", topic) from None


def _of_this_node(message: _NamedT, topic: Topic) -> _NamedT:
    if (message.site, message.node) != (topic.site, topic.node):
        raise _refused(f"says it is from {message.site}/{message.node}", topic)
    return message


def _refused(what: str, topic: Topic) -> MessageRefused:
    return MessageRefused(
        what=what,
        which=str(topic),
        remedy="see edge/docs/messages.md; check who may publish there",
    )
