"""Who may ask evidence for what: one table, and the messages of each verb.

Those of delivery stand in core/delivery.py, those of what is held in core/custody.py, those of
retrieval in core/retrieval.py.

The peer's user is told by the kernel (SO_PEERCRED), never by the peer. A process
announces its role; the role must belong to that user, and the verb to that role. No
verb signs bytes handed in by a caller.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from roeh.core.custody import (
    EvidenceStatus,
    EvidenceStatusRequest,
    GapsPage,
    HoldsPage,
    HoldState,
    LocksPage,
    PageRequest,
    PlaceHold,
    RecordAccess,
    RecordsPage,
    RecordsRequest,
    ReleaseHold,
    SegmentsPage,
    SegmentsRequest,
)
from roeh.core.delivery import (
    AcknowledgeOutbox,
    AnswerBatch,
    AnswersDelivered,
    CheckpointProof,
    CheckpointProofRequest,
    ConnectionBegin,
    ConnectionNumber,
    KeepCosignature,
    LeaseAnswers,
    LeaseOutbox,
    OrderDone,
    Orders,
    OutboxAcknowledged,
    OutboxBatch,
    OutboxDelivered,
    OutboxRefused,
    TakeCommand,
    TakeOrders,
)
from roeh.core.gop import Gop, StreamEnd
from roeh.core.operations import TellOperations
from roeh.core.outputs import OutputsOn, TakeOutputs
from roeh.core.retrieval import (
    AddSealedFiles,
    ApproveExport,
    BeginExport,
    EraseName,
    ExportBegun,
    ExportHeld,
    ExportSealed,
    ExportsPage,
    ExportsRequest,
    JudgedVisitor,
    JudgeVisitor,
    Names,
    NamesRequest,
    NoteExport,
    NoteStranger,
    OfferTrustList,
    ProofsRequest,
    ProvenRecords,
    RequestExport,
    SealExport,
    Thumbnail,
    ThumbnailRequest,
    TrustHeld,
    TrustHeldRequest,
    VisitorHold,
    VisitorRelease,
)
from roeh.core.types import Alert, AlertDraft, ProcessReport

#: The most alerts in one answer: of 8 kB each they fit into one message.
MAX_OPEN_ALERTS = 256


class Role(enum.Enum):
    """The processes of a pole, `roeh evidence` of whoever looks after it, and the disk's port."""

    CAPTURE = "capture"
    DETECT = "detect"
    EVIDENCE = "evidence"
    PUBLISH = "publish"
    RETRIEVE = "retrieve"
    SUPERVISE = "supervise"
    CUSTODY = "custody"
    USB = "usb"


#: What `roeh run` starts and supervises, in that order: evidence first, so that nobody waits
#: for it; it is stopped last.
PROCESSES: tuple[Role, ...] = (
    Role.EVIDENCE,
    Role.CAPTURE,
    Role.DETECT,
    Role.PUBLISH,
    Role.RETRIEVE,
)


