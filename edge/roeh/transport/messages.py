"""What is said on the topics: types, encoding, and parsing at the border.

Payloads are JSON, except the picture. Times are integers in microseconds and every
integer stays within 2^53, which is all that JavaScript and RFC 8785 keep exactly.
Every field is always sent.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from roeh.core.errors import MessageRefused
from roeh.core.peers import NodeStatus, OutboxItem, OutboxKind
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
from roeh.transport.topics import Channel, Topic

#: The largest integer that every reader of JSON keeps exactly.
MAX_INTEGER = 2**53 - 1
ALERT_ID = "alert_id"
SHA256 = "sha256"

NodeCondition = Literal["starting", "ok", "degraded", "blind", "stopped"]
_WORST_FIRST: tuple[NodeCondition, ...] = ("blind", "stopped", "degraded", "starting", "ok")


class Outgoing(msgspec.Struct, frozen=True):
    """A message as it is handed to a broker."""

    topic: Topic
    payload: bytes
    user_properties: tuple[tuple[str, str], ...] = ()


class Incoming(msgspec.Struct, frozen=True):
    """A message as a broker hands it over; nothing of it is trusted yet."""

    topic: str
    payload: bytes
    user_properties: tuple[tuple[str, str], ...]
    retained: bool


class Thumbnail(msgspec.Struct, frozen=True):
    """The picture of an alert: the payload is the JPEG itself."""

    alert_id: Uuid7
    sha256: Sha256
    jpeg: bytes


class StateMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the node is connected: retained, the last of the highest number counts.

    `connection_number` only grows, across reboots: a reader ignores a lower one, such
    as the will of an older connection that comes late. In a will `t_utc_us` is when
    that connection began.
    """

    schema: Literal["roeh/state/1"] = "roeh/state/1"
    site: str
    node: str
    online: bool
    connection_number: Count
    boot_id: str
    t_utc_us: TimeUs
    software: str


class ProcessHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What one process of the node says of itself; `detail` is empty while it is ok."""

    process: str
    state: NodeCondition
    detail: str


class OutboxHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What waits on the node's disk; `evicted` and `refused` count for ever."""

    rows: Count
    bytes: Count
    oldest_age_us: TimeUs
    evicted: Count
    refused: Count


class HealthMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The heartbeat: how the node is, within `heartbeat_s` of the one before.

    `condition` is the worst of its processes'; "blind" means that nothing is watched.
    `checkpoint` is the newest signed note of the node's ledger, None while there is none.
    """

    schema: Literal["roeh/health/1"] = "roeh/health/1"
    site: str
    node: str
    boot_id: str
    connection_number: Count
    t_utc_us: TimeUs
    clock: ClockState
    software: str
    heartbeat_s: Annotated[float, Meta(gt=0)]
    condition: NodeCondition
    processes: tuple[ProcessHealth, ...]
    alerts_stored: Count
    outbox: OutboxHealth
    storage_state: str
    checkpoint: Annotated[str, Meta(max_length=MAX_CHECKPOINT_CHARS)] | None = None


UpMessage = Alert | Tombstone | Thumbnail | StateMessage | HealthMessage


def process_healths(status: NodeStatus) -> tuple[ProcessHealth, ...]:
    """The processes of a node's status, by name."""
    return tuple(
        ProcessHealth(
            process=report.process,
            state=report.state,
            detail="" if report.state == "ok" else report.detail,
        )
        for report in sorted(status.reports, key=lambda report: report.process)
    )


def worst_condition(processes: tuple[ProcessHealth, ...]) -> NodeCondition:
    """The condition of a node whose processes are these; "starting" without any."""
    states = {process.state for process in processes}
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


def parse_up(topic: Topic, incoming: Incoming) -> UpMessage:
    """What a node said, checked: the type its topic promises, and of that node.

    Raises:
        MessageRefused: it is not what its topic promises.
    """
    if topic.channel is Channel.THUMB:
        return _parse_thumbnail(topic, incoming)
    if topic.channel is Channel.ALERT:
        if not _decode(incoming.payload, _SchemaOnly, topic).schema:
            return _decode(incoming.payload, Tombstone, topic)
        return _of_this_node(_decode(incoming.payload, Alert, topic), topic)
    if topic.channel is Channel.STATE:
        return _of_this_node(_decode(incoming.payload, StateMessage, topic), topic)
    if topic.channel is Channel.HEALTH:
        return _of_this_node(_decode(incoming.payload, HealthMessage, topic), topic)
    raise _refused("a channel that carries nothing yet", topic)


class _SchemaOnly(msgspec.Struct, frozen=True):
    schema: str = ""


_MessageT = TypeVar("_MessageT", bound=msgspec.Struct)
_NamedT = TypeVar("_NamedT", Alert, StateMessage, HealthMessage)


def _parse_thumbnail(topic: Topic, incoming: Incoming) -> Thumbnail:
    try:
        thumbnail = msgspec.convert(
            {**dict(incoming.user_properties), "jpeg": incoming.payload}, Thumbnail
        )
    except msgspec.ValidationError as error:
        raise _refused(f"a picture without {ALERT_ID} and {SHA256} ({error})", topic) from None
    if hashlib.sha256(thumbnail.jpeg).hexdigest() != thumbnail.sha256:
        raise _refused("a picture that does not match its sha256", topic)
    return thumbnail


def _decode(payload: bytes, message_type: type[_MessageT], topic: Topic) -> _MessageT:
    try:
        return msgspec.json.decode(payload, type=message_type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
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
