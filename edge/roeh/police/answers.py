"""What a pole's API answers, as far as the client reads it (/api/v1/openapi.json has all)."""

from __future__ import annotations

import msgspec

from roeh.core.retrieval import ExportRequest, ExportState, Person
from roeh.ledger.records import Record


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """An export as far as it is.

    Attributes:
        request: None once it is over and forgotten.
        detail: why it was refused or failed.
        size_bytes, sha256: of the encrypted bundle, once it is ready.
        bytes_done, bytes_total: while it is built.
    """

    id: str
    state: ExportState
    request: ExportRequest | None
    request_sha256: str
    requester: Person
    approver: Person | None
    t_utc_us: int
    detail: str
    size_bytes: int
    sha256: str
    bytes_done: int
    bytes_total: int


class Exports(msgspec.Struct, frozen=True, kw_only=True):
    """A page of exports; `after` asks for the next, None: there is none."""

    exports: tuple[Export, ...]
    after: int | None


class ToApprove(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the pole has it: canonical JSON, its hash, and who asked."""

    id: str
    request: str
    request_sha256: str
    requester: Person


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """Video that was kept alike, [from, to); off by `error_us`."""

    from_utc_us: int
    to_utc_us: int
    error_us: int
    synchronised: bool
    keep: str
    is_written: bool


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing was recorded, by signed record."""

    from_utc_us: int
    to_utc_us: int
    reason: str


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One camera."""

    camera_id: str
    bars: tuple[Bar, ...]
    gaps: tuple[Gap, ...]


class AlertMark(msgspec.Struct, frozen=True, kw_only=True):
    """An alert; `cameras` whose video it keeps."""

    alert_id: str
    t_utc_us: int
    priority: int
    rule: str
    cameras: tuple[str, ...]


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """What is held of a stretch of UTC; not `is_complete`: more than one answer takes."""

    lanes: tuple[Lane, ...]
    alerts: tuple[AlertMark, ...]
    is_complete: bool


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A hold that was placed."""

    hold_id: str
    state: str


class Custody(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the custody log.

    Attributes:
        names: who the pseudonyms are.
        after: asks for the next page; None: there is none.
        size: of the whole ledger when this was asked; to look is a record too.
    """

    records: tuple[Record, ...]
    names: dict[str, str]
    after: int | None
    size: int


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """The pole; `may`: what whoever asks is allowed to do there."""

    site: str
    node: str
    may: tuple[str, ...]