class Verb(enum.Enum):
    """What can be asked of evidence."""

    GOP_STORE = "gop.store"
    STREAM_END = "stream.end"
    ALERT_STORE = "alert.store"
    ALERTS_OPEN = "alerts.open"
    OPERATIONS_TELL = "operations.tell"
    OUTPUTS_TAKE = "outputs.take"
    OUTBOX_LEASE = "outbox.lease"
    OUTBOX_DELIVERED = "outbox.delivered"
    OUTBOX_REFUSED = "outbox.refused"
    OUTBOX_ACKNOWLEDGE = "outbox.acknowledge"
    COSIGNATURE_KEEP = "cosignature.keep"
    CHECKPOINT_PROOF = "checkpoint.proof"
    COMMAND_TAKE = "command.take"
    ANSWERS_LEASE = "answers.lease"
    ANSWERS_DELIVERED = "answers.delivered"
    ORDERS_TAKE = "orders.take"
    ORDER_DONE = "order.done"
    CONNECTION_BEGIN = "connection.begin"
    PROCESS_REPORT = "process.report"
    NODE_STATUS = "node.status"
    SEGMENTS_PAGE = "segments.page"
    GAPS_PAGE = "gaps.page"
    LOCKS_PAGE = "locks.page"
    HOLDS_PAGE = "holds.page"
    RECORDS_PAGE = "records.page"
    HOLD_PLACE = "hold.place"
    HOLD_RELEASE = "hold.release"
    ACCESS_RECORD = "access.record"
    EVIDENCE_STATUS = "evidence.status"
    VISITOR_JUDGE = "visitor.judge"
    STRANGER_NOTE = "stranger.note"
    VISITOR_HOLD = "visitor.hold"
    VISITOR_RELEASE = "visitor.release"
    TRUST_OFFER = "trust.offer"
    TRUST_HELD = "trust.held"
    THUMBNAIL_READ = "thumbnail.read"
    EXPORT_REQUEST = "export.request"
    EXPORT_APPROVE = "export.approve"
    EXPORTS_PAGE = "exports.page"
    EXPORT_BEGIN = "export.begin"
    EXPORT_PROOFS = "export.proofs"
    EXPORT_FILES = "export.files"
    EXPORT_SEAL = "export.seal"
    EXPORT_NOTE = "export.note"
    NAMES_READ = "names.read"
    NAME_ERASE = "name.erase"


#: What every process asks that an order may be meant for.
_ORDERED = frozenset({Verb.ORDERS_TAKE, Verb.ORDER_DONE, Verb.PROCESS_REPORT})

PEER_VERBS: dict[Role, frozenset[Verb]] = {
    Role.CAPTURE: _ORDERED | {Verb.GOP_STORE, Verb.STREAM_END, Verb.OUTPUTS_TAKE},
    Role.DETECT: _ORDERED | {Verb.ALERT_STORE, Verb.ALERTS_OPEN, Verb.OPERATIONS_TELL},
    Role.EVIDENCE: frozenset(),
    Role.PUBLISH: _ORDERED
    | {
        Verb.OUTBOX_LEASE,
        Verb.OUTBOX_DELIVERED,
        Verb.OUTBOX_REFUSED,
        Verb.OUTBOX_ACKNOWLEDGE,
        Verb.COSIGNATURE_KEEP,
        Verb.CHECKPOINT_PROOF,
        Verb.COMMAND_TAKE,
        Verb.ANSWERS_LEASE,
        Verb.ANSWERS_DELIVERED,
        Verb.CONNECTION_BEGIN,
        Verb.NODE_STATUS,
        Verb.TRUST_OFFER,
    },
    Role.RETRIEVE: _ORDERED
    | {
        Verb.NODE_STATUS,
        Verb.EVIDENCE_STATUS,
        Verb.SEGMENTS_PAGE,
        Verb.GAPS_PAGE,
        Verb.LOCKS_PAGE,
        Verb.HOLDS_PAGE,
        Verb.RECORDS_PAGE,
        Verb.VISITOR_JUDGE,
        Verb.STRANGER_NOTE,
        Verb.VISITOR_HOLD,
        Verb.VISITOR_RELEASE,
        Verb.TRUST_OFFER,
        Verb.TRUST_HELD,
        Verb.THUMBNAIL_READ,
        Verb.EXPORT_REQUEST,
        Verb.EXPORT_APPROVE,
        Verb.EXPORTS_PAGE,
        Verb.EXPORT_BEGIN,
        Verb.EXPORT_PROOFS,
        Verb.EXPORT_FILES,
        Verb.EXPORT_SEAL,
        Verb.EXPORT_NOTE,
        Verb.NAMES_READ,
    },
    Role.SUPERVISE: frozenset({Verb.NODE_STATUS}),
    Role.CUSTODY: frozenset(
        {
            Verb.NODE_STATUS,
            Verb.SEGMENTS_PAGE,
            Verb.GAPS_PAGE,
            Verb.LOCKS_PAGE,
            Verb.HOLDS_PAGE,
            Verb.RECORDS_PAGE,
            Verb.HOLD_PLACE,
            Verb.HOLD_RELEASE,
            Verb.ACCESS_RECORD,
            Verb.EVIDENCE_STATUS,
            Verb.EXPORTS_PAGE,
            Verb.TRUST_OFFER,
            Verb.TRUST_HELD,
            Verb.NAMES_READ,
            Verb.NAME_ERASE,
        }
    ),
    Role.USB: frozenset(
        {
            Verb.NODE_STATUS,
            Verb.TRUST_OFFER,
            Verb.TRUST_HELD,
            Verb.EXPORT_REQUEST,
            Verb.EXPORT_APPROVE,
            Verb.EXPORTS_PAGE,
            Verb.EXPORT_NOTE,
        }
    ),
}


