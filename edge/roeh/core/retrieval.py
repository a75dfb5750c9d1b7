"""Retrieval: who asks, for what, who agrees, and what evidence is asked about it.

Who may call the verbs stands in core/peers.py, what they mean in edge/design/retrieval.md.
What was signed travels as it came: opaque bytes, which evidence alone verifies.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roeh.core.config.section import Name
from roeh.core.types import Sha256, TimeUs, Uuid7

#: The largest signed object (request, approval, trust list) that is handed on.
MAX_SIGNED_BYTES = 256 * 1024
#: The most files of an export in one call: with the longest paths they fit into one message.
MAX_SEALED_FILES = 1500
#: The longest span of one request.
MAX_SPAN_US = 7 * 24 * 3600 * 1_000_000

#: A text of a person, on one line.
_Line = r"^[^\x00-\x1f\x7f]*(?!\n)$"
CaseNumber = Annotated[str, Meta(min_length=1, max_length=64, pattern=_Line)]
LegalBasis = Annotated[str, Meta(min_length=1, max_length=200, pattern=_Line)]
Purpose = Annotated[str, Meta(min_length=1, max_length=500, pattern=_Line)]
#: A public key of age (age-encryption.org/v1, X25519).
AgeRecipient = Annotated[str, Meta(pattern=r"^age1[02-9ac-hj-np-z]{58}(?!\n)$")]


class PersonRole(enum.Enum):
    """What a person's certificate makes of them; the value is its name everywhere."""

    OPERATOR = "operator"
    INVESTIGATOR = "investigator"
    APPROVER = "approver"
    TECHNICIAN = "technician"
    AUDITOR = "auditor"
    PRIVACY_OFFICER = "privacy_officer"


class Action(enum.Enum):
    """What a person may want of a pole; access/roles.py says which role may."""

    SEE_HEALTH = "see_health"
    SEE_TIMELINE = "see_timeline"
    SEE_THUMBNAIL = "see_thumbnail"
    SEE_PREVIEW = "see_preview"
    HOLD = "hold"
    RELEASE_HOLD = "release_hold"
    REQUEST_EXPORT = "request_export"
    REQUEST_REDACTED = "request_redacted"
    APPROVE = "approve"
    SEE_EXPORTS = "see_exports"
    FETCH = "fetch"
    SEE_CUSTODY = "see_custody"
    OFFER_TRUST_LIST = "offer_trust_list"


class Person(msgspec.Struct, frozen=True):
    """Who somebody is, as their certificate says. `number` alone tells persons apart.

    Attributes:
        number: the serialNumber of the certificate's subject (X.520), the same in every
            certificate of one person.
        certificate_sha256: of the certificate, DER.
    """

    number: str
    name: str
    organisation: str
    role: PersonRole
    certificate_sha256: Sha256


class Region(msgspec.Struct, frozen=True):
    """A part of a camera's picture to be blurred, in pixels of the recorded video."""

    camera_id: Name
    x0_px: Annotated[int, Meta(ge=0, le=16384)]
    y0_px: Annotated[int, Meta(ge=0, le=16384)]
    x1_px: Annotated[int, Meta(ge=0, le=16384)]
    y1_px: Annotated[int, Meta(ge=0, le=16384)]


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks to take from one pole, and why. Signed or said over TLS.

    Attributes:
        id: of the export from its request to its last fetch.
        kind: `full`: original bytes and all proofs; `redacted`: a derived video with `regions`
            blurred, and no original.
        from_utc_us, to_utc_us: the span, as the pole's records tell the time.
        recipients: who can open the bundle.
        requester_number: the asker's Person.number.
    """

    schema: Literal["roeh/export-request/1"] = "roeh/export-request/1"
    id: Uuid7
    site: Name
    node: Name
    kind: Literal["full", "redacted"] = "full"
    case_number: CaseNumber
    legal_basis: LegalBasis
    reason: Purpose
    cameras: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=16)]
    from_utc_us: TimeUs
    to_utc_us: TimeUs
    recipients: Annotated[tuple[AgeRecipient, ...], Meta(min_length=1, max_length=4)]
    regions: Annotated[tuple[Region, ...], Meta(max_length=64)] = ()
    requester_number: Annotated[str, Meta(min_length=1, max_length=64)]
    requested_utc_us: TimeUs


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A second person's word on a request; always signed (CMS, the content inside).

    Attributes:
        request: the whole of what is agreed to: nothing else is exported.
        request_sha256: of the request as canonical JSON.
    """

    schema: Literal["roeh/approval/1"] = "roeh/approval/1"
    request: ExportRequest
    request_sha256: Sha256
    verdict: Literal["approved", "refused"]
    approver_number: Annotated[str, Meta(min_length=1, max_length=64)]
    not_before_utc_us: TimeUs
    expires_utc_us: TimeUs
    note: Annotated[str, Meta(max_length=500, pattern=_Line)] = ""


