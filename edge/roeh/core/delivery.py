"""What evidence is asked and answers about delivery: outbox, signed words, orders, connections.

Who may ask for it stands in core/peers.py. What came over the network travels here as it came:
opaque bytes, which evidence alone verifies.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from roeh.core.orders import Order, Outcome
from roeh.core.types import Count

#: The most rows in one lease: their messages fit into one answer.
MAX_LEASE_ROWS = 128
#: The most rows a request can name.
MAX_NAMED_ROWS = 1024
#: The longest that a lease may wait.
MAX_LEASE_WAIT_S = 30.0
#: The largest signed statement that publish hands on.
MAX_STATEMENT_BYTES = 64 * 1024
#: The largest picture that answers a snapshot.
MAX_SNAPSHOT_BYTES = 8 * 1024


class OutboxKind(enum.Enum):
    """What a row of the outbox is."""

    ALERT = "alert"
    THUMBNAIL = "thumb"
    TOMBSTONE = "tombstone"


class OutboxItem(msgspec.Struct, frozen=True):
    """One message to be sent.

    Attributes:
        row: key of the row, never used twice; an alert's is below its thumbnail's and below
            those of later alerts.
        alert_id: the alert message it belongs to.
        seq: that alert's place in the node's count.
        payload_sha256: of `payload`, hexadecimal.
        t_stored_mono_us: when it was committed, in the boot that stored it.
    """

    row: int
    kind: OutboxKind
    alert_id: str
    seq: int
    priority: int
    payload: bytes
    payload_sha256: str
    t_stored_mono_us: int
    boot_id: str


class LeaseOutbox(msgspec.Struct, frozen=True):
    """OUTBOX_LEASE: up to `limit` rows, highest priority first, without those in flight.

    `wait_s` > 0: answer as soon as there is something, at the latest after that time. Call
    with a time-out longer than that.
    """

    limit: Annotated[int, Meta(ge=1, le=MAX_LEASE_ROWS)]
    in_flight_rows: Annotated[tuple[Count, ...], Meta(max_length=MAX_NAMED_ROWS)]
    wait_s: Annotated[float, Meta(ge=0, le=MAX_LEASE_WAIT_S)]


class OutboxBatch(msgspec.Struct, frozen=True):
    """What to send now; may be empty."""

    items: tuple[OutboxItem, ...]


class OutboxDelivered(msgspec.Struct, frozen=True):
    """OUTBOX_DELIVERED: the broker acknowledged these rows with a success code."""

    rows: Annotated[tuple[Count, ...], Meta(max_length=MAX_NAMED_ROWS)]


class OutboxRefused(msgspec.Struct, frozen=True):
    """OUTBOX_REFUSED: the broker refused a row; it stays, and is counted."""

    row: Count
    reason_code: Annotated[int, Meta(ge=0, le=255)]


class AcknowledgeOutbox(msgspec.Struct, frozen=True):
    """OUTBOX_ACKNOWLEDGE: what came on `down/ack`, as it came; evidence verifies it."""

    statement: Annotated[bytes, Meta(max_length=MAX_STATEMENT_BYTES)]


class OutboxAcknowledged(msgspec.Struct, frozen=True):
    """These rows are with the desk, by its signature: they left the outbox, now or before."""

    rows: tuple[int, ...]


class KeepCosignature(msgspec.Struct, frozen=True):
    """COSIGNATURE_KEEP: what came on `down/cosign`: a checkpoint that a witness signed."""

    note: Annotated[str, Meta(max_length=MAX_STATEMENT_BYTES)]


class CheckpointProofRequest(msgspec.Struct, frozen=True):
    """CHECKPOINT_PROOF: the newest checkpoint and how it continues the last cosigned one."""


class CheckpointProof(msgspec.Struct, frozen=True):
    """`hashes` (base64) prove that `note` continues the tree of `from_size` records.

    `from_size` 0: no witness signed before; no hashes then. `note` None: no checkpoint yet.
    """

    note: str | None
    from_size: int
    hashes: tuple[str, ...]


class TakeCommand(msgspec.Struct, frozen=True):
    """COMMAND_TAKE: what came on `down/cmd`, as it came; evidence verifies and records it."""

    statement: Annotated[bytes, Meta(max_length=MAX_STATEMENT_BYTES)]


class AnswerItem(msgspec.Struct, frozen=True):
    """A signed answer to a command, to be sent; its picture (WebP) before it, if there is one."""

    row: int
    command_id: str
    statement: bytes
    picture: bytes | None


class LeaseAnswers(msgspec.Struct, frozen=True):
    """ANSWERS_LEASE: answers that were not delivered yet, without those named."""

    known_rows: Annotated[tuple[Count, ...], Meta(max_length=MAX_NAMED_ROWS)]
    wait_s: Annotated[float, Meta(ge=0, le=MAX_LEASE_WAIT_S)]


class AnswerBatch(msgspec.Struct, frozen=True):
    """What to send now; may be empty."""

    items: tuple[AnswerItem, ...]


class AnswersDelivered(msgspec.Struct, frozen=True):
    """ANSWERS_DELIVERED: the broker has these; a command that comes again is answered again."""

    rows: Annotated[tuple[Count, ...], Meta(max_length=MAX_NAMED_ROWS)]


class OrderItem(msgspec.Struct, frozen=True):
    """A verified order for the process that asks.

    `until_mono_us`: of a schedule, when it ends in this boot's time; UTC was trusted once, when
    the order was accepted.
    """

    row: int
    command_id: str
    order: Order
    until_mono_us: int | None = None


class TakeOrders(msgspec.Struct, frozen=True):
    """ORDERS_TAKE: orders for this process after row `after` (-1: it was just started)."""

    # After -1 come schedules that still hold; what was to be done once is not done again.

    after: Annotated[int, Meta(ge=-1, lt=2**53)]
    wait_s: Annotated[float, Meta(ge=0, le=MAX_LEASE_WAIT_S)]


class Orders(msgspec.Struct, frozen=True):
    """Orders in the sequence in which they were accepted; may be empty."""

    items: tuple[OrderItem, ...]


class OrderDone(msgspec.Struct, frozen=True):
    """ORDER_DONE: what became of an order; the process speaks for its own orders alone."""

    row: Count
    outcome: Outcome
    reason: Annotated[str, Meta(max_length=500)] = ""
    picture: Annotated[bytes, Meta(max_length=MAX_SNAPSHOT_BYTES)] | None = None


class ConnectionBegin(msgspec.Struct, frozen=True):
    """CONNECTION_BEGIN: the number of the next connection; grows for ever, durable."""

    # After node.db was restored a broker may know a higher one.

    at_least: Count = 0


class ConnectionNumber(msgspec.Struct, frozen=True):
    """Number of a connection to the broker.

    `log_chain_pem`: certificates of the ledger's key, leaf first, for who verifies
    checkpoints and answers.
    """

    number: int
    log_chain_pem: str = ""
