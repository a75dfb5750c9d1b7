"""The topics: one table, built and parsed here and nowhere else.

`roeh/v1/{site}/{node}/{up|down}/{channel}`: the node publishes under `up` and reads
under `down`. A broker's access list can be written from this shape alone, with the
node's name as its user name.

Quality of service is chosen by bytes. What goes down with QoS 0 is lost only with the
connection, and then the node sends again whatever was not acknowledged and proves its
ledger anew, so a PUBACK (80 bytes with TLS and TCP) for each would buy nothing. A command
is QoS 1: a person waits for it.
"""

from __future__ import annotations

import enum
import re

import msgspec

from roeh.core.errors import MessageRefused

ROOT = "roeh/v1"
JSON = "application/json"
JPEG = "image/jpeg"
WEBP = "image/webp"
#: Of signed notes, which are text; short, since every packet carries it.
SIGNED = "text/plain"
#: Of CMS (RFC 8551).
PKCS7 = "application/pkcs7-mime"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Direction(enum.Enum):
    """Who publishes: the node (up) or the control room (down)."""

    UP = "up"
    DOWN = "down"


class Channel(enum.Enum):
    """The last level of a topic: what is said there."""

    ALERT = "alert"
    THUMB = "thumb"
    HEALTH = "health"
    STATE = "state"
    CHECKPOINT = "checkpoint"
    RSP = "rsp"
    CMD = "cmd"
    ACK = "ack"
    COSIGN = "cosign"
    TRUST = "trust"


class TopicRow(msgspec.Struct, frozen=True):
    """One row of the table.

    Attributes:
        qos: MQTT quality of service it is published with.
        retained: whether the broker keeps the last one for those who come later.
        content_type: MQTT 5 content type of the payload.
        carries: what is said there, for the generated document.
    """

    channel: Channel
    direction: Direction
    qos: int
    retained: bool
    content_type: str
    carries: str


TOPICS: dict[Channel, TopicRow] = {
    row.channel: row
    for row in (
        TopicRow(
            Channel.ALERT, Direction.UP, 1, False, JSON,
            "An alert raised, updated or cleared; or the tombstone of one evicted unsent.",
        ),
        TopicRow(
            Channel.THUMB, Direction.UP, 1, False, JPEG,
            "A picture (JPEG or WebP): of an alert (user property alert_id) or of a snapshot"
            " (command_id); sha256.",
        ),
        TopicRow(
            Channel.HEALTH, Direction.UP, 0, False, JSON,
            "How the node is: a heartbeat, and at once when a process changes its state.",
        ),
        TopicRow(
            Channel.STATE, Direction.UP, 1, True, JSON,
            "Whether the node is connected; the will says so when it no longer can.",
        ),
        TopicRow(
            Channel.CHECKPOINT, Direction.UP, 0, False, JSON,
            "The newest signed checkpoint of the node's ledger, and how it continues an older one.",
        ),
        TopicRow(
            Channel.RSP, Direction.UP, 1, False, SIGNED,
            "The signed answer to a command.",
        ),
        TopicRow(
            Channel.CMD, Direction.DOWN, 1, False, SIGNED,
            "A signed command to the node.",
        ),
        TopicRow(
            Channel.ACK, Direction.DOWN, 0, False, SIGNED,
            "The desk's signed acknowledgement of alerts and pictures that it has committed.",
        ),
        TopicRow(
            Channel.COSIGN, Direction.DOWN, 0, False, SIGNED,
            "A checkpoint with a witness's cosignature.",
        ),
        TopicRow(
            Channel.TRUST, Direction.DOWN, 1, True, PKCS7,
            "The signed list of whom a pole lets take evidence.",
        ),
    )
}  # fmt: skip


class Topic(msgspec.Struct, frozen=True):
    """A topic in its parts."""

    site: str
    node: str
    channel: Channel

    @property
    def row(self) -> TopicRow:
        """Its row of the table."""
        return TOPICS[self.channel]

    def __str__(self) -> str:
        return f"{ROOT}/{self.site}/{self.node}/{self.row.direction.value}/{self.channel.value}"


def topic_filter(channel: Channel | None = None) -> str:
    """What to subscribe to for this channel of every node; None: everything nodes say."""
    if channel is None:
        return f"{ROOT}/+/+/{Direction.UP.value}/+"
    return f"{ROOT}/+/+/{TOPICS[channel].direction.value}/{channel.value}"


def shared_filter(group: str, channel: Channel) -> str:
    """The same for a group whose members share the messages; retained ones come to none.

    The channel stands in the name as well: of several filters under one name the embedded
    broker serves one alone.
    """
    return f"$share/{group}-{channel.value}/{topic_filter(channel)}"


def down_filter(site: str, node: str) -> str:
    """What a node subscribes to: everything that is said to it."""
    return f"{ROOT}/{site}/{node}/{Direction.DOWN.value}/+"


def parse_topic(text: str) -> Topic:
    """A topic from its text.

    Raises:
        MessageRefused: it is not a row of the table, or site and node are not names.
    """
    levels = text.split("/")
    if len(levels) == 6 and "/".join(levels[:2]) == ROOT:
        site, node, direction, channel_name = levels[2:]
        row = next((row for row in TOPICS.values() if row.channel.value == channel_name), None)
        names = _NAME.fullmatch(site) and _NAME.fullmatch(node)
        if names and row is not None and row.direction.value == direction:
            return Topic(site=site, node=node, channel=row.channel)
    raise MessageRefused(
        what="no topic of this product",
        which=text[:200],
        remedy=f"topics are {ROOT}/SITE/NODE/up/CHANNEL as edge/docs/messages.md lists them",
    )
