"""A bundle written in one pass: what it holds, in the order in which it is written.

Order: segments as they are, joins, what is known of them, records with proofs, checkpoints,
report; then evidence seals the list of all that; then manifest, seal and tag files. Every
segment is read once for itself and its GOPs once more for the join. What is damaged or gone
is told and never refused. Memory does not grow with the span: lines are put aside.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator

import msgspec

from roeh.bundle import layout
from roeh.bundle.certificates import chains_by_usage
from roeh.bundle.credentials import MAX_JOIN_BYTES, ContentCredentials, Credentialed
from roeh.bundle.joining import CameraPlan, PlannedJoin, Watched, gops_of, joined, plan_camera
from roeh.bundle.layout import (
    ConsistencyDocument,
    InclusionLine,
    JoinEntry,
    OriginalEntry,
    RedactedEntry,
    RedactedSidecar,
    SegmentEntry,
)
from roeh.bundle.payload import Payload
from roeh.bundle.proven import ProvenFiles
from roeh.bundle.reading import SegmentReader
from roeh.bundle.redacting import RedactedCopy, Redactor, Stretch, stretches_of
from roeh.bundle.report.digest import DigestMaker
from roeh.bundle.reporting import Reporter
from roeh.bundle.segment_copy import SegmentCopy, copying
from roeh.bundle.span_rows import Evidence, rows_of_span, span_of
from roeh.bundle.spill import Spills
from roeh.bundle.tag_files import bag_info
from roeh.bundle.telling import Tally
from roeh.bundle.timestamps import TimestampAuthority
from roeh.core.clock import Clock
from roeh.core.custody import RecordsPage, RecordsRequest, SegmentRow
from roeh.core.errors import ExportFailed
from roeh.core.peers import Done, Verb
from roeh.core.retrieval import (
    AddSealedFiles,
    ExportBegun,
    ExportRequest,
    ExportSealed,
    SealExport,
)
from roeh.ledger.note import parse_checkpoint, parse_note
from roeh.ledger.records import Record, SegmentRecord
from roeh.ledger.segments import SegmentFiles

#: Records, proofs, reports, certificates and the zip's own bytes: beside the video.
_BESIDE_BYTES = 4 * 1024 * 1024
_BESIDE_A_GOP_BYTES = 1024


class BundleParts(msgspec.Struct, frozen=True):
    """What a bundle is made with."""

    evidence: Evidence
    files: SegmentFiles
    clock: Clock
    timestamps: TimestampAuthority
    reporter: Reporter
    redactor: Redactor
    credentials: ContentCredentials


class BundleWriter:
    """Makes the zip of one export that was begun.

    Args:
        parts: what it is made with.
        begun: evidence's answer to EXPORT_BEGIN.
        spills: let go by the caller, after the last byte.

    Raises:
        RoehError: evidence cannot answer.
        OSError: no room to put lines aside.
    """

    def __init__(self, parts: BundleParts, begun: ExportBegun, spills: Spills) -> None:
        self._parts = parts
        self._begun = begun
        self._request = msgspec.json.decode(begun.export.request, type=ExportRequest)
        self._spills = spills
        self._wanted = span_of(self._request)
        self._reader = SegmentReader(parts.files, lambda _size_bytes: None)
        self._plans = [
            plan_camera(camera, self._wanted, self._reader)
            for camera in rows_of_span(parts.evidence, self._request, spills)
        ]
        self._payload = Payload(self._request.id, spills, self._tell)
        self._tally = Tally(self._request.cameras)
        self._digest = DigestMaker(self._request.from_utc_us, self._request.to_utc_us)
        self._proven = ProvenFiles(spills, self._digest.record)
        self._lines = spills.bytes()
        self._leaves = spills.of(_Leaf)
        self._originals: dict[int, OriginalEntry] = {}
        self._copies: list[RedactedEntry] = []
        self._notes: list[str] = []

    def estimated_bytes(self) -> int:
        """What the bundle takes at the most, nearly."""
        total = _BESIDE_BYTES
        for plan in self._plans:
            for row in plan.segments():
                is_whole = self._request.kind == "full" and row.is_present
                total += row.size_bytes if is_whole else 0
                total += _BESIDE_A_GOP_BYTES * (1 + len(row.fragments))
            # A redacted copy is as large as its original, nearly.
            total += sum(planned.size_bytes for planned in plan.joins)
            if self._parts.credentials.is_wanted:
                total += sum(min(planned.size_bytes, MAX_JOIN_BYTES) for planned in plan.joins)
        return total

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the zip, in order.

        Raises:
            RoehError: evidence cannot answer, or what it says does not fit together.
            OSError: no room to put lines aside.
        """
        for plan in self._plans:
            yield from self._segments(plan)
        if self._request.kind == "full":
            yield from self._joins()
        else:
            for plan in self._plans:
                yield from self._redacted(plan)
        yield from self._file(layout.SEGMENT_LINES, self._lines.pieces())
        yield from self._signed()
        yield from self._records()
        yield from self._told()
        yield from self._sealed()

    def _segments(self, plan: CameraPlan) -> Iterator[bytes]:
        is_full = self._request.kind == "full"
        for row in plan.segments():
            path = layout.segment_file(row.camera_id, row.segment)
            record = self._record(row)
            with copying(self._parts.files, row, record, self._wanted) as copy:
                if is_full and copy.is_there:
                    yield from self._file(path, copy.pieces())
                    entry = copy.entry(path, self._payload.last.sha256)
                else:
                    entry = copy.entry("", _sha256_of(copy))
            self._keep(row, entry)

    def _record(self, row: SegmentRow) -> SegmentRecord | None:
        """The ledger's; None while there is none in the tree of the bundle's checkpoint."""
        if row.leaf is None or row.leaf >= self._begun.ledger_size:
            return None
        request = RecordsRequest(after=row.leaf - 1, limit=1)
        page = self._parts.evidence.call(Verb.RECORDS_PAGE, request, RecordsPage)
        bodies = [msgspec.json.decode(raw, type=Record).body for raw in page.records]
        return bodies[0] if bodies and isinstance(bodies[0], SegmentRecord) else None

    def _keep(self, row: SegmentRow, entry: SegmentEntry) -> None:
        self._lines.add(msgspec.json.encode(entry) + b"\n")
        self._tally.segment(entry)
        self._digest.segment(entry)
        if entry.leaf is not None:
            self._leaves.add(_Leaf(entry.leaf))
        if self._request.kind == "redacted":
            self._originals[row.row] = OriginalEntry(
                entry.segment, entry.leaf, entry.sha256, entry.sha256_recorded
            )

    def _joins(self) -> Iterator[bytes]:
        count = sum(len(plan.joins) for plan in self._plans)
        for plan in self._plans:
            for number, planned in enumerate(plan.joins, 1):
                path = layout.video_file(plan.camera_id, number)
                path = layout.ONLY_VIDEO if count == 1 else path
                yield from self._join(plan, planned, path, number)

    def _join(
        self, plan: CameraPlan, planned: PlannedJoin, path: str, number: int
    ) -> Iterator[bytes]:
        asked_for = planned.asked_end - planned.first
        watched = Watched(gops_of(plan, planned), asked_for, self._reader)
        pieces = joined(watched, self._note(plan.camera_id))
        if pieces is None:
            return
        yield from self._file(path, pieces)
        join = self._payload.last
        signed = self._credentialed(plan, planned)
        copy_path = layout.credentials_file(plan.camera_id, number) if signed.content else ""
        if signed.content:
            yield from self._file(copy_path, [signed.content])
        elif signed.why_not:
            self._notes.append(f"{path} has no content credentials: {signed.why_not}")
        self._tally.join(
            JoinEntry(
                path=path,
                camera_id=plan.camera_id,
                codec=planned.config.codec,
                width_px=planned.config.width_px,
                height_px=planned.config.height_px,
                from_utc_us=watched.from_utc_us,
                to_utc_us=watched.to_utc_us,
                asked_to_utc_us=watched.asked_to_utc_us,
                gops=watched.gops,
                late_gops=planned.end - planned.asked_end,
                gops_left_out=watched.left_out,
                size_bytes=join.size_bytes,
                sha256=join.sha256,
                credentials=copy_path,
            )
        )

    def _credentialed(self, plan: CameraPlan, planned: PlannedJoin) -> Credentialed:
        """A copy of a join with content credentials, where they are wanted."""
        credentials = self._parts.credentials
        if not credentials.is_wanted:
            return Credentialed()
        note = self._note(plan.camera_id)
        pieces = joined(self._reader.gops(gops_of(plan, planned)), note)
        return credentials.signed(pieces or (), planned.size_bytes, note)

    def _note(self, camera_id: str) -> str:
        """What a join says of itself, for whoever finds it alone."""
        request = self._request
        return (
            f"Made from evidence of {request.site}/{request.node}, camera {camera_id}, export "
            f"{request.id}. A derivative: the originals are in the bundle's data/segments."
        )

    def _redacted(self, plan: CameraPlan) -> Iterator[bytes]:
        """Copies of a camera's joins, each with its sidecar."""
        number = 0
        for planned in plan.joins:
            asked = itertools.islice(gops_of(plan, planned), planned.asked_end - planned.first)
            by_row = itertools.groupby(asked, key=lambda gop: gop.segment.row)
            rows = (next(gops).segment for _, gops in by_row)
            for stretch in stretches_of(rows, self._request):
                number += 1
                with self._parts.redactor.redacted(stretch, self._request) as copy:
                    yield from self._redacted_files(plan.camera_id, number, stretch, copy)

    def _redacted_files(
        self, camera_id: str, number: int, stretch: Stretch, copy: RedactedCopy
    ) -> Iterator[bytes]:
        path = layout.redacted_file(camera_id, number)
        yield from self._file(path, copy.pieces())
        sidecar = RedactedSidecar(
            camera_id=camera_id,
            sha256=self._payload.last.sha256,
            size_bytes=self._payload.last.size_bytes,
            from_utc_us=stretch.from_utc_us,
            to_utc_us=stretch.to_utc_us,
            regions=copy.obscured,
            originals=tuple(self._originals[row.row] for row in stretch.rows),
        )
        beside = layout.redacted_sidecar(camera_id, number)
        yield from self._file(beside, [msgspec.json.encode(sidecar)])
        self._copies.append(RedactedEntry(camera_id, path, beside))

    def _signed(self) -> Iterator[bytes]:
        """Request, approval and trust list, as they came."""
        export = self._begun.export
        for path, content in (
            (layout.REQUEST, export.request),
            (layout.REQUEST_SIGNED, export.request_p7m),
            (layout.APPROVAL, export.approval_p7m),
            (layout.TRUST_LIST, self._begun.trust_list),
        ):
            if content:
                yield from self._file(path, [content])

    def _records(self) -> Iterator[bytes]:
        begun, proven = self._begun, self._proven
        leaves = sorted(one.leaf for one in self._leaves)
        proven.fetch(self._parts.evidence, begun, leaves)
        yield from self._file(layout.RECORDS, proven.records.pieces())
        yield from self._file(layout.CUSTODY, proven.custody.pieces())
        yield from self._file(layout.INCLUSION, proven.inclusion.pieces())
        consistency = ConsistencyDocument(
            begun.witnessed_size, begun.ledger_size, begun.consistency
        )
        yield from self._file(layout.CONSISTENCY, [msgspec.json.encode(consistency)])
        yield from self._file(layout.CHECKPOINT, [begun.checkpoint.encode()])
        if begun.witnessed:
            yield from self._file(layout.WITNESSED, [begun.witnessed.encode()])

    def _told(self) -> Iterator[bytes]:
        """Report and export.json."""
        stamp = self._parts.timestamps.stamp(self._begun.checkpoint.encode())
        if stamp.response:
            yield from self._file(layout.CHECKPOINT_TIMESTAMP, [stamp.response])
        document = self._tally.document(
            self._begun,
            self._request,
            self._parts.clock.read(),
            gaps=self._proven.gaps,
            records=self._proven.count,
            timestamp=stamp.entry,
            redacted=tuple(self._copies),
            notes=tuple(self._notes),
        )
        reported = self._parts.reporter.report(
            document, self._digest.finished(), self._begun, self._plans
        )
        document = msgspec.structs.replace(
            document, reports=tuple(file.path for file in reported.files), notes=reported.notes
        )
        for file in reported.files:
            yield from self._file(file.path, [file.content])
        yield from self._file(layout.EXPORT, [msgspec.json.encode(document)])

    def _sealed(self) -> Iterator[bytes]:
        """The manifest as evidence signed it, and the tag files."""
        payload = self._payload
        payload.tell_rest()
        files, size_bytes = payload.files, payload.size_bytes
        seal = self._parts.evidence.call(
            Verb.EXPORT_SEAL, SealExport(self._request.id), ExportSealed
        )
        yield from self._file(layout.BAGIT, [layout.BAGIT_TEXT.encode()])
        info = bag_info(self._request, self._parts.clock.read(), files, size_bytes)
        yield from self._file(layout.BAG_INFO, [info.encode()])
        yield from payload.manifest()
        if payload.last.sha256 != seal.manifest_sha256:
            raise ExportFailed(
                what="evidence sealed another list of files",
                which=f"export {self._request.id}",
                remedy="it is begun anew; if this lasts, report it",
            )
        yield from self._file(layout.MANIFEST_SIGNATURE, [seal.manifest_p7s])
        for path, chain in chains_by_usage(self._begun.chains_pem).items():
            yield from self._file(path, [chain])
        yield from self._seal_files(seal)
        yield from payload.end()

    def _seal_files(self, seal: ExportSealed) -> Iterator[bytes]:
        size = parse_checkpoint(parse_note(seal.checkpoint).text).size
        included = InclusionLine(leaf=seal.leaf, size=size, proof=seal.proof)
        continued = ConsistencyDocument(self._begun.ledger_size, size, seal.consistency)
        stamp = self._parts.timestamps.stamp(self._payload.manifest_bytes())
        for path, content in (
            (layout.SEAL_RECORD, seal.record),
            (layout.SEAL_INCLUSION, msgspec.json.encode(included)),
            (layout.SEAL_CHECKPOINT, seal.checkpoint.encode()),
            (layout.SEAL_CONSISTENCY, msgspec.json.encode(continued)),
            (layout.SEAL_TIMESTAMP, stamp.response),
        ):
            if content:
                yield from self._file(path, [content])

    def _file(self, path: str, pieces: Iterator[bytes] | list[bytes]) -> Iterator[bytes]:
        return self._payload.file(path, pieces)

    def _tell(self, files: AddSealedFiles) -> None:
        self._parts.evidence.call(Verb.EXPORT_FILES, files, Done)


class _Leaf(msgspec.Struct, frozen=True):
    leaf: int


def _sha256_of(copy: SegmentCopy) -> str:
    """Of what is not taken along."""
    hashed = hashlib.sha256()
    for piece in copy.pieces():
        hashed.update(piece)
    return hashed.hexdigest()
