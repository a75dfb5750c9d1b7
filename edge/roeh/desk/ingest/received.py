"""What came over the broker, checked, and what a commit says of it. Pure."""

from __future__ import annotations

import hashlib

import msgspec

from roeh.core.errors import MessageRefused
from roeh.desk.pole import Pole
from roeh.transport.down import AckEntry
from roeh.transport.messages import Incoming, Thumbnail, UpMessage, parse_up
from roeh.transport.topics import JSON, parse_topic

_NUL = b"\\u0000"


class Received(msgspec.Struct, frozen=True):
    """A message of a pole.

    Attributes:
        payload: as it came; `sha256` is of it, hexadecimal.
        is_old: the broker kept it; the pole may have said it long ago.
    """

    pole: Pole
    message: UpMessage
    payload: bytes
    sha256: str
    is_old: bool


class Stored(msgspec.Struct, frozen=True):
    """What a commit made of messages.

    Attributes:
        acknowledged: what is in the database now, new or from before, a pole's together.
        new: how many alerts, pictures and tombstones were new.
        duplicates: how many were there before.
        contradicted: how many had the id of another message of the same pole.
        refused: how many signed statements were not believed.
    """

    acknowledged: dict[Pole, list[AckEntry]]
    new: int = 0
    duplicates: int = 0
    contradicted: int = 0
    refused: int = 0


def together(first: Stored, second: Stored) -> Stored:
    """What two commits made."""
    poles = {**first.acknowledged, **second.acknowledged}
    return Stored(
        acknowledged={
            pole: [*first.acknowledged.get(pole, []), *second.acknowledged.get(pole, [])]
            for pole in poles
        },
        new=first.new + second.new,
        duplicates=first.duplicates + second.duplicates,
        contradicted=first.contradicted + second.contradicted,
        refused=first.refused + second.refused,
    )


def receive(incoming: Incoming) -> Received:
    """Check a message: topic, type, size, the node's own name, sha256 of a picture.

    Who may publish under a pole's topic is the broker's to see to, by the certificate of the
    connection: a message is not signed.

    Raises:
        MessageRefused: it is not what a pole says.
    """
    topic = parse_topic(incoming.topic)
    message = parse_up(topic, incoming)
    if topic.row.content_type == JSON and _NUL in incoming.payload:
        raise MessageRefused(
            what="a text with NUL in it, which PostgreSQL cannot keep",
            which=incoming.topic,
            remedy="no pole says that: check who may publish there",
        )
    if isinstance(message, Thumbnail):
        sha256 = message.sha256  # parsing has seen that it is the payload's
    else:
        sha256 = hashlib.sha256(incoming.payload).hexdigest()
    pole = Pole(topic.site, topic.node)
    return Received(pole, message, incoming.payload, sha256, incoming.retained)