ExportState = Literal[
    "requested", "approved", "building", "ready", "taken", "refused", "failed", "expired"
]


class ExportRow(msgspec.Struct, frozen=True, kw_only=True):
    """One export as the pole knows it.

    Attributes:
        row: key of the page.
        request: canonical JSON of the ExportRequest; empty: it is over and was forgotten (a
            name was erased, or node.db was rebuilt).
        request_sha256: of it.
        requester: by number, or by pseudonym where it was forgotten.
        request_p7m, approval_p7m: as they were signed; empty: said over TLS, or not there yet.
        hold_id: of the hold that keeps the span while the export lives.
        detail: why it was refused or failed.
        size_bytes, sha256: of the encrypted bundle, once it is ready.
    """

    row: int
    id: Uuid7
    state: ExportState
    request: bytes
    request_sha256: Sha256
    requester: Person
    approver: Person | None = None
    request_p7m: bytes = b""
    approval_p7m: bytes = b""
    hold_id: str
    t_utc_us: int
    detail: str = ""
    size_bytes: int = 0
    sha256: str = ""
    bytes_done: int = 0
    bytes_total: int = 0


class Visitor(msgspec.Struct, frozen=True):
    """Whom a process speaks for: the certificate that TLS or a signature proved, DER."""

    certificate_der: Annotated[bytes, Meta(max_length=16 * 1024)]


class JudgeVisitor(msgspec.Struct, frozen=True):
    """VISITOR_JUDGE: who is this, and may they do it? Each answer is on record.

    `detail` says of what ("north 10:00-10:05"); a refusal is raised as AccessRefused. Of a look
    at video `cameras` and the span say so for a machine: it is then in the custody of every
    bundle of that span; `export_id` likewise of an export.
    """

    visitor: Visitor
    action: Action
    detail: Annotated[str, Meta(max_length=500)] = ""
    cameras: Annotated[tuple[Name, ...], Meta(max_length=16)] = ()
    from_utc_us: TimeUs = 0
    to_utc_us: TimeUs = 0
    export_id: Uuid7 | None = None


class JudgedVisitor(msgspec.Struct, frozen=True):
    """They may; `pseudonym` is their name in the ledger."""

    person: Person
    pseudonym: str


