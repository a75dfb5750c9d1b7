"""What evidence is asked and answers about what it holds: pages of the index, holds, the audit.

Who may ask for it stands in core/peers.py.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roeh.core.types import Sha256, TimeUs, Uuid7

#: The most rows in one page of the evidence index: read within 50 ms on a board.
MAX_PAGE_ROWS = 200
#: By how much sooner than a time a segment that holds it can have begun.
LONGEST_SEGMENT_US = 3_600_000_000


class Span(msgspec.Struct, frozen=True):
    """A stretch of one camera's time in one boot, [from, to)."""

    camera_id: str
    boot_id: str
    from_mono_us: TimeUs
    to_mono_us: TimeUs


class PageRequest(msgspec.Struct, frozen=True):
    """The rows after key `after` (-1: from the first), at most `limit`."""

    after: Annotated[int, Meta(ge=-1, lt=2**53)] = -1
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE_ROWS)] = MAX_PAGE_ROWS


class SegmentsRequest(msgspec.Struct, frozen=True):
    """Segments after a row: on the disk or deleted by rule, begun in a span of UTC; any; or one."""

    # A pole that is years old has deleted millions: they come in the order of their time.

    after: Annotated[int, Meta(ge=-1, lt=2**53)] = -1
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE_ROWS)] = MAX_PAGE_ROWS
    which: Literal["any", "present", "deleted"] = "any"
    since_utc_us: Annotated[int, Meta(ge=-(2**53), lt=2**53)] = -(2**53)
    until_utc_us: Annotated[int, Meta(ge=-(2**53), le=2**53)] = 2**53
    camera_id: str = ""
    segment: Annotated[int, Meta(ge=0, lt=2**53)] = 0


class RecordsRequest(msgspec.Struct, frozen=True):
    """Records after a leaf: of these kinds, or one after the other."""

    after: Annotated[int, Meta(ge=-1, lt=2**53)] = -1
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE_ROWS)] = MAX_PAGE_ROWS
    kinds: Annotated[tuple[str, ...], Meta(max_length=16)] = ()


class FragmentRow(msgspec.Struct, frozen=True):
    """One fragment of a segment: a GOP with the boxes round it."""

    offset_bytes: int
    size_bytes: int
    sha256: Sha256
    gop_counter: int
    t_first_mono_us: int
    t_end_mono_us: int


class SegmentRow(msgspec.Struct, frozen=True):
    """One segment file as the index knows it. `row` is the key of the page.

    `end_reason` is None while it is written; `leaf` is its record in the ledger, None
    likewise. `is_present` is False once it was pruned.
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
    size_bytes: int
    end_reason: str | None
    leaf: int | None
    is_present: bool
    locked: bool
    held: bool
    fragments: tuple[FragmentRow, ...]


class SegmentsPage(msgspec.Struct, frozen=True):
    """Segments in the order in which they were begun, or as `which` was asked for."""

    segments: tuple[SegmentRow, ...]


class GapRow(msgspec.Struct, frozen=True):
    """A signed statement that nothing was recorded; `row` is its leaf in the ledger.

    From and to may lie in different boots.
    """

    row: int
    camera_id: str
    from_boot_id: str
    from_mono_us: int
    from_utc_us: int
    to_boot_id: str
    to_mono_us: int
    to_utc_us: int
    reason: str


class GapsPage(msgspec.Struct, frozen=True):
    """Gaps in the order in which they ended."""

    gaps: tuple[GapRow, ...]


class LockRow(msgspec.Struct, frozen=True):
    """A stretch kept because of an alert. `state`: active, expired or released."""

    row: int
    raised_id: str
    alert_seq: int
    priority: int
    span: Span
    expires_age_us: int
    state: str


class LocksPage(msgspec.Struct, frozen=True):
    """Locks in the order in which they were made, and the node's age now."""

    age_us: int
    locks: tuple[LockRow, ...]


class HoldRow(msgspec.Struct, frozen=True):
    """A stretch kept because a person said so. `state`: active, release_asked, released."""

    row: int
    hold_id: str
    person: str
    reason: str
    spans: tuple[Span, ...]
    t_utc_us: int
    state: str
    release_asked_by: str | None


class HoldsPage(msgspec.Struct, frozen=True):
    """Holds in the order in which they were placed."""

    holds: tuple[HoldRow, ...]


class RecordsPage(msgspec.Struct, frozen=True):
    """Ledger records as they are hashed (canonical JSON), from leaf `first`.

    Of certain kinds only: `first` is the least that their leaves can be.
    """

    first: int
    size: int
    records: tuple[bytes, ...]


class PlaceHold(msgspec.Struct, frozen=True):
    """HOLD_PLACE: keep these spans until two persons release them."""

    hold_id: Uuid7
    person: Annotated[str, Meta(min_length=1, max_length=64)]
    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    spans: Annotated[tuple[Span, ...], Meta(min_length=1, max_length=256)]


class ReleaseHold(msgspec.Struct, frozen=True):
    """HOLD_RELEASE: the first person asks, another one confirms."""

    hold_id: Uuid7
    person: Annotated[str, Meta(min_length=1, max_length=64)]
    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class HoldState(msgspec.Struct, frozen=True):
    """The hold after what was asked."""

    hold: HoldRow


class RecordAccess(msgspec.Struct, frozen=True):
    """ACCESS_RECORD: somebody looked at or took evidence; the audit cannot be trimmed."""

    person: Annotated[str, Meta(min_length=1, max_length=64)]
    action: Annotated[str, Meta(min_length=1, max_length=64)]
    detail: Annotated[str, Meta(max_length=500)]


class EvidenceStatusRequest(msgspec.Struct, frozen=True):
    """EVIDENCE_STATUS: how recording is."""


class EvidenceStatus(msgspec.Struct, frozen=True):
    """How recording is. Counters are cumulative since the store was made.

    `bytes_written` maps what was written ("video", "index", "mirror") to bytes, over the
    node's age `age_us` (time it ran).
    """

    age_us: int
    segments: int
    segments_bytes: int
    locked_bytes: int
    held_bytes: int
    max_bytes: int
    free_bytes: int
    ledger_size: int
    checkpoint: str | None
    bytes_written: dict[str, int]
    alarms: tuple[str, ...]
