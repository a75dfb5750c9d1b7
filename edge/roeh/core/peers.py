"""Who may ask evidence for what: one table, and the messages of each verb.

The peer's user is told by the kernel (SO_PEERCRED), never by the peer. A process
announces its role; the role must belong to that user, and the verb to that role. No
verb signs bytes handed in by a caller.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from roeh.core.types import Alert, AlertDraft, Count, ProcessReport

#: The most rows in one lease: their messages fit into one answer.
MAX_LEASE_ROWS = 128
#: The most alerts in one answer: of 8 kB each they fit into one message.
MAX_OPEN_ALERTS = 256
#: The most rows a request can name.
MAX_NAMED_ROWS = 1024
#: The longest that a lease may wait.
MAX_LEASE_WAIT_S = 30.0


class Role(enum.Enum):
    """The processes of a pole."""

    CAPTURE = "capture"
    DETECT = "detect"
    EVIDENCE = "evidence"
    PUBLISH = "publish"
    RETRIEVE = "retrieve"
    SUPERVISE = "supervise"


class Verb(enum.Enum):
    """What can be asked of evidence."""

    ALERT_STORE = "alert.store"
    ALERTS_OPEN = "alerts.open"
    OUTBOX_LEASE = "outbox.lease"
    OUTBOX_DELIVERED = "outbox.delivered"
    OUTBOX_REFUSED = "outbox.refused"
    CONNECTION_BEGIN = "connection.begin"
    PROCESS_REPORT = "process.report"
    NODE_STATUS = "node.status"


PEER_VERBS: dict[Role, frozenset[Verb]] = {
    Role.CAPTURE: frozenset({Verb.PROCESS_REPORT}),
    Role.DETECT: frozenset({Verb.ALERT_STORE, Verb.ALERTS_OPEN, Verb.PROCESS_REPORT}),
    Role.EVIDENCE: frozenset(),
    Role.PUBLISH: frozenset(
        {
            Verb.OUTBOX_LEASE,
            Verb.OUTBOX_DELIVERED,
            Verb.OUTBOX_REFUSED,
            Verb.CONNECTION_BEGIN,
            Verb.PROCESS_REPORT,
            Verb.NODE_STATUS,
        }
    ),
    Role.RETRIEVE: frozenset({Verb.PROCESS_REPORT, Verb.NODE_STATUS}),
    Role.SUPERVISE: frozenset({Verb.NODE_STATUS}),
}


class StoreAlert(msgspec.Struct, frozen=True):
    """ALERT_STORE: make this alert durable, its thumbnail (JPEG) with it."""

    draft: AlertDraft
    thumbnail_jpeg: bytes | None


class AlertStored(msgspec.Struct, frozen=True):
    """The alert is durable; `seq` is its place in the node's count."""

    seq: int


class OpenAlertsRequest(msgspec.Struct, frozen=True):
    """ALERTS_OPEN: the alerts that were raised and not cleared, at most `limit`."""

    limit: Annotated[int, Meta(ge=1, le=MAX_OPEN_ALERTS)]


class OpenAlerts(msgspec.Struct, frozen=True):
    """The newest message of each, in the order in which they were raised."""

    alerts: tuple[Alert, ...]


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


class ConnectionBegin(msgspec.Struct, frozen=True):
    """CONNECTION_BEGIN: the number of the next connection; grows for ever, durable."""


class ConnectionNumber(msgspec.Struct, frozen=True):
    """Number of a connection to the broker."""

    number: int


class NodeStatusRequest(msgspec.Struct, frozen=True):
    """NODE_STATUS: how the node is."""


class NodeStatus(msgspec.Struct, frozen=True):
    """How the node is, as evidence knows it.

    `t_mono_us` is when it was put together; `reports` the newest of each process.
    """

    t_mono_us: int
    boot_id: str
    reports: tuple[ProcessReport, ...]
    alerts_stored: int
    outbox_rows: int
    outbox_bytes: int
    outbox_oldest_age_us: int
    outbox_evicted: int
    outbox_refused: int
    storage_state: str


class Done(msgspec.Struct, frozen=True):
    """It was done, durably where the verb says so."""


#: The request and the answer of each verb.
VERB_MESSAGES: dict[Verb, tuple[type[msgspec.Struct], type[msgspec.Struct]]] = {
    Verb.ALERT_STORE: (StoreAlert, AlertStored),
    Verb.ALERTS_OPEN: (OpenAlertsRequest, OpenAlerts),
    Verb.OUTBOX_LEASE: (LeaseOutbox, OutboxBatch),
    Verb.OUTBOX_DELIVERED: (OutboxDelivered, Done),
    Verb.OUTBOX_REFUSED: (OutboxRefused, Done),
    Verb.CONNECTION_BEGIN: (ConnectionBegin, ConnectionNumber),
    Verb.PROCESS_REPORT: (ProcessReport, Done),
    Verb.NODE_STATUS: (NodeStatusRequest, NodeStatus),
}