class StoreGop(msgspec.Struct, frozen=True):
    """GOP_STORE: make this group of pictures durable; the same one twice is stored once."""

    gop: Gop


class GopStored(msgspec.Struct, frozen=True):
    """Its bytes are on the disk: fragment `fragment` of segment `segment` of its camera."""

    segment: int
    fragment: int


class EndStream(msgspec.Struct, frozen=True):
    """STREAM_END: no more pictures come from this camera for now; its segment closes."""

    camera_id: str
    reason: StreamEnd


class StoreAlert(msgspec.Struct, frozen=True):
    """ALERT_STORE: make this alert durable, its thumbnail (JPEG or WebP) with it."""

    draft: AlertDraft
    thumbnail: bytes | None


class AlertStored(msgspec.Struct, frozen=True):
    """The alert is durable; `seq` is its place in the node's count."""

    seq: int


class OpenAlertsRequest(msgspec.Struct, frozen=True):
    """ALERTS_OPEN: the alerts that were raised and not cleared, at most `limit`."""

    limit: Annotated[int, Meta(ge=1, le=MAX_OPEN_ALERTS)]


class OpenAlerts(msgspec.Struct, frozen=True):
    """The newest message of each, in the order in which they were raised."""

    alerts: tuple[Alert, ...]


class NodeStatusRequest(msgspec.Struct, frozen=True):
    """NODE_STATUS: how the node is."""


class CameraHealth(msgspec.Struct, frozen=True):
    """How long ago the newest fragment of a camera was made durable; None before the first."""

    camera_id: str
    fragment_age_us: int | None


class BoardHealth(msgspec.Struct, frozen=True):
    """How the board and what it keeps are; None: not known here.

    Attributes:
        temperature_c: the hottest sensor's.
        throttled: what the board says of its power and heat ("under_voltage", ...).
        retention_us: how far back the ring reaches, in time that the node ran.
        wear_percent: of the evidence disk's life, as the disk says or as was written.
        certificate_days: until the first of the node's signing certificates ends.
        witnessed_age_us: since a witness signed a checkpoint of this ledger.
        statements_refused: acknowledgements, commands and cosignatures not believed.
    """

    temperature_c: float | None = None
    throttled: tuple[str, ...] = ()
    retention_us: int | None = None
    wear_percent: float | None = None
    certificate_days: int | None = None
    witnessed_age_us: int | None = None
    statements_refused: int = 0


