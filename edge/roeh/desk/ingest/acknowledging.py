"""What is said to poles after a commit: one signed acknowledgement each, or a few."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from roeh.desk.ingest.received import Stored
from roeh.desk.keys import StatementSigner
from roeh.transport.down import MAX_ACKS, Ack
from roeh.transport.messages import Outgoing, down_message
from roeh.transport.topics import Channel


def acknowledgements(stored: Stored, signer: StatementSigner) -> Iterator[Outgoing]:
    """The acknowledgements of a commit, each naming at most MAX_ACKS messages."""
    for pole, entries in stored.acknowledged.items():
        for start in range(0, len(entries), MAX_ACKS):
            body = msgspec.json.encode(Ack(acks=tuple(entries[start : start + MAX_ACKS])))
            statement = signer.sign(str(pole), body)
            yield down_message(pole.site, pole.node, Channel.ACK, statement)
