"""Where everything stands in a bundle, and what its JSON files say.

edge/design/retrieval.md ("The bundle") tells what each file is for. Who writes a bundle and
who verifies one both read this. Paths are below the bag, which is `bag_name` in the zip.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from roeh.core.retrieval import ExportRequest, Region

BAG_PREFIX = "roeh-export-"

BAGIT = "bagit.txt"
BAG_INFO = "bag-info.txt"
MANIFEST = "manifest-sha256.txt"
MANIFEST_SIGNATURE = "manifest.p7s"
TAG_MANIFEST = "tagmanifest-sha256.txt"

EXPORT = "data/export.json"
SEGMENT_LINES = "data/segments.jsonl"
REQUEST = "data/request.json"
REQUEST_SIGNED = "data/request.p7m"
APPROVAL = "data/approval.p7m"
TRUST_LIST = "data/trust-list.p7m"
RECORDS = "data/records.jsonl"
CUSTODY = "data/custody.jsonl"
INCLUSION = "data/proofs/inclusion.jsonl"
CONSISTENCY = "data/proofs/consistency.json"
CHECKPOINT = "data/checkpoints/pole.txt"
WITNESSED = "data/checkpoints/witnessed.txt"
CHECKPOINT_TIMESTAMP = "data/timestamps/checkpoint.tsr"
REPORT_DIRECTORY = "data/report/"
STILLS_DIRECTORY = "data/report/stills/"
SEGMENTS_DIRECTORY = "data/segments/"
VIDEO_DIRECTORY = "data/video/"
ONLY_VIDEO = "data/video.mp4"
REDACTED_DIRECTORY = "data/redacted/"
CREDENTIALS_DIRECTORY = "data/credentials/"

#: Certificate chains, by the usage of the key, without the root.
CERTIFICATES = {
    "media": "certs/media.pem",
    "log": "certs/log.pem",
    "manifest": "certs/manifest.pem",
}

SEAL_RECORD = "seal/record.json"
SEAL_INCLUSION = "seal/inclusion.json"
SEAL_CHECKPOINT = "seal/checkpoint.txt"
SEAL_CONSISTENCY = "seal/consistency.json"
SEAL_TIMESTAMP = "seal/manifest.tsr"

#: RFC 8493 section 2.1.1.
BAGIT_TEXT = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"

#: Kinds of record that are custody: they stand in CUSTODY too.
CUSTODY_KINDS = frozenset(
    {
        "hold",
        "release",
        "access",
        "access_refused",
        "export_request",
        "approval",
        "export",
        "trust_list",
        "erasure",
    }
)

#: A camera's, as core/config/schema.py has it.
_NAME = r"[a-z0-9][a-z0-9-]{0,62}"
_KNOWN = frozenset(
    {
        *(BAGIT, BAG_INFO, MANIFEST, MANIFEST_SIGNATURE, TAG_MANIFEST),
        *(EXPORT, SEGMENT_LINES, REQUEST, REQUEST_SIGNED, APPROVAL, TRUST_LIST, RECORDS, CUSTODY),
        *(INCLUSION, CONSISTENCY, CHECKPOINT, WITNESSED, CHECKPOINT_TIMESTAMP, ONLY_VIDEO),
        *CERTIFICATES.values(),
        *(SEAL_RECORD, SEAL_INCLUSION, SEAL_CHECKPOINT, SEAL_CONSISTENCY, SEAL_TIMESTAMP),
    }
)


def bag_name(export_id: str) -> str:
    """The one directory in the zip."""
    return f"{BAG_PREFIX}{export_id}"


def segment_file(camera_id: str, number: int) -> str:
    """Where the original bytes of a segment stand."""
    return f"{SEGMENTS_DIRECTORY}{camera_id}/{number:08d}.mp4"


def video_file(camera_id: str, number: int) -> str:
    """Where the `number`th join of a camera stands, from 1, unless it is the only one."""
    return f"{VIDEO_DIRECTORY}{camera_id}-{number}.mp4"


def credentials_file(camera_id: str, number: int) -> str:
    """A copy of the `number`th join of a camera with content credentials (C2PA) in it."""
    return f"{CREDENTIALS_DIRECTORY}{camera_id}-{number}.mp4"


def redacted_file(camera_id: str, number: int) -> str:
    """Where the `number`th redacted video of a camera stands, from 1."""
    return f"{REDACTED_DIRECTORY}{camera_id}-{number}.mp4"


def redacted_sidecar(camera_id: str, number: int) -> str:
    """What says of which originals a redacted video is."""
    return f"{REDACTED_DIRECTORY}{camera_id}-{number}.json"


def report_file(language: str, ending: str) -> str:
    """A report: language `en` or `he`, ending `html` or `pdf`."""
    return f"{REPORT_DIRECTORY}report.{language}.{ending}"


def still_file(name: str) -> str:
    """A still picture that the report shows."""
    return f"{STILLS_DIRECTORY}{name}"


class GopEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One group of pictures of a segment: a fragment of its file, boxes included.

    Attributes:
        sha256_recorded: as the pole's index and the segment's record in the ledger have it.
        sha256: of the bytes as they are in this bundle; empty when there are none.
        counter: of its stream signature; 0: it has none.
        is_asked_for: whether it lies in the span of the request.
    """

    offset_bytes: int
    size_bytes: int
    sha256_recorded: str
    sha256: str
    counter: int
    from_utc_us: int
    to_utc_us: int
    is_asked_for: bool


