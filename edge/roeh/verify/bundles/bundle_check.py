"""A whole bundle verified: its bag, its seal, its segments by their records, its custody."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from roeh.bundle import layout
from roeh.core.clock import Clock
from roeh.core.errors import RuntimeMissing
from roeh.core.moments import utc_text
from roeh.core.retrieval import MAX_SIGNED_BYTES
from roeh.keys.chain import TrustAnchors, Witness
from roeh.keys.revocation import RevocationLists
from roeh.keys.signer import NodeName
from roeh.ledger.records import Record, SegmentRecord
from roeh.verify.anchoring import Anchor
from roeh.verify.bundles.bag import Bag, FileHash
from roeh.verify.bundles.bagit import BagItCheck
from roeh.verify.bundles.bundle_documents import check_document, check_request, export_document
from roeh.verify.bundles.bundle_retold import SegmentFound, SegmentLines, check_sums
from roeh.verify.bundles.bundle_spans import check_spans
from roeh.verify.bundles.container import Opened
from roeh.verify.bundles.custody_check import CustodyCheck, believed_trust_list
from roeh.verify.bundles.custody_words import CustodyLine, custody_line
from roeh.verify.bundles.joined_video import (
    CameraOriginals,
    JoinResult,
    check_joins,
    original_gops,
)
from roeh.verify.bundles.proven_part import ProvenPart, segment_record_at
from roeh.verify.bundles.redactions import check_redactions
from roeh.verify.bundles.seal_check import SealCheck, check_certificates
from roeh.verify.bundles.timestamps import MAX_TIMESTAMP_BYTES, Stamp, WrongStamp, check_timestamp
from roeh.verify.ledger_state import SegmentPlace
from roeh.verify.places import Place, Stream, VideoFile
from roeh.verify.placing import GopState
from roeh.verify.report import (
    Aspect,
    BundleReport,
    Finding,
    LedgerReport,
    Report,
    StreamReport,
    Weight,
    conclude,
    exit_status,
)
from roeh.verify.signers import SignerJudge, log_keys_in
from roeh.verify.sitting import Beliefs, Progress, Sitting
from roeh.verify.stream_check import HeldFile, StreamCheck, stream_report
from roeh.verify.whole_check import WholeCheck

_MAX_PEM_BYTES = 1 << 20
#: A witness's clock may be off by this much.
_OTHER_CLOCK_US = 60_000_000
_MAX_STAMPED_BYTES = 256 << 20
_SEGMENT = re.compile(r"data/segments/([^/]+)/([0-9]{8})\.mp4")


def verify_bundle(
    path: Path,
    opened: Opened,
    beliefs: Beliefs,
    clock: Clock,
    on_progress: Callable[[Progress], None],
) -> Report:
    """Everything that is asked of a bundle."""
    if opened.bag is None:
        conclusions = conclude(opened.findings, {})
        return Report(
            path=str(path),
            conclusions=conclusions,
            findings=opened.findings,
            files=(),
            streams=(),
            ledger=None,
            exit_status=exit_status(conclusions, counts_custody=True),
        )
    check = _BundleCheck(opened, opened.bag, beliefs, clock)
    check.findings += opened.findings
    check.check(opened.form, on_progress)
    return check.report(path, opened)


class _BundleCheck:
    """One bag, from its manifests to its custody."""

    def __init__(self, opened: Opened, bag: Bag, beliefs: Beliefs, clock: Clock) -> None:
        self._opened = opened
        self._bag = bag
        self._beliefs = beliefs
        self.findings: list[Finding] = []
        self._bagit = BagItCheck(bag)
        self._document = export_document(bag)
        self._part = ProvenPart(bag)
        certificates = [bag.read(layout.CERTIFICATES["log"], _MAX_PEM_BYTES) or b""]
        self._log_keys = log_keys_in([*certificates, *beliefs.certificates])
        self._part.anchor(self._log_keys, beliefs.witnesses, beliefs.checkpoints)
        self._stamps: dict[str, Stamp] = {}
        self._check_stamps()
        state = self._part.state
        node = NodeName(state.site, state.node) if state.site and state.node else None
        place = Place(_streams(bag), (), None, None, is_store=True)
        judge = SignerJudge(_with_revocations(bag, beliefs.anchors), node)
        self._sitting = Sitting(place, clock, state, self._part.anchoring, judge)
        self._sitting.record_at = functools.partial(_record_at, bag)
        self._sitting.unproven = self._part.unproven
        self._hashes: dict[str, FileHash] = {}
        self._found: dict[str, SegmentFound] = {}
        self._originals: dict[str, CameraOriginals] = {}
        self._joins = JoinResult(())
        self._custody: CustodyCheck | None = None
        self._seal_record: Record | None = None

    def check(self, form: str, on_progress: Callable[[Progress], None]) -> None:
        """All of it; the segments' bytes are read once, for every question."""
        self._read(on_progress)
        self._check_bag(form)
        self._check_unrecorded()
        document = self._document
        seal = SealCheck(self._bag, self._bagit.manifest, self._part, self._log_keys)
        if document is None:
            self._find(Aspect.COMPLETE, "export_document_wrong", "cannot be read", layout.EXPORT)
        else:
            seal.check_record(document.export_id, len(list(self._bagit.payload_paths())))
            self._seal_record = seal.record
            self._check_documents(document)
            self._check_keys(document)
        seal.check_signature(self._sitting.signers, self._manifest_witness())
        seal.check_log_key(self._sitting.signers)
        self.findings += check_certificates(self._bag, self._part.state.media_keys)
        self.findings += seal.findings
        whole = WholeCheck(self._sitting, self._beliefs)
        whole.check_signers()
        whole.check_time()
        self._check_clock()
        self._check_unsigned()

    def _read(self, on_progress: Callable[[Progress], None]) -> None:
        """Every file, video first."""
        files = len(self._bag.contents)
        done = 0
        self._pass_over_unasked()
        for stream in self._sitting.place.streams:
            for _ in StreamCheck(self._sitting, stream, self._take_segment).read():
                done += 1
                on_progress(Progress(done, files, self._sitting.bytes_read))
        document = self._document
        if document is not None:
            joins = check_joins(
                self._bag, document, self._originals, self._sitting.clock, self._hashes
            )
            self._joins = joins
            self.findings += joins.findings
        read_bytes = self._sitting.bytes_read
        for path in self._bag.contents:
            found = self._hashes.get(path) or self._bag.hashed(path)
            if found is not None:
                self._hashes[path] = found
            self._bagit.take(path, found)
            if path not in self._found:
                done += 1
                read_bytes += 0 if found is None else found.size_bytes
                on_progress(Progress(done, files, read_bytes))

    def _check_bag(self, form: str) -> None:
        """What is round the evidence."""
        self._bagit.check(self._document)
        if form != "directory":
            self._bagit.check_order()
            self._check_bag_name()
        self.findings += self._bagit.findings
        self.findings += self._part.findings
        if self._opened.beside:
            names = ", ".join(self._opened.beside[:5])
            detail = f"no part of the bundle, and not looked at: {names[:300]}"
            self._find(Aspect.COMPLETE, "beside_bag", detail, layout.BAGIT, Weight.NOTE)
        if any(path.startswith(layout.REPORT_DIRECTORY) for path in self._bag.contents):
            detail = (
                "the report for people and its pictures are as they were sealed; that they say"
                " what the evidence says was not compared"
            )
            self._find(
                Aspect.BYTES, "report_not_read", detail, layout.REPORT_DIRECTORY, Weight.NOTE
            )

    def report(self, path: Path, opened: Opened) -> Report:
        """The answers."""
        findings = (*self.findings, *self._sitting.findings)
        conclusions = conclude(findings, self._grounds())
        return Report(
            path=str(path),
            conclusions=conclusions,
            findings=findings,
            files=tuple(self._sitting.files),
            streams=self._stream_reports(),
            ledger=self._ledger_report(),
            exit_status=exit_status(conclusions, counts_custody=True),
            bundle=self._bundle_report(opened),
            custody=self._custody_lines(),
        )

    def _take_segment(self, held: HeldFile) -> None:
        """What other questions need of a segment that was read."""
        path, facts = held.file.shown, held.facts
        sha256 = facts.sha256.hex()
        self._hashes[path] = FileHash(sha256, facts.size_bytes)
        is_as_recorded = None if held.record is None else held.record.sha256 == sha256
        self._found[path] = SegmentFound(sha256, is_as_recorded)
        named = _SEGMENT.fullmatch(path)
        if named is not None:
            camera = self._originals.setdefault(named[1], CameraOriginals())
            camera.is_partly_read |= facts.damage is not None
            is_proven = held.leaf not in self._part.unproven
            record = held.record if is_proven else None
            camera.gops += original_gops(int(named[2]), facts, record, is_as_recorded is True)

    def _check_stamps(self) -> None:
        """Time-stamps first: what they anchor counts for all that follows."""
        stamped = (
            (layout.CHECKPOINT_TIMESTAMP, layout.CHECKPOINT),
            (layout.SEAL_TIMESTAMP, layout.MANIFEST),
        )
        for path, message_path in stamped:
            response = self._bag.read(path, MAX_TIMESTAMP_BYTES)
            message = self._bag.read(message_path, _MAX_STAMPED_BYTES)
            if response is not None and message is not None:
                self._check_stamp(path, response, message_path, message)
        is_told = self._document is not None and self._document.timestamp.state == "granted"
        if is_told and layout.CHECKPOINT_TIMESTAMP not in self._bag:
            detail = f"{layout.EXPORT} says that there is one"
            self._find(Aspect.TIME, "timestamp_missing", detail, layout.CHECKPOINT_TIMESTAMP)
        stamp = self._stamps.get(layout.CHECKPOINT_TIMESTAMP)
        checkpoint = self._part.checkpoint
        if stamp is not None and checkpoint is not None:
            anchor = Anchor(
                layout.CHECKPOINT_TIMESTAMP,
                checkpoint.size,
                None,
                f"the time-stamp of {stamp.authority}",
                stamp.t_utc_us + stamp.error_us,
                is_time_stamp=True,
            )
            anchors = (*self._part.anchoring.anchors, anchor)
            self._part.anchoring = msgspec.structs.replace(self._part.anchoring, anchors=anchors)

    def _check_unsigned(self) -> None:
        """Pictures that the pole's media key never signed: whoever had its log key only."""
        never = {GopState.NOT_CHECKED, GopState.WITHOUT_SIGNATURE}
        for file in self._sitting.files:
            states = {line.stream_signature for line in file.gops}
            if file.codec == "h264" and len(file.gops) > 1 and states <= never:
                detail = "no stream signature is of any of its pictures; only the ledger covers it"
                weight = Weight.NOT_CHECKED
                self._find(Aspect.SIGNER, "without_signature", detail, file.path, weight)

    def _check_clock(self) -> None:
        """No record can have been written after somebody else had seen it."""
        for anchor in self._part.anchoring.anchors:
            claimed_us = self._part.latest_claimed_us(anchor.size)
            if anchor.t_utc_us is None or claimed_us is None:
                continue
            if claimed_us > anchor.t_utc_us + _OTHER_CLOCK_US:
                seen_by = anchor.witness or "a witness"
                detail = (
                    f"the pole dates a record after {utc_text(claimed_us)}, and {seen_by} had seen"
                    f" it at {utc_text(anchor.t_utc_us)}: one of their clocks was wrong"
                )
                weight = Weight.NOTE if anchor.is_time_stamp else Weight.FAIL
                self._find(Aspect.TIME, "clock_contradicted", detail, anchor.name, weight)

    def _check_stamp(self, path: str, response: bytes, message_path: str, message: bytes) -> None:
        if not self._beliefs.timestamp_roots:
            detail = "no root of a time-stamping authority was given (--tsa)"
            self._find(Aspect.TIME, "timestamp_unchecked", detail, path, Weight.NOT_CHECKED)
            return
        try:
            result = check_timestamp(response, message, self._beliefs.timestamp_roots)
        except RuntimeMissing as error:
            detail = f"{error.what}: {error.remedy}"
            self._find(Aspect.TIME, "timestamp_unchecked", detail, path, Weight.NOT_CHECKED)
            return
        if isinstance(result, WrongStamp):
            detail = f"is none over {message_path} by an authority that you trust: {result.why}"
            self._find(Aspect.TIME, "timestamp_wrong", detail, path)
        else:
            self._stamps[path] = result

    def _manifest_witness(self) -> Witness | None:
        stamp = self._stamps.get(layout.SEAL_TIMESTAMP)
        if stamp is None:
            return None
        return Witness(stamp.t_utc_us, f"the time-stamp of {stamp.authority}", stamp.error_us)

    def _pass_over_unasked(self) -> None:
        """A clock that was stepped leaves segments between those of the span."""
        if self._document is None:
            return
        request = self._document.request
        for each in self._part.stretches:
            is_asked_for = (
                each.from_utc_us < request.to_utc_us and request.from_utc_us < each.to_utc_us
            )
            if each.segment is not None and not is_asked_for:
                path = layout.segment_file(each.camera_id, each.segment)
                if path not in self._bag:
                    self._part.state.pass_over(each.leaf)

    def _check_keys(self, document: layout.ExportDocument) -> None:
        """Whether more keys open the file than those that were agreed to."""
        asked = len(document.request.recipients)
        if self._opened.keys > asked:
            detail = (
                f"{self._opened.keys} keys open the encrypted file and the request names {asked}:"
                " somebody else can read it, or somebody encrypted it anew since"
            )
            self._find(Aspect.CUSTODY, "more_keys", detail, layout.REQUEST, Weight.NOT_CHECKED)

    def _check_bag_name(self) -> None:
        """What the zip calls the bag: whoever unpacks it sees that first."""
        document, name = self._document, self._opened.bag_name
        if document is not None and name != layout.bag_name(document.export_id):
            detail = f"the zip calls it {name[:100]!r}, and it is export {document.export_id}"
            self._find(Aspect.BYTES, "zip_inexact", detail, layout.BAG_INFO)

    def _check_unrecorded(self) -> None:
        """Segments in the bundle that no record speaks of."""
        state = self._part.state
        for camera_id, number, shown in self._sitting.unrecorded:
            if number == state.newest_number.get(camera_id, -1) + 1:
                detail = "was still being written, and no record speaks for it yet"
                self._find(Aspect.COMPLETE, "still_open", detail, shown, Weight.NOT_CHECKED)
            else:
                detail = "no record is of this segment: it was put here"
                self._find(Aspect.COMPLETE, "not_recorded", detail, shown)

    def _check_documents(self, document: layout.ExportDocument) -> None:
        state = self._part.state
        self.findings += check_document(self._bag, document, self._part, self._seal_record)
        lines = SegmentLines(self._bag, document.request, self._part, self._found)
        self.findings += lines.findings
        for why in check_sums(document, lines.tally, self._part):
            self._find(Aspect.BYTES, "export_document_wrong", why, layout.EXPORT)
        self.findings += check_spans(
            document.request, self._part.stretches, state.pruned, self._bag.contents
        )
        redactions = check_redactions(
            self._bag,
            document,
            self._part,
            self._hashes,
            on_original=self._sitting.count_recorded,
        )
        self.findings += redactions
        custody = CustodyCheck(self._bag, document, self._part, self._beliefs.anchors)
        custody.check()
        self._custody = custody
        self.findings += check_request(
            self._bag, document.request, document.request_sha256, custody.request_sha256
        )
        self.findings += custody.findings

    def _stream_reports(self) -> tuple[StreamReport, ...]:
        """Of the playable videos: the segments alone begin in the middle of something."""
        key = "not_validated"
        if self._sitting.signers.has_anchors:
            key = "not_valid" if self._sitting.signers.untrusted else "valid"
        return tuple(
            stream_report(path, 1, tally, key) for path, tally in self._joins.tallies.items()
        )

    def _grounds(self) -> dict[Aspect, str]:
        """Why an aspect is OK where nothing was found against it."""
        grounds = WholeCheck(self._sitting, self._beliefs).grounds()
        state, document = self._part.state, self._document
        if Aspect.BYTES in grounds:
            videos = self._joins.videos
            named = "the playable video" if videos == 1 else f"{videos} playable videos"
            joined = f"; the {self._joins.gops} GOPs in {named} are theirs"
            grounds[Aspect.BYTES] += joined if self._joins.videos else ""
        elif document is not None and document.kind == "redacted":
            grounds[Aspect.BYTES] = (
                "every file is as the manifest has it; the video is a derivative"
            )
        grounds.pop(Aspect.COMPLETE, None)
        if self._part.checkpoint is not None and self._part.anchoring.signed_size and document:
            grounds[Aspect.COMPLETE] = (
                f"{len(self._bag.contents)} files, all named; {self._part.count} records, each"
                f" proven to be in the ledger of {self._part.checkpoint.size};"
                f" of and round the span asked for {state.segment_count} segments are on record,"
                f" {state.pruned_count} of them deleted by rule, and {state.gap_count} gaps;"
                " nothing else is missing"
            )
        if self._custody is not None and self._custody.approver:
            grounds[Aspect.CUSTODY] = (
                f"asked for by {self._custody.requester}, approved by {self._custody.approver};"
                f" {len(self._part.custody)} records of custody"
            )
        return grounds

    def _custody_lines(self) -> tuple[CustodyLine, ...]:
        """Of the bundle, and last its own seal."""
        if self._custody is None or self._document is None:
            return ()
        seal = None
        if self._seal_record is not None:
            seal = custody_line(self._seal_record, self._document.names)
        return (*self._custody.lines, *([seal] if seal is not None else []))

    def _ledger_report(self) -> LedgerReport | None:
        checkpoint, anchoring = self._part.checkpoint, self._part.anchoring
        if checkpoint is None:
            return None
        state = self._part.state
        return LedgerReport(
            origin=self._part.origin,
            size=checkpoint.size,
            root=checkpoint.root.hex(),
            checkpoint_size=anchoring.signed_size or None,
            witnessed_size=anchoring.witnessed_size,
            witnessed_utc_us=self._sitting.earliest_witness_us,
            segments=state.segment_count,
            pruned=state.pruned_count,
            gaps=state.gap_count,
        )

    def _bundle_report(self, opened: Opened) -> BundleReport | None:
        document, custody = self._document, self._custody
        if document is None or custody is None:
            return None
        request = document.request
        return BundleReport(
            form=opened.form,
            export_id=document.export_id,
            kind=document.kind,
            pole=f"{document.site}/{document.node}",
            case_number=request.case_number,
            legal_basis=request.legal_basis,
            reason=request.reason,
            cameras=request.cameras,
            from_utc_us=request.from_utc_us,
            to_utc_us=request.to_utc_us,
            requester=custody.requester,
            approver=custody.approver,
            files=len(self._bag.contents),
            timestamps={path: stamp.t_utc_us for path, stamp in self._stamps.items()},
        )

    def _find(
        self, aspect: Aspect, what: str, detail: str, path: str, weight: Weight = Weight.FAIL
    ) -> None:
        self.findings.append(
            Finding(aspect=aspect, weight=weight, what=what, detail=detail, path=path)
        )


