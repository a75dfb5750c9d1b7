"""What the ledger says: one type a kind of record, and the envelope round each.

No figure is a float: canonical JSON (RFC 8785) is then the same in every language. Hashes
are lower-case hexadecimal, times microseconds. Fields are added, never renamed.
"""

from __future__ import annotations

from typing import Literal

import msgspec

#: What the count of alerts jumps ahead by at a rebuild: more are not stored between two copies
#: to the mirror. A receiver sees the hole, and that is right: they may have been stored and lost.
ALERT_SEQ_MARGIN = 1000


class _Body(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What all bodies have: the tag `kind`."""


class BootRecord(_Body, frozen=True, kw_only=True, tag="boot"):
    """Evidence began. `was_clean`: it had ended as it should before."""

    version: str
    was_clean: bool


class ConfigRecord(_Body, frozen=True, kw_only=True, tag="config"):
    """The configuration and the model in force; a new one when either changes."""

    config_sha256: str
    model_sha256: str | None


class KeyRecord(_Body, frozen=True, kw_only=True, tag="key"):
    """A signing key in force from here on. `home` is the level that keeps it."""

    usage: str
    spki_sha256: str
    certificate_sha256: str
    home: str
    is_provisioned: bool


class FragmentEntry(msgspec.Struct, frozen=True):
    """One GOP of a segment; `sha256` is of the whole fragment, boxes included."""

    size_bytes: int
    sha256: str
    gop_counter: int
    t_first_mono_us: int


class SegmentRecord(_Body, frozen=True, kw_only=True, tag="segment"):
    """A segment closed. `row` is its row in the index; `sha256` of the whole file.

    `capture_id` is the run of capture it comes from, `began_age_us` how long the node had
    run when it began: what a rebuild cannot find anywhere else.
    """

    row: int
    camera_id: str
    segment: int
    path: str
    boot_id: str
    t_first_mono_us: int
    t_end_mono_us: int
    t_utc_us: int
    utc_error_us: int
    synchronised: bool
    codec: str
    width_px: int
    height_px: int
    is_masked: bool
    init_bytes: int
    init_sha256: str
    size_bytes: int
    sha256: str
    end_reason: str
    fragments: tuple[FragmentEntry, ...]
    capture_id: str = ""
    began_age_us: int = 0


class GapRecord(_Body, frozen=True, kw_only=True, tag="gap"):
    """Nothing was recorded from one camera in between."""

    camera_id: str
    from_boot_id: str
    from_mono_us: int
    from_utc_us: int
    to_boot_id: str
    to_mono_us: int
    to_utc_us: int
    reason: str


class AlertRecord(_Body, frozen=True, kw_only=True, tag="alert"):
    """An alert message was stored."""

    seq: int
    id: str
    raised_id: str
    phase: str
    priority: int
    rule: str
    payload_sha256: str
    thumbnail_sha256: str | None


class LockRecord(_Body, frozen=True, kw_only=True, tag="lock"):
    """An alert keeps a stretch of video, or keeps it longer."""

    raised_id: str
    camera_id: str
    boot_id: str
    from_mono_us: int
    to_mono_us: int
    expires_age_us: int


class UnlockRecord(_Body, frozen=True, kw_only=True, tag="unlock"):
    """A lock ended: `expired`, or `released` because locks took too much."""

    raised_id: str
    reason: Literal["expired", "released"]


class HoldSpan(msgspec.Struct, frozen=True):
    """A stretch of one camera's time in one boot."""

    camera_id: str
    boot_id: str
    from_mono_us: int
    to_mono_us: int


class HoldRecord(_Body, frozen=True, kw_only=True, tag="hold"):
    """A person keeps these stretches."""

    hold_id: str
    person: str
    reason: str
    spans: tuple[HoldSpan, ...]


class ReleaseRecord(_Body, frozen=True, kw_only=True, tag="release"):
    """A person asks for the end of a hold (`asked`), or another one confirms (`released`).

    The hold of an export ends with the export (`ended`, by nobody).
    """

    hold_id: str
    person: str
    reason: str
    step: Literal["asked", "released", "ended"]


class AccessRecord(_Body, frozen=True, kw_only=True, tag="access"):
    """Somebody looked at evidence.

    `person` is a pseudonym (ledger/names.py); `role` and `certificate_sha256` are of the
    certificate they came with, empty for somebody at the pole's own command line. Of a look at
    video: the cameras and the span (0: of none).
    """

    person: str
    action: str
    detail: str
    role: str = ""
    certificate_sha256: str = ""
    cameras: tuple[str, ...] = ()
    from_utc_us: int = 0
    to_utc_us: int = 0
    export_id: str = ""


class AccessRefusedRecord(_Body, frozen=True, kw_only=True, tag="access_refused"):
    """Somebody was refused. `person` is empty for a stranger.

    `count` of them since the record before of the same person and reason, so that nobody can
    fill the ledger.
    """

    person: str
    action: str
    reason: str
    count: int = 1
    certificate_sha256: str = ""
    export_id: str = ""


class ExportRequestRecord(_Body, frozen=True, kw_only=True, tag="export_request"):
    """Somebody asked for evidence. `case` and `person` are pseudonyms.

    `is_signed`: by the asker's own key, not only said over TLS.
    """

    export_id: str
    request_sha256: str
    person: str
    case: str
    export_kind: Literal["full", "redacted"]
    cameras: tuple[str, ...]
    from_utc_us: int
    to_utc_us: int
    hold_id: str
    is_signed: bool


class ApprovalRecord(_Body, frozen=True, kw_only=True, tag="approval"):
    """A second person agreed, or refused. `approval_sha256` is of what they signed."""

    export_id: str
    approval_sha256: str
    person: str
    verdict: Literal["approved", "refused"]
    trust_list_version: int


class ExportRecord(_Body, frozen=True, kw_only=True, tag="export"):
    """A step of an export.

    `sha256` is of what the step made: `sealed`: of manifest-sha256.txt; `ready` and `taken`: of
    the encrypted bundle. `damaged`: how many original segments are not as recorded.
    """

    export_id: str
    step: Literal[
        "begun", "sealed", "ready", "taken", "untaken", "failed", "interrupted", "expired"
    ]
    person: str
    detail: str
    sha256: str = ""
    size_bytes: int = 0
    files: int = 0
    damaged: int = 0


class TrustListRecord(_Body, frozen=True, kw_only=True, tag="trust_list"):
    """Another list of whom the pole believes is in force."""

    version: int
    issued_utc_us: int
    sha256: str
    via: str


class ErasureRecord(_Body, frozen=True, kw_only=True, tag="erasure"):
    """Who a pseudonym is was forgotten."""

    pseudonym: str
    reason: str


class PruneRecord(_Body, frozen=True, kw_only=True, tag="prune"):
    """A segment was deleted by rule; its hashes stay in the record at `segment_leaf`."""

    row: int
    camera_id: str
    segment: int
    segment_leaf: int
    reason: Literal["full", "age", "disk_full"]


class EvictionRecord(_Body, frozen=True, kw_only=True, tag="eviction"):
    """An alert left the outbox unsent; its tombstone is sent in its place."""

    seq: int
    id: str


class ClockStepRecord(_Body, frozen=True, kw_only=True, tag="clock_step"):
    """UTC moved against the monotonic clock; `by_us` > 0: forwards."""

    by_us: int
    synchronised_before: bool
    synchronised_after: bool


class TamperRecord(_Body, frozen=True, kw_only=True, tag="tamper"):
    """Something on the disk is not as it was left. `what` is a stable word."""

    what: str
    where: str
    detail: str


class RebuildRecord(_Body, frozen=True, kw_only=True, tag="rebuild"):
    """Index and ledger were restored from segments and mirror."""

    records: int
    segments: int
    reason: str


class FaultRecord(_Body, frozen=True, kw_only=True, tag="fault"):
    """The medium failed: `disk_full`, `read_only`, `sync_failed`, `io_error`."""

    what: str
    detail: str


class RefusedStatementRecord(_Body, frozen=True, kw_only=True, tag="refused_statement"):
    """Statements that came down in the desk's or a witness's name and were not believed.

    `statement`: acknowledgement, command or cosignature. `count` of them since the record of
    that kind before; `reason` is that of the last. One record an hour and kind at most.
    """

    statement: Literal["ack", "command", "cosignature"]
    reason: str
    count: int


class CommandRecord(_Body, frozen=True, kw_only=True, tag="command"):
    """The control room gave an order. `id` is the command's, `order` canonical JSON.

    `signer` is the name of the desk's key, `operator` whom the desk named. `reason` is why it
    was refused, empty when it was accepted.
    """

    id: str
    operator: str
    signer: str
    order: str
    outcome: Literal["accepted", "refused"]
    reason: str
    not_before_utc_us: int
    expires_utc_us: int


class OutcomeRecord(_Body, frozen=True, kw_only=True, tag="outcome"):
    """What became of a command that was accepted."""

    command_id: str
    outcome: Literal["done", "failed"]
    reason: str


class OperationRecord(_Body, frozen=True, kw_only=True, tag="operation"):
    """An operation began or ended; of each the two take turns.

    `cause`: its `hours`, an `order` (`command_id`), or the `configuration`, where nothing lets it
    hold any more: it is not there, or has no hours.
    """

    operation: str
    step: Literal["begun", "ended"]
    cause: Literal["hours", "order", "configuration"]
    command_id: str = ""


class OutputRecord(_Body, frozen=True, kw_only=True, tag="output"):
    """An output was asked for: let on for `on_ms` (0: off at once), or `refused` with a word.

    Written before it is switched. `cause_id`: the `raised_id` of an alert, or the command's id.
    `age_us`: how long the node had run.
    """

    output: str
    cause: Literal["alert", "command"]
    cause_id: str
    on_ms: int
    refused: str
    age_us: int


RecordBody = (
    BootRecord
    | ConfigRecord
    | KeyRecord
    | SegmentRecord
    | GapRecord
    | AlertRecord
    | LockRecord
    | UnlockRecord
    | HoldRecord
    | ReleaseRecord
    | AccessRecord
    | AccessRefusedRecord
    | ExportRequestRecord
    | ApprovalRecord
    | ExportRecord
    | TrustListRecord
    | ErasureRecord
    | PruneRecord
    | EvictionRecord
    | ClockStepRecord
    | TamperRecord
    | RebuildRecord
    | FaultRecord
    | RefusedStatementRecord
    | CommandRecord
    | OutcomeRecord
    | OperationRecord
    | OutputRecord
)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One leaf of the ledger.

    Attributes:
        leaf: its place, from 0 without holes.
        t_utc_us: off by at most `utc_error_us`; nothing is ordered by it.
        t_mono_us: in the boot `boot_id`.
        body: what it says.
    """

    schema: Literal["roeh/record/1"] = "roeh/record/1"
    leaf: int
    site: str
    node: str
    boot_id: str
    t_mono_us: int
    t_utc_us: int
    utc_error_us: int
    synchronised: bool
    body: RecordBody


# Looked into before there are threads: see core/ipc/stream.py.
msgspec.json.Decoder(Record)