SegmentState = Literal["intact", "damaged", "missing", "unreadable", "deleted"]


class SegmentEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of SEGMENT_LINES: one segment whose time is asked for, and how it was found.

    Attributes:
        path: in the bag; empty: no bytes of it are here (missing, unreadable, deleted, or the
            bundle is a redacted one).
        leaf: of its record; None: it was still being written when the export was made, so
            nothing in the ledger speaks for it yet.
        size_bytes, sha256: as found; 0 and empty without bytes.
        size_recorded_bytes, sha256_recorded, init_sha256_recorded: as the ledger has it; of a
            segment that is still written: the size up to its last whole GOP, and empty.
        init_sha256: of what stands before the first GOP, as found.
        state: `intact`: as recorded. `damaged`: other bytes. `missing`: should be there and is
            not. `unreadable`: the medium gave an error. `deleted`: by rule, on record.
        damage: in words, a line each.
        t_first_mono_us, t_end_mono_us: in the boot `boot_id`.
        end_reason: None while it is written.
    """

    camera_id: str
    segment: int
    path: str
    leaf: int | None
    state: SegmentState
    damage: tuple[str, ...] = ()
    size_bytes: int
    size_recorded_bytes: int
    sha256: str
    sha256_recorded: str
    init_sha256: str
    init_sha256_recorded: str
    boot_id: str
    t_first_mono_us: int
    t_end_mono_us: int
    from_utc_us: int
    to_utc_us: int
    utc_error_us: int
    synchronised: bool
    end_reason: str | None
    gops: tuple[GopEntry, ...]


class GapEntry(msgspec.Struct, frozen=True):
    """A signed statement that nothing was recorded; `leaf` is its record."""

    leaf: int
    camera_id: str
    from_utc_us: int
    to_utc_us: int
    reason: str


class JoinEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A playable file made of GOPs of the originals, without transcoding.

    Attributes:
        path: in the bag.
        from_utc_us, to_utc_us: of what is in it; the end is past what was asked for where
            later GOPs bring the last one's signature (`late_gops`).
        asked_to_utc_us: the end of what was asked for in it.
        gops_left_out: asked for, but they cannot be read.
        credentials: path of a copy with content credentials; empty: there is none. It proves
            nothing here that the rest of the bundle does not.
    """

    path: str
    camera_id: str
    codec: str
    width_px: int
    height_px: int
    from_utc_us: int
    to_utc_us: int
    asked_to_utc_us: int
    gops: int
    late_gops: int
    gops_left_out: int
    size_bytes: int
    sha256: str
    credentials: str = ""


class CameraEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of one camera. Counts are of segments, by state."""

    camera_id: str
    intact: int = 0
    damaged: int = 0
    missing: int = 0
    unreadable: int = 0
    deleted: int = 0
    unproven: int = 0
    gops: int = 0
    size_bytes: int = 0
    from_utc_us: int = 0
    to_utc_us: int = 0
    utc_error_us: int = 0
    synchronised: bool = True
    gaps: tuple[GapEntry, ...] = ()
    joins: tuple[JoinEntry, ...] = ()


class ClockEntry(msgspec.Struct, frozen=True):
    """The pole's clock when the bundle was made; off by at most `utc_error_us`."""

    t_utc_us: int
    utc_error_us: int
    synchronised: bool
    boot_id: str


class TrustEntry(msgspec.Struct, frozen=True):
    """The trust list in force. `age_us` None: the clock could not tell."""

    version: int
    issued_utc_us: int
    age_us: int | None
    sha256: str


class WitnessEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What a witness has seen of the ledger.

    Attributes:
        size: of the newest tree that a witness signed; 0: none ever did.
        t_utc_us: when it did, by its own clock; None: none did, or its signature tells no time.
        window_us: from then to the making of this bundle; None likewise. Whoever held all keys
            of the pole could have rewritten what was recorded in it.
        span_window_us: how much of the span asked for lies after `t_utc_us`; None likewise.
    """

    size: int
    t_utc_us: int | None
    window_us: int | None
    span_window_us: int | None


class TimestampEntry(msgspec.Struct, frozen=True):
    """Whether a time-stamping authority was asked, and what came of it.

    `state`: `none` is configured, it `granted`, or it `failed` (`detail` says how).
    """

    state: Literal["none", "granted", "failed"]
    detail: str = ""


class RedactedEntry(msgspec.Struct, frozen=True):
    """A redacted video and its sidecar, by path."""

    camera_id: str
    path: str
    sidecar: str


class ExportDocument(msgspec.Struct, frozen=True, kw_only=True):
    """EXPORT: what this bundle is.

    Attributes:
        key_homes: where the signing keys are at home, by usage.
        names: who the pseudonyms in the records are.
        damage: in words, a line each; the first `MAX_DAMAGE_LINES` of `damage_count`.
        timestamp: of CHECKPOINT. That of the manifest is made after this was written: see
            whether SEAL_TIMESTAMP is there.
        notes: what else a reader has to know, a line each (a still that could not be made).
    """

    schema: Literal["roeh/export/1"] = "roeh/export/1"
    export_id: str
    kind: Literal["full", "redacted"]
    request: ExportRequest
    request_sha256: str
    site: str
    node: str
    software: str
    clock: ClockEntry
    key_homes: dict[str, str]
    names: dict[str, str]
    cameras: tuple[CameraEntry, ...]
    damage: tuple[str, ...]
    damage_count: int
    trust_list: TrustEntry
    ledger_size: int
    records: int
    witness: WitnessEntry
    witness_keys: tuple[str, ...]
    timestamp: TimestampEntry
    redacted: tuple[RedactedEntry, ...] = ()
    reports: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


#: More lines than this are counted, not told.
MAX_DAMAGE_LINES = 1000


class InclusionLine(msgspec.Struct, frozen=True):
    """A line of INCLUSION for each of RECORDS, and SEAL_INCLUSION: hashes in hexadecimal.

    `proof` is to the tree of `size`.
    """

    leaf: int
    size: int
    proof: tuple[str, ...]


class ConsistencyDocument(
    msgspec.Struct, frozen=True, rename={"from_size": "from", "to_size": "to"}
):
    """CONSISTENCY: from the witnessed tree to CHECKPOINT's; without a witness `from` is 0.

    SEAL_CONSISTENCY: from CHECKPOINT's to SEAL_CHECKPOINT's.
    """

    from_size: int
    to_size: int
    proof: tuple[str, ...]


class OriginalEntry(msgspec.Struct, frozen=True):
    """An original segment that a redacted video was made of."""

    segment: int
    leaf: int | None
    sha256: str
    sha256_recorded: str


class RedactedSidecar(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON beside a redacted video: of what it is, and what was made unreadable in it."""

    schema: Literal["roeh/redacted/1"] = "roeh/redacted/1"
    camera_id: str
    sha256: str
    size_bytes: int
    from_utc_us: int
    to_utc_us: int
    regions: tuple[Region, ...]
    originals: tuple[OriginalEntry, ...]


_CAMERA_FILES = re.compile(
    rf"data/(segments/{_NAME}/[0-9]{{8}}\.mp4"
    rf"|(video|credentials)/{_NAME}-[1-9][0-9]{{0,5}}\.mp4"
    rf"|redacted/{_NAME}-[1-9][0-9]{{0,5}}\.(mp4|json)"
    r"|report/report\.(en|he)\.(html|pdf)"
    r"|report/stills/[a-z0-9][a-z0-9_.-]{0,100}\.(jpg|png|webp))"
)


def is_known_path(path: str) -> bool:
    """Whether a file of this path may stand in a bundle at all."""
    return path in _KNOWN or _CAMERA_FILES.fullmatch(path) is not None


def is_payload(path: str) -> bool:
    """Whether it is named by MANIFEST; the others are by TAG_MANIFEST, but itself."""
    return path.startswith("data/")