def _with_revocations(bag: Bag, anchors: TrustAnchors | None) -> TrustAnchors | None:
    """The reader's anchors with the revocation lists that the bundle's trust list brings.

    Each list is signed by its CA, and only says less of somebody: whoever brings it.
    """
    signed = bag.read(layout.TRUST_LIST, MAX_SIGNED_BYTES)
    if anchors is None or signed is None:
        return anchors
    found = believed_trust_list(signed, anchors)
    if isinstance(found, str):
        return anchors
    lists = (*anchors.revocations.lists, *found.revocations.lists)
    return TrustAnchors(anchors.certificates, RevocationLists(lists))


def _streams(bag: Bag) -> tuple[Stream, ...]:
    """One stream a camera, its segments by number."""
    cameras: dict[str, list[VideoFile]] = {}
    for path, content in bag.contents.items():
        named = _SEGMENT.fullmatch(path)
        if named is not None:
            cameras.setdefault(named[1], []).append(VideoFile(content, path, int(named[2])))
    return tuple(
        Stream(camera_id, camera_id, tuple(sorted(files, key=lambda each: each.number or 0)))
        for camera_id, files in sorted(cameras.items())
    )


def _record_at(bag: Bag, recorded: SegmentPlace) -> SegmentRecord | None:
    return segment_record_at(bag, recorded.offset_bytes)
