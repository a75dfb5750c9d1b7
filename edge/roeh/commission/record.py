"""The report on record: its hash in the pole's ledger, and a file that says where.

No verb of evidence signs bytes that a caller hands in. The hash goes in as what it is: somebody
looked at the pole's cameras and took a report with this hash away (ACCESS_RECORD). The next
checkpoint, which evidence signs with the key for manifests, covers that record; whoever has
checkpoint and ledger can prove that this report was made on this pole by then.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from roeh.core.clock import Clock
from roeh.core.custody import (
    EvidenceStatus,
    EvidenceStatusRequest,
    RecordAccess,
    RecordsPage,
    RecordsRequest,
)
from roeh.core.errors import EvidenceRefused
from roeh.core.peers import Done, Verb
from roeh.custody.link import EvidenceLink
from roeh.doctor.finding import Finding
from roeh.ledger.note import parse_checkpoint, parse_note
from roeh.ledger.records import AccessRecord, Record

ACTION = "commission"
#: A checkpoint is signed when a segment has closed: ten seconds, by default.
_PATIENCE_S, _STEP_S = 30.0, 0.5


class LedgerPlace(msgspec.Struct, frozen=True):
    """Where the report stands in the ledger.

    Attributes:
        leaf: of the record that holds its hash.
        checkpoint: a signed note that covers the leaf; None while there is none yet.
    """

    leaf: int
    checkpoint: str | None


class CommissioningRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The file beside the report, for programs."""

    schema: Literal["roeh/commissioning/1"] = "roeh/commissioning/1"
    site: str
    node: str
    technician: str
    t_utc_us: int
    utc_error_us: int
    synchronised: bool
    report: str
    report_sha256: str
    serial: str | None
    version: str
    config_sha256: str
    models: dict[str, str]
    certificates_sha256: dict[str, str]
    landmarks_deg: dict[str, float]
    findings: tuple[Finding, ...]
    ledger: LedgerPlace | None


def record_look(link: EvidenceLink, technician: str, cameras: str) -> None:
    """On record before a picture is shown.

    Raises:
        RoehError: it cannot be recorded; then nothing may be shown.
    """
    detail = f"newest pictures of {cameras}"
    request = RecordAccess(person=technician, action=ACTION, detail=detail[:500])
    link.call(Verb.ACCESS_RECORD, request, Done)


def record_report(
    link: EvidenceLink, technician: str, sha256: str, clock: Clock, patience_s: float = _PATIENCE_S
) -> LedgerPlace:
    """Write the report's hash into the ledger; where it stands, once a checkpoint covers it.

    Raises:
        RoehError: it cannot be recorded.
    """
    size = link.call(Verb.EVIDENCE_STATUS, EvidenceStatusRequest(), EvidenceStatus).ledger_size
    detail = f"report sha256 {sha256}"
    request = RecordAccess(person=technician, action=ACTION, detail=detail)
    link.call(Verb.ACCESS_RECORD, request, Done)
    leaf = _leaf_of(link, size - 1, detail)
    waited_s = 0.0
    while True:
        status = link.call(Verb.EVIDENCE_STATUS, EvidenceStatusRequest(), EvidenceStatus)
        if status.checkpoint is not None and _size_of(status.checkpoint) > leaf:
            return LedgerPlace(leaf, status.checkpoint)
        if waited_s >= patience_s or not link.is_running:
            return LedgerPlace(leaf, None)
        clock.wait(_STEP_S)
        waited_s += _STEP_S


def _leaf_of(link: EvidenceLink, after: int, detail: str) -> int:
    request = RecordsRequest(after=after, kinds=("access",))
    for raw in link.call(Verb.RECORDS_PAGE, request, RecordsPage).records:
        record = msgspec.json.decode(raw, type=Record)
        if isinstance(record.body, AccessRecord) and record.body.detail == detail:
            return record.leaf
    raise EvidenceRefused(
        what="the report's hash does not stand in the ledger",
        which=detail,
        remedy="run roeh commission again; see roeh evidence check",
    )


def _size_of(checkpoint: str) -> int:
    return parse_checkpoint(parse_note(checkpoint).text).size
