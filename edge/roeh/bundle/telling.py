"""What data/export.json says: counted while the bundle is written, put together at its end."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

import roeh
from roeh.bundle.layout import (
    MAX_DAMAGE_LINES,
    CameraEntry,
    ClockEntry,
    ExportDocument,
    GapEntry,
    JoinEntry,
    RedactedEntry,
    SegmentEntry,
    TimestampEntry,
    TrustEntry,
    WitnessEntry,
)
from roeh.core.clock import NS_PER_US, ClockReading
from roeh.core.errors import EvidenceRefused
from roeh.core.retrieval import ExportBegun, ExportRequest
from roeh.ledger.note import WitnessKey, cosignatures, parse_note, parse_witness_key

_US_PER_S = 1_000_000


class Tally:
    """Counts what passes by, camera by camera."""

    def __init__(self, cameras: tuple[str, ...]) -> None:
        self._cameras = {name: CameraEntry(camera_id=name) for name in cameras}
        self._damage: list[str] = []
        self._damage_count = 0

    def segment(self, entry: SegmentEntry) -> None:
        """The next segment."""
        before = self._cameras[entry.camera_id]
        is_first = before.from_utc_us == before.to_utc_us
        counted = {entry.state: getattr(before, entry.state) + 1}
        self._cameras[entry.camera_id] = msgspec.structs.replace(
            before,
            **counted,
            unproven=before.unproven + (entry.leaf is None),
            gops=before.gops + len(entry.gops),
            size_bytes=before.size_bytes + entry.size_bytes,
            from_utc_us=entry.from_utc_us
            if is_first
            else min(before.from_utc_us, entry.from_utc_us),
            to_utc_us=max(before.to_utc_us, entry.to_utc_us),
            utc_error_us=max(before.utc_error_us, entry.utc_error_us),
            synchronised=before.synchronised and entry.synchronised,
        )
        self._damage_count += len(entry.damage)
        self._damage += entry.damage[: MAX_DAMAGE_LINES - len(self._damage)]

    def join(self, entry: JoinEntry) -> None:
        """The next playable file."""
        before = self._cameras[entry.camera_id]
        self._cameras[entry.camera_id] = msgspec.structs.replace(
            before, joins=(*before.joins, entry)
        )

    def cameras(self, gaps: Sequence[GapEntry]) -> tuple[CameraEntry, ...]:
        """What there is of each camera, with these gaps of any of them."""
        return tuple(
            msgspec.structs.replace(
                camera, gaps=tuple(gap for gap in gaps if gap.camera_id == camera.camera_id)
            )
            for camera in self._cameras.values()
        )

    @property
    def damage(self) -> tuple[tuple[str, ...], int]:
        """The first lines of it, and how many there are."""
        return tuple(self._damage), self._damage_count

    def document(
        self,
        begun: ExportBegun,
        request: ExportRequest,
        now: ClockReading,
        *,
        gaps: list[GapEntry],
        records: int,
        timestamp: TimestampEntry,
        redacted: tuple[RedactedEntry, ...] = (),
        notes: tuple[str, ...] = (),
    ) -> ExportDocument:
        """All of it."""
        return ExportDocument(
            export_id=request.id,
            kind=request.kind,
            request=request,
            request_sha256=begun.export.request_sha256,
            site=request.site,
            node=request.node,
            software=roeh.__version__,
            clock=ClockEntry(
                t_utc_us=now.t_utc_ns // NS_PER_US,
                utc_error_us=now.utc_error_ns // NS_PER_US,
                synchronised=now.synchronised,
                boot_id=now.boot_id,
            ),
            key_homes=begun.homes,
            names=begun.names,
            cameras=self.cameras(gaps),
            damage=tuple(self._damage),
            damage_count=self._damage_count,
            trust_list=TrustEntry(
                version=begun.trust_version,
                issued_utc_us=begun.trust_issued_utc_us,
                age_us=begun.trust_age_us,
                sha256=hashlib.sha256(begun.trust_list).hexdigest(),
            ),
            ledger_size=begun.ledger_size,
            records=records,
            witness=_witness(begun, request, now.t_utc_ns // NS_PER_US),
            witness_keys=begun.witness_keys,
            timestamp=timestamp,
            redacted=redacted,
            notes=notes,
        )


def _witness(begun: ExportBegun, request: ExportRequest, now_us: int) -> WitnessEntry:
    seen_s = _witnessed_utc_s(begun)
    if seen_s is None:
        return WitnessEntry(
            size=begun.witnessed_size, t_utc_us=None, window_us=None, span_window_us=None
        )
    seen_us = seen_s * _US_PER_S
    return witness_entry(begun.witnessed_size, seen_us, request, now_us)


def witness_entry(size: int, seen_us: int, request: ExportRequest, now_us: int) -> WitnessEntry:
    """What it means that a witness saw a tree of this size then."""
    return WitnessEntry(
        size=size,
        t_utc_us=seen_us,
        window_us=max(0, now_us - seen_us),
        span_window_us=max(0, request.to_utc_us - max(request.from_utc_us, seen_us)),
    )


def _witnessed_utc_s(begun: ExportBegun) -> int | None:
    """When a witness signed the newest tree that one did, by its own clock."""
    if not begun.witnessed:
        return None
    try:
        note = parse_note(begun.witnessed)
    except EvidenceRefused:
        return None
    signed = cosignatures(note, tuple(_witness_keys(begun)))
    return max((one.t_utc_s for one in signed if one.t_utc_s is not None), default=None)


def _witness_keys(begun: ExportBegun) -> list[WitnessKey]:
    return [parse_witness_key(key) for key in begun.witness_keys]
