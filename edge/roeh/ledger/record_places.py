"""Where in the ledger what belongs together is found, without reading all of it. Pure.

Of each record: what it is about (an alert, a hold, an export, the leaf of a segment), and of a
look at video, which cameras and which span.
"""

from __future__ import annotations

import msgspec

from roeh.ledger.records import (
    AccessRecord,
    AccessRefusedRecord,
    AlertRecord,
    ApprovalRecord,
    ExportRecord,
    ExportRequestRecord,
    HoldRecord,
    LockRecord,
    OperationRecord,
    OutputRecord,
    PruneRecord,
    RecordBody,
    ReleaseRecord,
    UnlockRecord,
)


class Look(msgspec.Struct, frozen=True):
    """A span of UTC of one camera that somebody looked at."""

    camera_id: str
    from_utc_us: int
    to_utc_us: int


def subject_of(body: RecordBody) -> str | None:
    """What a record is about; None: nothing that is asked for by name."""
    subject: str | None = None
    match body:
        case AlertRecord() | LockRecord() | UnlockRecord():
            subject = about_alert(body.raised_id)
        case OutputRecord() if body.cause == "alert":
            subject = about_alert(body.cause_id)
        case HoldRecord() | ReleaseRecord():
            subject = about_hold(body.hold_id)
        case ExportRequestRecord() | ApprovalRecord() | ExportRecord():
            subject = about_export(body.export_id)
        case AccessRecord() | AccessRefusedRecord() if body.export_id:
            subject = about_export(body.export_id)
        case PruneRecord():
            subject = about_segment(body.segment_leaf)
        case OperationRecord():
            subject = about_operation(body.operation)
        case _:
            pass
    return subject


def about_alert(raised_id: str) -> str:
    """Of an alert, its locks and unlocks, and the outputs that it let on."""
    return f"alert:{raised_id}"


def about_hold(hold_id: str) -> str:
    """Of a hold and its releases."""
    return f"hold:{hold_id}"


def about_export(export_id: str) -> str:
    """Of an export: request, approval, steps, looks at it."""
    return f"export:{export_id}"


def about_segment(leaf: int) -> str:
    """Of the deletion of the segment whose record is `leaf`."""
    return f"segment:{leaf}"


def about_operation(name: str) -> str:
    """Of the begin and the end of an operation."""
    return f"operation:{name}"


def looks_of(body: RecordBody) -> tuple[Look, ...]:
    """The spans that a record says were looked at."""
    if not isinstance(body, AccessRecord) or body.from_utc_us >= body.to_utc_us:
        return ()
    return tuple(Look(camera, body.from_utc_us, body.to_utc_us) for camera in body.cameras)