class NodeStatus(msgspec.Struct, frozen=True):
    """How the node is, as evidence knows it.

    `t_mono_us` is when it was put together; `reports` the newest of each process;
    `checkpoint` the newest signed note of the ledger that may leave the pole; `alarms` what
    a person should know of the recording, a line each; `restarting` which processes end
    because they were ordered to, and are to be started again.
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
    checkpoint: str | None = None
    cameras: tuple[CameraHealth, ...] = ()
    alarms: tuple[str, ...] = ()
    board: BoardHealth = BoardHealth()
    restarting: tuple[str, ...] = ()


class Done(msgspec.Struct, frozen=True):
    """It was done, durably where the verb says so."""


#: The request and the answer of each verb.
VERB_MESSAGES: dict[Verb, tuple[type[msgspec.Struct], type[msgspec.Struct]]] = {
    Verb.GOP_STORE: (StoreGop, GopStored),
    Verb.STREAM_END: (EndStream, Done),
    Verb.ALERT_STORE: (StoreAlert, AlertStored),
    Verb.ALERTS_OPEN: (OpenAlertsRequest, OpenAlerts),
    Verb.OPERATIONS_TELL: (TellOperations, Done),
    Verb.OUTPUTS_TAKE: (TakeOutputs, OutputsOn),
    Verb.OUTBOX_LEASE: (LeaseOutbox, OutboxBatch),
    Verb.OUTBOX_DELIVERED: (OutboxDelivered, Done),
    Verb.OUTBOX_REFUSED: (OutboxRefused, Done),
    Verb.OUTBOX_ACKNOWLEDGE: (AcknowledgeOutbox, OutboxAcknowledged),
    Verb.COSIGNATURE_KEEP: (KeepCosignature, Done),
    Verb.CHECKPOINT_PROOF: (CheckpointProofRequest, CheckpointProof),
    Verb.COMMAND_TAKE: (TakeCommand, Done),
    Verb.ANSWERS_LEASE: (LeaseAnswers, AnswerBatch),
    Verb.ANSWERS_DELIVERED: (AnswersDelivered, Done),
    Verb.ORDERS_TAKE: (TakeOrders, Orders),
    Verb.ORDER_DONE: (OrderDone, Done),
    Verb.CONNECTION_BEGIN: (ConnectionBegin, ConnectionNumber),
    Verb.PROCESS_REPORT: (ProcessReport, Done),
    Verb.NODE_STATUS: (NodeStatusRequest, NodeStatus),
    Verb.SEGMENTS_PAGE: (SegmentsRequest, SegmentsPage),
    Verb.GAPS_PAGE: (PageRequest, GapsPage),
    Verb.LOCKS_PAGE: (PageRequest, LocksPage),
    Verb.HOLDS_PAGE: (PageRequest, HoldsPage),
    Verb.RECORDS_PAGE: (RecordsRequest, RecordsPage),
    Verb.HOLD_PLACE: (PlaceHold, HoldState),
    Verb.HOLD_RELEASE: (ReleaseHold, HoldState),
    Verb.ACCESS_RECORD: (RecordAccess, Done),
    Verb.EVIDENCE_STATUS: (EvidenceStatusRequest, EvidenceStatus),
    Verb.VISITOR_JUDGE: (JudgeVisitor, JudgedVisitor),
    Verb.STRANGER_NOTE: (NoteStranger, Done),
    Verb.VISITOR_HOLD: (VisitorHold, HoldState),
    Verb.VISITOR_RELEASE: (VisitorRelease, HoldState),
    Verb.TRUST_OFFER: (OfferTrustList, TrustHeld),
    Verb.TRUST_HELD: (TrustHeldRequest, TrustHeld),
    Verb.THUMBNAIL_READ: (ThumbnailRequest, Thumbnail),
    Verb.EXPORT_REQUEST: (RequestExport, ExportHeld),
    Verb.EXPORT_APPROVE: (ApproveExport, ExportHeld),
    Verb.EXPORTS_PAGE: (ExportsRequest, ExportsPage),
    Verb.EXPORT_BEGIN: (BeginExport, ExportBegun),
    Verb.EXPORT_PROOFS: (ProofsRequest, ProvenRecords),
    Verb.EXPORT_FILES: (AddSealedFiles, Done),
    Verb.EXPORT_SEAL: (SealExport, ExportSealed),
    Verb.EXPORT_NOTE: (NoteExport, ExportHeld),
    Verb.NAMES_READ: (NamesRequest, Names),
    Verb.NAME_ERASE: (EraseName, Done),
}