class NoteStranger(msgspec.Struct, frozen=True):
    """STRANGER_NOTE: somebody was turned away at the door, without a certificate we know."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]


class OfferTrustList(msgspec.Struct, frozen=True):
    """TRUST_OFFER: a signed trust list, as it came; kept if it is newer than the one held."""

    signed: Annotated[bytes, Meta(max_length=MAX_SIGNED_BYTES)]
    via: Literal["mqtt", "file", "https", "usb"]
    visitor: Visitor | None = None


class TrustHeldRequest(msgspec.Struct, frozen=True):
    """TRUST_HELD: the trust list in force."""


class TrustHeld(msgspec.Struct, frozen=True):
    """As it was signed (empty: none), and what it is worth now.

    Attributes:
        age_us: since it was issued, by the pole's clock; None: the clock cannot tell.
        is_stale: too old, or its age cannot be told: see the table in retrieval.md.
    """

    signed: bytes
    version: int
    issued_utc_us: int
    age_us: int | None
    is_stale: bool


class RequestExport(msgspec.Struct, frozen=True):
    """EXPORT_REQUEST: take a request, hold its span, put it on record.

    Either `visitor` says it over TLS (`request` is JSON), or it is signed (`request` is CMS);
    a signed one that a visitor brings has to be their own.
    """

    request: Annotated[bytes, Meta(max_length=MAX_SIGNED_BYTES)]
    visitor: Visitor | None = None


class ApproveExport(msgspec.Struct, frozen=True):
    """EXPORT_APPROVE: a signed approval, as it came, whoever carries it."""

    approval: Annotated[bytes, Meta(max_length=MAX_SIGNED_BYTES)]
    visitor: Visitor | None = None


class ExportsRequest(msgspec.Struct, frozen=True):
    """EXPORTS_PAGE: exports after a row, or one."""

    after: Annotated[int, Meta(ge=-1, lt=2**53)] = -1
    limit: Annotated[int, Meta(ge=1, le=50)] = 50
    id: str = ""


class ExportsPage(msgspec.Struct, frozen=True):
    """Exports in the order in which they were asked for."""

    exports: tuple[ExportRow, ...]


class ExportHeld(msgspec.Struct, frozen=True):
    """The export after what was asked."""

    export: ExportRow


class BeginExport(msgspec.Struct, frozen=True):
    """EXPORT_BEGIN: an approved export is built from here on (again, after an interruption)."""

    id: Uuid7


class ExportBegun(msgspec.Struct, frozen=True):
    """What goes into it beside the video.

    Attributes:
        checkpoint: signed note over the tree that the proofs are for; kept for this export.
        ledger_size: its size.
        witnessed: the newest note that a witness signed too; empty: none.
        consistency: from the witnessed size to `ledger_size`, hexadecimal.
        leaves: of every record that belongs into the bundle.
        trust_list: as signed.
        chains_pem: certificates of the media, log and manifest keys that made what is in it.
        homes: where those keys are at home, by usage.
        names: pseudonyms of the persons and cases in these records, and who they are.
        witness_keys: verifier keys of the witnesses that the pole believes.
        trust_age_us: how old the trust list is.
        trust_version, trust_issued_utc_us: what it says of itself.
    """

    export: ExportRow
    checkpoint: str
    ledger_size: int
    witnessed: str
    witnessed_size: int
    consistency: tuple[str, ...]
    leaves: tuple[int, ...]
    trust_list: bytes
    chains_pem: str
    homes: dict[str, str]
    names: dict[str, str]
    witness_keys: tuple[str, ...] = ()
    trust_age_us: int | None = None
    trust_version: int = 0
    trust_issued_utc_us: int = 0


class ProofsRequest(msgspec.Struct, frozen=True):
    """EXPORT_PROOFS: records of these leaves, with their inclusion in the tree of `size`."""

    id: Uuid7
    leaves: Annotated[tuple[int, ...], Meta(min_length=1, max_length=200)]
    size: Annotated[int, Meta(ge=1, lt=2**53)]


class ProvenRecord(msgspec.Struct, frozen=True):
    """A record as it is hashed (canonical JSON) and its inclusion proof, hexadecimal."""

    leaf: int
    record: bytes
    proof: tuple[str, ...]


class ProvenRecords(msgspec.Struct, frozen=True):
    """In the order asked for."""

    records: tuple[ProvenRecord, ...]


class SealedFile(msgspec.Struct, frozen=True):
    """One payload file of a bundle: path below the bag, lower-case SHA-256, size."""

    path: Annotated[
        str, Meta(max_length=200, pattern=r"^data(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+(?!\n)$")
    ]
    sha256: Sha256
    size_bytes: Annotated[int, Meta(ge=0, lt=2**53)]


class AddSealedFiles(msgspec.Struct, frozen=True):
    """EXPORT_FILES: some of the payload files of an export that is being built, in order.

    `first`: how many were told before; 0 begins anew.
    """

    id: Uuid7
    first: Annotated[int, Meta(ge=0, lt=2**31)]
    files: Annotated[tuple[SealedFile, ...], Meta(min_length=1, max_length=MAX_SEALED_FILES)]


class SealExport(msgspec.Struct, frozen=True):
    """EXPORT_SEAL: sign the manifest of the files told, and put its hash on record.

    Evidence writes the manifest itself. Original segments whose hash is not the ledger's are
    counted in the record as damaged, and sealed all the same.
    """

    id: Uuid7


class ExportSealed(msgspec.Struct, frozen=True):
    """The seal.

    Attributes:
        manifest_sha256: of manifest-sha256.txt, which the caller writes from the same files:
            a line `{sha256}  {path}` each, in the order told.
        manifest_p7s: CMS, detached, DER, over manifest-sha256.txt.
        record: the export's record in the ledger (canonical JSON), its `leaf` and proof.
        checkpoint: a signed note over a tree with it.
        consistency: from the tree of ExportBegun's checkpoint to that one, hexadecimal.
    """

    manifest_sha256: Sha256
    manifest_p7s: bytes
    leaf: int
    record: bytes
    proof: tuple[str, ...]
    checkpoint: str
    consistency: tuple[str, ...] = ()


class NoteExport(msgspec.Struct, frozen=True):
    """EXPORT_NOTE: how an export goes on; each step but `building` is a record.

    `building` tells progress in bytes; `interrupted` lets it be begun again. `untaken`: a fetch
    or a copy to a disk ended before its last byte; the export stays as it is.
    """

    id: Uuid7
    step: Literal["building", "ready", "taken", "untaken", "failed", "interrupted", "expired"]
    detail: Annotated[str, Meta(max_length=500)] = ""
    size_bytes: Annotated[int, Meta(ge=0, lt=2**53)] = 0
    sha256: str = ""
    bytes_done: Annotated[int, Meta(ge=0, lt=2**53)] = 0
    bytes_total: Annotated[int, Meta(ge=0, lt=2**53)] = 0
    visitor: Visitor | None = None


class ThumbnailRequest(msgspec.Struct, frozen=True):
    """THUMBNAIL_READ: the picture of an alert."""

    alert_id: Uuid7


class Thumbnail(msgspec.Struct, frozen=True):
    """JPEG or WebP; empty when it is not there any more."""

    picture: bytes


class VisitorHold(msgspec.Struct, frozen=True):
    """VISITOR_HOLD: keep a stretch of UTC of these cameras, as this visitor."""

    visitor: Visitor
    hold_id: Uuid7
    cameras: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=16)]
    from_utc_us: TimeUs
    to_utc_us: TimeUs
    reason: Purpose


class VisitorRelease(msgspec.Struct, frozen=True):
    """VISITOR_RELEASE: ask for the end of a hold, or confirm what another person asked for."""

    visitor: Visitor
    hold_id: Uuid7
    reason: Purpose


class EraseName(msgspec.Struct, frozen=True):
    """NAME_ERASE: forget who a pseudonym is; the ledger keeps the pseudonym."""

    pseudonym: Annotated[str, Meta(pattern=r"^[pc]-[0-9a-f]{16}(?!\n)$")]
    reason: Purpose


class NamesRequest(msgspec.Struct, frozen=True):
    """NAMES_READ: who the pseudonyms are that were not erased; empty: all."""

    pseudonyms: Annotated[tuple[str, ...], Meta(max_length=1000)] = ()


class Names(msgspec.Struct, frozen=True):
    """Pseudonym to text."""

    names: dict[str, str]
