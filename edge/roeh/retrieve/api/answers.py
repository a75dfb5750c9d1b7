"""What the API answers: the types of its JSON."""

from __future__ import annotations

from typing import Literal

import msgspec

from roeh.core.custody import Span
from roeh.core.retrieval import Action, ExportRequest, ExportState, Person
from roeh.core.types import ClockState
from roeh.retrieve.health.node_health import Condition, ProcessHealth

Keep = Literal["plain", "locked", "held", "deleted"]


class TrustState(msgspec.Struct, frozen=True, kw_only=True):
    """The trust list in force; `age_us` None: the clock cannot tell."""

    version: int
    issued_utc_us: int
    age_us: int | None
    is_stale: bool


class NodeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """This pole, and who is asking it.

    Attributes:
        may: what the asker's role allows.
        exports_waiting: approved and not built yet.
    """

    schema: Literal["roeh/api-node/1"] = "roeh/api-node/1"
    site: str
    node: str
    software: str
    boot_id: str
    t_utc_us: int
    clock: ClockState
    cameras: tuple[str, ...]
    condition: Condition
    processes: tuple[ProcessHealth, ...]
    storage_state: str
    alarms: tuple[str, ...]
    trust: TrustState
    exports_waiting: int
    person: Person
    pseudonym: str
    may: tuple[Action, ...]


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """Segments that follow each other and are kept alike, [from, to); off by `error_us`."""

    from_utc_us: int
    to_utc_us: int
    error_us: int
    synchronised: bool
    keep: Keep
    is_written: bool


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing was recorded, by signed record."""

    from_utc_us: int
    to_utc_us: int
    reason: str


class HeldStretch(msgspec.Struct, frozen=True, kw_only=True):
    """What a person keeps."""

    from_utc_us: int
    to_utc_us: int
    hold_id: str


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One camera."""

    camera_id: str
    bars: tuple[Bar, ...]
    gaps: tuple[Gap, ...]
    holds: tuple[HeldStretch, ...]


class AlertMark(msgspec.Struct, frozen=True, kw_only=True):
    """An alert was raised; `cameras` whose video it keeps."""

    alert_id: str
    t_utc_us: int
    priority: int
    rule: str
    cameras: tuple[str, ...]
    has_thumbnail: bool


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """What is held of a stretch of UTC; not `is_complete`: more than one answer takes."""

    schema: Literal["roeh/api-timeline/1"] = "roeh/api-timeline/1"
    from_utc_us: int
    to_utc_us: int
    lanes: tuple[Lane, ...]
    alerts: tuple[AlertMark, ...]
    is_complete: bool


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A hold; `person` and `release_asked_by` are pseudonyms."""

    row: int
    hold_id: str
    person: str
    reason: str
    spans: tuple[Span, ...]
    t_utc_us: int
    state: str
    release_asked_by: str | None


class Holds(msgspec.Struct, frozen=True, kw_only=True):
    """A page of holds; `after` asks for the next, None: there is none."""

    holds: tuple[Hold, ...]
    after: int | None


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """An export as far as it is. `request` is None once it is over and forgotten."""

    row: int
    id: str
    state: ExportState
    request: ExportRequest | None
    request_sha256: str
    is_signed: bool
    requester: Person
    approver: Person | None
    hold_id: str
    t_utc_us: int
    detail: str
    size_bytes: int
    sha256: str
    bytes_done: int
    bytes_total: int
    is_own: bool


class Exports(msgspec.Struct, frozen=True, kw_only=True):
    """A page of exports; `after` asks for the next, None: there is none."""

    exports: tuple[Export, ...]
    after: int | None


class ToApprove(msgspec.Struct, frozen=True, kw_only=True):
    """What an approver signs: `approved` or `refused`, byte for byte, as CMS (ECDSA, SHA-256).

    Attributes:
        request: canonical JSON of the request; `request_sha256` is of it.
        approved, refused: canonical JSON of an approval by the person who asks for this;
            empty when they are no approver, or asked for it themselves.
    """

    id: str
    site: str
    node: str
    request: str
    request_sha256: str
    requester: Person
    approved: str
    refused: str


class Custody(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the custody log: records of the ledger as they are hashed.

    Attributes:
        names: who the pseudonyms in them are, if they were not erased.
        after: asks for the next page; None: there is none yet.
        size: of the whole ledger, in records.
    """

    records: tuple[msgspec.Raw, ...]
    names: dict[str, str]
    after: int | None
    size: int
