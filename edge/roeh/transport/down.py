"""The bodies of what the desk signs for a node, parsed at the border."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from roeh.core.delivery import OutboxKind
from roeh.core.errors import MessageRefused
from roeh.core.orders import Answer, Command
from roeh.core.types import Sha256, Uuid7

#: The most messages that one acknowledgement names: it fits into a packet.
MAX_ACKS = 100


class AckEntry(msgspec.Struct, frozen=True):
    """One message that is committed at the desk: which, and the hash of what was committed."""

    kind: OutboxKind
    id: Uuid7
    sha256: Sha256


class Ack(msgspec.Struct, frozen=True):
    """The desk's word that these messages are in its database."""

    acks: Annotated[tuple[AckEntry, ...], Meta(min_length=1, max_length=MAX_ACKS)]


_BodyT = TypeVar("_BodyT", Ack, Command, Answer)


def parse_body(body: bytes, body_type: type[_BodyT]) -> _BodyT:
    """The body of a verified statement.

    Raises:
        MessageRefused: it is not of this type.
    """
    try:
        return msgspec.json.decode(body, type=body_type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageRefused(
            what=f"not a {body_type.__name__} ({error})",
            which="a signed statement",
            remedy="see edge/docs/messages.md",
        ) from None
