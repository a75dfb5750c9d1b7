"""The ledger, record by record: its tree, and whether what it says agrees with itself.

Pure, and takes a record at a time. What stays in memory is, of each segment that was not
deleted by rule, where its record is.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from roeh.core.errors import MessageRefused
from roeh.ledger import records
from roeh.ledger.canonical import canonical_json
from roeh.ledger.merkle import leaf_hash
from roeh.verify.counters import CounterStretches
from roeh.verify.report import Aspect, Finding, Weight
from roeh.verify.roots import Roots

#: Between what follows each other a camera's own rhythm may vary by this much; more is a gap.
_TOLERANCE_US = 600_000


class SegmentPlace(msgspec.Struct, frozen=True):
    """Where a segment's record is: its leaf, and the line it stands in."""

    leaf: int
    part: int
    offset_bytes: int


class CameraTime(msgspec.Struct, frozen=True):
    """Up to when a camera's time is accounted for, and by which record."""

    boot_id: str
    to_mono_us: int
    leaf: int


class _RecordedSegment(msgspec.Struct, frozen=True):
    """A segment and the counters of its first and last GOP, 0 where none is signed."""

    camera_id: str
    number: int
    first_counter: int
    last_counter: int


class LedgerState:
    """What a ledger says, as far as it was read.

    Args:
        sizes: of the tree, at which its root is wanted.
        is_part: of the ledger only the records that concern one case are here, each with its
            leaf: what lies between them is no finding, and `roots` says nothing.

    Attributes:
        roots: over the lines as they are; a changed line changes them.
        segments: of each camera by number, those that should be there.
        pruned: numbers of those that were deleted by rule.
        pruned_counters: of each camera, those of the GOPs that were in them, or passed over.
        newest_number: of each camera, the highest that was closed.
        media_keys: public keys for stream signatures that it named, as SHA-256.
        manifest_keys: likewise for the manifests of exports.
        stepped_us: by how much UTC was stepped in each boot, both ways together.
        t_newest_utc_us: when its newest record was written, off by `newest_utc_error_us` if the
            clock was set (`newest_is_set`).
    """

    def __init__(self, sizes: Collection[int] = (), *, is_part: bool = False) -> None:
        self._is_part = is_part
        self.roots = Roots(sizes)
        self.site: str | None = None
        self.node: str | None = None
        self.segments: dict[str, dict[int, SegmentPlace]] = {}
        self.pruned: dict[str, CounterStretches] = {}
        self.pruned_counters: dict[str, CounterStretches] = {}
        self.newest_number: dict[str, int] = {}
        self.media_keys: set[str] = set()
        self.manifest_keys: set[str] = set()
        self.stepped_us: dict[str, int] = {}
        self.findings: list[Finding] = []
        self.segment_count = 0
        self.pruned_count = 0
        self.gap_count = 0
        self.t_newest_utc_us = 0
        self.newest_utc_error_us = 0
        self.newest_is_set = True
        self._next_leaf = 0
        self._time: dict[str, CameraTime] = {}
        self._segment_leaves: dict[int, _RecordedSegment] = {}
        self._last_counter: dict[str, int] = {}
        self._alerts: set[str] = set()
        self._alert_seq: int | None = None
        self._is_alert_hole_meant = False
        self._locks: set[str] = set()
        self._holds: dict[str, str] = {}
        self._operations: set[str] = set()
        self._commands: set[str] = set()
        self._export_holds: dict[str, str] = {}
        self._ended_exports: set[str] = set()

    def take(self, line: bytes, part: int, offset_bytes: int) -> records.Record | None:
        """The next line, without its end; the record that it is."""
        leaf = self._next_leaf
        self.roots.append(leaf_hash(line))
        try:
            record = msgspec.json.decode(line, type=records.Record)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._find("record_unreadable", leaf, "this line is not a record of a ledger")
            self._next_leaf += 1
            return None
        if not _is_canonical(line):
            self._find(
                "record_rewritten", leaf, "the record is not written as the pole writes records"
            )
        self._check_leaf(record, leaf)
        self._check_origin(record)
        self.t_newest_utc_us = record.t_utc_us
        self.newest_is_set = record.synchronised
        self._take_body(record, SegmentPlace(record.leaf, part, offset_bytes))
        stepped_us = self.stepped_us.get(record.boot_id, 0)
        self.newest_utc_error_us = record.utc_error_us + stepped_us
        return record

    def _check_leaf(self, record: records.Record, leaf: int) -> None:
        if record.leaf > leaf and not self._is_part:
            last = f" to {record.leaf - 1}" if record.leaf - 1 > leaf else ""
            self._find(
                "records_missing", leaf, f"records are missing: leaf {leaf}{last} is not there"
            )
        elif record.leaf < leaf:
            self._find(
                "record_moved", record.leaf, f"the record stands behind that of leaf {leaf - 1}"
            )
        self._next_leaf = max(leaf, record.leaf + 1) if record.leaf >= leaf else leaf

    def _check_origin(self, record: records.Record) -> None:
        if self.site is None:
            self.site, self.node = record.site, record.node
        elif (record.site, record.node) != (self.site, self.node):
            self._find(
                "record_foreign", record.leaf, f"the record is of {record.site}/{record.node}"
            )

    def _take_body(self, record: records.Record, place: SegmentPlace) -> None:
        body = record.body
        if isinstance(body, records.SegmentRecord):
            self._take_segment(body, place)
        elif isinstance(body, records.GapRecord):
            self._take_gap(body, record.leaf)
        elif isinstance(body, records.PruneRecord):
            self._take_prune(body, record.leaf)
        elif isinstance(body, records.KeyRecord):
            if body.usage == "media":
                self.media_keys.add(body.spki_sha256)
            elif body.usage == "manifest":
                self.manifest_keys.add(body.spki_sha256)
        elif isinstance(body, records.ClockStepRecord):
            stepped_us = self.stepped_us.get(record.boot_id, 0)
            self.stepped_us[record.boot_id] = stepped_us + abs(body.by_us)
        elif isinstance(body, records.TamperRecord):
            self.findings.append(
                Finding(
                    aspect=Aspect.BYTES,
                    weight=Weight.NOTE,
                    what="tamper_recorded",
                    detail=f"the pole itself found: {body.what} at {body.where} ({body.detail})",
                    leaf=record.leaf,
                )
            )
        elif isinstance(body, records.RebuildRecord):
            self._is_alert_hole_meant = True
            self.findings.append(
                Finding(
                    aspect=Aspect.COMPLETE,
                    weight=Weight.NOTE,
                    what="rebuilt",
                    detail=f"index and ledger were rebuilt from what was there: {body.reason}",
                    leaf=record.leaf,
                )
            )
        else:
            self._take_export(body, record.leaf)
            if not self._is_part:
                self._take_custody(body, record.leaf)

    def _take_segment(self, body: records.SegmentRecord, place: SegmentPlace) -> None:
        camera_id, leaf = body.camera_id, place.leaf
        self.segment_count += 1
        newest = self.newest_number.get(camera_id)
        if newest is not None and body.segment > newest + 1:
            missing = _numbers(newest + 1, body.segment - 1)
            self._find("segment_unrecorded", leaf, f"{camera_id}: no record of segment {missing}")
        elif newest is not None and body.segment <= newest:
            self._find("segment_twice", leaf, f"{camera_id}: segment {body.segment} closed twice")
        self.newest_number[camera_id] = max(body.segment, newest or 0)
        self.segments.setdefault(camera_id, {})[body.segment] = place
        counters = [f.gop_counter for f in body.fragments if f.gop_counter]
        self._segment_leaves[leaf] = _RecordedSegment(
            camera_id, body.segment, min(counters, default=0), max(counters, default=0)
        )
        # Why nothing was recorded before it stood in a record that was lost with node.db.
        follows = bool(counters) and counters[0] == self._last_counter.get(camera_id, 0) + 1
        self._check_time(
            camera_id,
            body.boot_id,
            body.t_first_mono_us,
            leaf,
            f"segment {body.segment}",
            is_counted_on=not body.capture_id and follows,
        )
        self._last_counter[camera_id] = max(counters, default=self._last_counter.get(camera_id, 0))
        self._time[camera_id] = CameraTime(body.boot_id, body.t_end_mono_us, leaf)

    def _take_gap(self, body: records.GapRecord, leaf: int) -> None:
        self.gap_count += 1
        self._check_time(body.camera_id, body.from_boot_id, body.from_mono_us, leaf, "a gap")
        self._time[body.camera_id] = CameraTime(body.to_boot_id, body.to_mono_us, leaf)

    def _check_time(
        self,
        camera_id: str,
        boot_id: str,
        from_mono_us: int,
        leaf: int,
        named: str,
        *,
        is_counted_on: bool = False,
    ) -> None:
        """A camera's time is covered by segments and gaps (invariant 5).

        A segment that a rebuild took in, with the next counter of the stream's signatures,
        misses a gap's record and no GOP.
        """
        before = self._time.get(camera_id)
        if before is None:
            return
        if before.boot_id != boot_id:
            lost = "another boot of the node"
        else:
            behind_us = from_mono_us - before.to_mono_us
            if abs(behind_us) <= _TOLERANCE_US:
                return
            lost = f"{abs(behind_us) / 1e6:.1f} s {'later' if behind_us > 0 else 'earlier'}"
        if is_counted_on:
            self.findings.append(
                Finding(
                    aspect=Aspect.COMPLETE,
                    weight=Weight.NOTE,
                    what="gap_without_record",
                    detail=f"{camera_id}: {named} begins in {lost}; no GOP is missing, by the count"
                    " of their signatures, and why nothing was recorded was lost with node.db",
                    leaf=leaf,
                )
            )
            return
        self._find(
            "time_uncovered",
            leaf,
            f"{camera_id}: {named} begins in {lost}"
            if before.boot_id != boot_id
            else f"{camera_id}: {named} begins {lost} than leaf {before.leaf} ends, and no gap"
            " says why",
        )

    def pass_over(self, segment_leaf: int) -> None:
        """A segment that is on record and was not asked for: nobody misses its GOPs."""
        named = self._segment_leaves.get(segment_leaf)
        if named is not None and named.last_counter:
            counters = self.pruned_counters.setdefault(named.camera_id, CounterStretches())
            counters.add(named.first_counter, named.last_counter)

    def _take_prune(self, body: records.PruneRecord, leaf: int) -> None:
        self.pruned_count += 1
        named = self._segment_leaves.pop(body.segment_leaf, None)
        if named is None or (named.camera_id, named.number) != (body.camera_id, body.segment):
            self._find(
                "prune_unfounded",
                leaf,
                f"{body.camera_id}: deletes segment {body.segment}, which leaf"
                f" {body.segment_leaf} does not record",
            )
        elif named.last_counter:
            counters = self.pruned_counters.setdefault(body.camera_id, CounterStretches())
            counters.add(named.first_counter, named.last_counter)
        self.segments.get(body.camera_id, {}).pop(body.segment, None)
        numbers = self.pruned.setdefault(body.camera_id, CounterStretches())
        numbers.add(body.segment, body.segment)

    def _take_alert_hole(self, before: int, seq: int, leaf: int) -> None:
        detail = f"alert {seq} follows {before}"
        if self._is_alert_hole_meant and seq == before + records.ALERT_SEQ_MARGIN + 1:
            detail += ": the rebuild counted on, since some may have been lost"
            self.findings.append(
                Finding(
                    aspect=Aspect.COMPLETE,
                    weight=Weight.NOTE,
                    what="alerts_counted_on",
                    detail=detail,
                    leaf=leaf,
                )
            )
        else:
            self._find("alerts_missing", leaf, detail)

    def _take_export(self, body: records.RecordBody, leaf: int) -> None:
        """The hold of an export ends by itself with that export, and no other hold does."""
        if isinstance(body, records.ExportRequestRecord):
            self._export_holds[body.hold_id] = body.export_id
        elif _ends_export(body):
            self._ended_exports.add(getattr(body, "export_id", ""))
        elif isinstance(body, records.ReleaseRecord) and body.step == "ended":
            export_id = self._export_holds.get(body.hold_id)
            if export_id is None and self._is_part:
                return  # of another export, whose records are not here
            if export_id is None or export_id not in self._ended_exports:
                self._find(
                    "release_unfounded",
                    leaf,
                    f"hold {body.hold_id} ends with an export, and no export of it had ended",
                )

    def _take_custody(self, body: records.RecordBody, leaf: int) -> None:
        """What ends began, and alerts count without holes."""
        if isinstance(body, records.AlertRecord):
            if self._alert_seq is not None and body.seq != self._alert_seq + 1:
                self._take_alert_hole(self._alert_seq, body.seq, leaf)
            self._alert_seq = body.seq
            self._is_alert_hole_meant = False
            self._alerts.add(body.raised_id)
        elif isinstance(body, records.LockRecord):
            if body.raised_id not in self._alerts:
                self._find("lock_unfounded", leaf, f"locks for alert {body.raised_id}, not there")
            self._locks.add(body.raised_id)
        elif isinstance(body, records.UnlockRecord):
            if body.raised_id not in self._locks:
                self._find("lock_unfounded", leaf, f"ends a lock of {body.raised_id}, not there")
        elif isinstance(body, records.HoldRecord):
            self._holds[body.hold_id] = body.person
        elif isinstance(body, records.ReleaseRecord) and body.hold_id not in self._holds:
            self._find("release_unfounded", leaf, f"releases hold {body.hold_id}, not there")
        elif isinstance(body, records.OperationRecord):
            self._take_operation(body, leaf)
        elif isinstance(body, records.CommandRecord):
            self._commands.add(body.id)
        elif isinstance(body, records.OutputRecord):
            causes = self._alerts if body.cause == "alert" else self._commands
            if body.cause_id not in causes:
                detail = f"output {body.output} by {body.cause} {body.cause_id}, not there"
                self._find("output_unfounded", leaf, detail)

    def _take_operation(self, body: records.OperationRecord, leaf: int) -> None:
        """Begin and end take turns."""
        is_begun = body.operation in self._operations
        if is_begun == (body.step == "begun"):
            state = "begun" if is_begun else "not begun"
            detail = f"operation {body.operation} {body.step}, which had {state}"
            self._find("operation_unfounded", leaf, detail)
        if body.step == "begun":
            self._operations.add(body.operation)
        else:
            self._operations.discard(body.operation)

    def _find(self, what: str, leaf: int, detail: str) -> None:
        self.findings.append(
            Finding(aspect=Aspect.COMPLETE, weight=Weight.FAIL, what=what, detail=detail, leaf=leaf)
        )


def _ends_export(body: records.RecordBody) -> bool:
    if isinstance(body, records.ApprovalRecord):
        return body.verdict == "refused"
    return isinstance(body, records.ExportRecord) and body.step in {"failed", "expired"}


def _is_canonical(line: bytes) -> bool:
    try:
        return canonical_json(msgspec.json.decode(line)) == line
    except (MessageRefused, msgspec.DecodeError):
        return False


def _numbers(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"
