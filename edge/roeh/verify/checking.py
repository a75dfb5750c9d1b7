"""The whole verification: a place is read file by file, and everything said of it collected.

Reading is `places` and `reading`; every judgement is made by the pure modules beside this one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from roeh.core.clock import Clock
from roeh.keys.chain import TrustAnchors
from roeh.keys.signer import NodeName
from roeh.ledger import merkle
from roeh.ledger.note import WitnessKey
from roeh.ledger.records import SegmentRecord
from roeh.verify import places
from roeh.verify.anchoring import Anchoring, NoteSource, check_checkpoints
from roeh.verify.file_check import compare, pieces_of
from roeh.verify.ledger_state import LedgerState
from roeh.verify.onvif import StreamJudge, Tally
from roeh.verify.places import Place, Stream, VideoFile
from roeh.verify.placing import GopPlace, GopState, GopVerdict, StreamPlacer, taken
from roeh.verify.reading import FileFacts, Unreadable, read_file
from roeh.verify.report import (
    Aspect,
    FileReport,
    Finding,
    GopLine,
    LedgerReport,
    Report,
    StreamReport,
    Weight,
    conclude,
    exit_status,
)
from roeh.verify.signers import SignerJudge, log_keys_in, spki_sha256_of

#: What a stream's order findings say against: all but these against completeness.
_AGAINST_BYTES = {"gop_repeated", "damaged_signature"}


@dataclass(frozen=True, slots=True)
class Beliefs:
    """What the reader brings along.

    Attributes:
        anchors: root certificates and revocation lists; None: nobody is trusted.
        checkpoints: kept elsewhere than in what is verified.
        certificates: PEM files with certificates of log keys.
    """

    anchors: TrustAnchors | None = None
    checkpoints: tuple[NoteSource, ...] = ()
    witnesses: tuple[WitnessKey, ...] = ()
    certificates: tuple[bytes, ...] = ()


class Progress(msgspec.Struct, frozen=True):
    """How far it is."""

    files_done: int
    files: int
    bytes_done: int


def verify(
    path: Path,
    beliefs: Beliefs,
    clock: Clock,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> Report:
    """Verify a segment, a clip, a directory of segments or a node's data_dir.

    Raises:
        EvidenceRefused: there is nothing to verify, or a part of the ledger cannot be read.
    """
    place = places.place_at(path)
    verification = _Verification(place, beliefs, clock, on_progress)
    return verification.run(str(path))


class _Held(msgspec.Struct):
    """A file on its way to its report: its verdicts come when GOPs after it were read."""

    file: VideoFile
    facts: FileFacts
    record: SegmentRecord | None
    leaf: int | None
    matches: tuple[bool, ...]
    verdicts: list[GopVerdict]

    def recorded_counter(self, gop: int) -> int | None:
        """The counter that the ledger names for the very bytes of this GOP, from 1."""
        if self.record is None or gop > len(self.matches) or not self.matches[gop - 1]:
            return None
        return self.record.fragments[gop - 1].gop_counter or None


class _Verification:
    """One run. It collects findings, and the grounds on which an answer is OK."""

    def __init__(
        self,
        place: Place,
        beliefs: Beliefs,
        clock: Clock,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._place = place
        self._beliefs = beliefs
        self._clock = clock
        self._on_progress = on_progress
        self._findings: list[Finding] = []
        self._files: list[FileReport] = []
        self._streams: list[StreamReport] = []
        self._ledger = self._read_ledger()
        self._anchoring = self._check_ledger()
        self._signers = self._open_signers()
        self._files_done = self._bytes_done = 0
        self._gops = self._proven = self._signed = 0
        self._witnessed_files = self._recorded_files = 0
        self._earliest_witness_us: int | None = None

    def run(self, shown: str) -> Report:
        """Read every file, then answer."""
        files = sum(len(stream.files) for stream in self._place.streams)
        for stream in self._place.streams:
            self._check_stream(stream, files)
        self._check_files_present()
        self._check_signers()
        self._check_time()
        self._check_whole()
        findings = tuple(self._findings)
        if self._place.only is not None:
            findings = tuple(f for f in findings if f.path in (None, self._place.only))
        conclusions = conclude(findings, self._grounds())
        return Report(
            path=shown,
            conclusions=conclusions,
            findings=findings,
            files=tuple(self._files),
            streams=tuple(self._streams),
            ledger=self._ledger_report(),
            exit_status=exit_status(conclusions),
        )

    # The ledger

    def _read_ledger(self) -> LedgerState | None:
        if self._place.ledger is None:
            return None
        state = LedgerState()
        for line, part, offset_bytes in places.ledger_lines(self._place.ledger):
            state.take(line, part, offset_bytes)
        self._findings += state.findings
        return state

    def _check_ledger(self) -> Anchoring:
        state = self._ledger
        if state is None or self._place.ledger is None:
            return Anchoring((), (), 0, ())
        own = [NoteSource(n, text, True) for n, text in places.notes_in(self._place.ledger)]
        certificates = [*self._beliefs.certificates, *places.pem_files(self._place)]
        anchoring = check_checkpoints(
            state.tree,
            f"roeh/{state.site}/{state.node}",
            [*own, *self._beliefs.checkpoints],
            log_keys_in(certificates),
            self._beliefs.witnesses,
        )
        self._findings += anchoring.findings
        return anchoring

    def _open_signers(self) -> SignerJudge:
        state = self._ledger
        node = None
        if state is not None and state.site is not None and state.node is not None:
            node = NodeName(site=state.site, node=state.node)
        return SignerJudge(self._beliefs.anchors, node)

    def _ledger_report(self) -> LedgerReport | None:
        state = self._ledger
        if state is None:
            return None
        return LedgerReport(
            origin=f"roeh/{state.site}/{state.node}",
            size=state.tree.size,
            root=merkle.root(state.tree.size, state.tree.read).hex(),
            checkpoint_size=self._anchoring.signed_size or None,
            witnessed_size=self._anchoring.witnessed_size,
            witnessed_utc_us=self._earliest_witness_us,
            segments=state.segment_count,
            pruned=state.pruned_count,
            gaps=state.gap_count,
        )

    # One stream

    def _check_stream(self, stream: Stream, files: int) -> None:
        pruned = self._ledger.pruned_counters if self._ledger is not None else {}
        judge, placer = StreamJudge(), StreamPlacer(pruned.get(stream.camera_id or "", ()))
        held: dict[str, _Held] = {}
        is_h264 = False
        for file in stream.files:
            each = self._read(stream, file)
            self._files_done += 1
            self._on_progress(Progress(self._files_done, files, self._bytes_done))
            if each is None:
                continue
            held[file.shown] = each
            if each.facts.codec == "h265":
                each.verdicts += _unchecked(file, each.facts)
                self._done(stream, held.pop(file.shown))
                continue
            is_h264 = True
            for number, gop in enumerate(each.facts.gops, 1):
                for fact in gop.facts:
                    judge.take(fact)
                place = GopPlace(file.shown, number, gop.offset_bytes)
                placer.take(place, gop.facts, each.recorded_counter(number))
            self._hand_out(stream, placer, held)
        placer.finish()
        self._hand_out(stream, placer, held)
        for each in held.values():
            self._done(stream, each)
        for finding in placer.findings:
            self._take_order_finding(finding.what, finding.place, finding.detail)
        if is_h264:
            self._streams.append(self._stream_report(stream, judge.tally(), placer))

    def _read(self, stream: Stream, file: VideoFile) -> _Held | None:
        record, leaf = self._record(stream, file)
        facts = read_file(file.path, pieces_of(record), self._clock)
        if isinstance(facts, Unreadable):
            self._find(
                Aspect.BYTES, Weight.FAIL, "unreadable", facts.why, path=file.shown, leaf=leaf
            )
            return None
        self._bytes_done += facts.size_bytes
        matches: tuple[bool, ...] = ()
        if record is not None and leaf is not None:
            comparison = compare(facts, record, leaf, file.shown)
            self._findings += comparison.findings
            matches = comparison.gop_matches
        if facts.damage is not None:
            self._take_damage(stream, file, facts, is_recorded=record is not None)
        return _Held(file, facts, record, leaf, matches, [])

    def _record(self, stream: Stream, file: VideoFile) -> tuple[SegmentRecord | None, int | None]:
        if self._ledger is None or self._place.ledger is None or file.number is None:
            return None, None
        recorded = self._ledger.segments.get(stream.camera_id or "", {}).get(file.number)
        if recorded is None:
            self._take_unrecorded(stream, file)
            return None, None
        record = places.segment_record(self._place.ledger, recorded.part, recorded.offset_bytes)
        return record, recorded.leaf

    def _take_unrecorded(self, stream: Stream, file: VideoFile) -> None:
        state, camera_id = self._ledger, stream.camera_id or ""
        assert state is not None
        pruned = state.pruned.get(camera_id, {}).get(file.number or 0)
        newest = state.newest_number.get(camera_id)
        if pruned is not None:
            self._find(
                Aspect.COMPLETE,
                Weight.NOTE,
                "pruned_present",
                "deleted by rule, says the ledger, and still there",
                path=file.shown,
                leaf=pruned,
            )
        elif newest is None or file.number == newest + 1:
            self._find(
                Aspect.COMPLETE,
                Weight.NOTE,
                "still_open",
                "was still being written: its record comes when it is closed",
                path=file.shown,
            )
        else:
            self._find(
                Aspect.COMPLETE,
                Weight.FAIL,
                "not_recorded",
                "the ledger knows no such segment: it was put here",
                path=file.shown,
            )

    def _take_damage(
        self, stream: Stream, file: VideoFile, facts: FileFacts, *, is_recorded: bool
    ) -> None:
        state = self._ledger
        is_open = state is not None and file.number == 1 + state.newest_number.get(
            stream.camera_id or "", 0
        )
        self._find(
            Aspect.BYTES,
            Weight.NOTE if is_open and not is_recorded else Weight.FAIL,
            "damaged",
            f"cannot be read from byte {facts.damage_offset_bytes} on: {facts.damage}",
            path=file.shown,
            gop=len(facts.gops) + 1,
        )

    def _hand_out(self, stream: Stream, placer: StreamPlacer, held: dict[str, _Held]) -> None:
        """Verdicts to their files; a file with all of them is done."""
        for verdict in taken(placer):
            each = held[verdict.place.path]
            self._take_verdict(each, verdict, placer)
            if len(each.verdicts) == len(each.facts.gops):
                self._done(stream, held.pop(verdict.place.path))

    def _take_verdict(self, each: _Held, verdict: GopVerdict, placer: StreamPlacer) -> None:
        each.verdicts.append(verdict)
        if each.file.is_context:
            return
        number = verdict.place.gop
        is_proven = self._is_under_checkpoint(each) and each.matches[number - 1 : number] == (True,)
        self._gops += 1
        self._proven += is_proven
        self._signed += verdict.state is GopState.VALID
        chain = placer.chains.get(verdict.chain_sha256 or "")
        if chain is not None and verdict.t_first_utc_us is not None:
            self._judge_signer(each, verdict, chain.chain_pem, verdict.t_first_utc_us)
        wrong = {
            GopState.VALID_WITH_MISSING: ("pictures_missing", verdict.detail),
            GopState.INVALID: ("stream_signature_wrong", verdict.detail),
            GopState.WITHOUT_SIGNATURE: (
                "without_signature",
                verdict.detail,
            ),
        }.get(verdict.state)
        if wrong is not None:
            is_harmless = is_proven and verdict.state is GopState.WITHOUT_SIGNATURE
            is_short = verdict.state is GopState.VALID_WITH_MISSING
            self._findings.append(
                Finding(
                    aspect=Aspect.COMPLETE if is_short else Aspect.BYTES,
                    weight=Weight.NOTE if is_harmless else Weight.FAIL,
                    what=wrong[0],
                    detail=wrong[1],
                    path=verdict.place.path,
                    gop=number,
                    pictures=verdict.pictures,
                )
            )
        elif verdict.state is GopState.NOT_CHECKED and not is_proven:
            self._find(
                Aspect.BYTES,
                Weight.NOT_CHECKED,
                "no_signature",
                "nothing vouches for these bytes: no stream signature, and no ledger under a"
                " signed checkpoint",
                path=verdict.place.path,
                gop=number,
            )
        elif verdict.state is GopState.PENDING and not is_proven:
            self._find(
                Aspect.BYTES,
                Weight.NOTE,
                "signature_pending",
                "its stream signature would stand in what follows, which is not here",
                path=verdict.place.path,
                gop=number,
            )

    def _is_under_checkpoint(self, each: _Held) -> bool:
        """Whether its record is proven itself: only then the hashes in it prove anything."""
        return each.leaf is not None and each.leaf < self._anchoring.signed_size

    def _judge_signer(
        self, each: _Held, verdict: GopVerdict, chain_pem: bytes, t_utc_us: int
    ) -> None:
        anchor = None if each.leaf is None else self._anchoring.witnessed(each.leaf)
        error_us = each.record.utc_error_us if each.record is not None else 0
        judged = self._signers.judge_media(chain_pem, t_utc_us, error_us, anchor)
        if judged is not None and not judged.is_trusted:
            self._find(
                Aspect.SIGNER,
                Weight.FAIL,
                "signer_not_trusted",
                judged.reason,
                path=verdict.place.path,
                gop=verdict.place.gop,
            )
        state = self._ledger
        if state is None or not state.media_keys or self._place.only is not None:
            return
        key = spki_sha256_of(chain_pem)
        if key is not None and key not in state.media_keys:
            self._find(
                Aspect.SIGNER,
                Weight.FAIL,
                "key_not_recorded",
                "signed by a key that this node's ledger never named",
                path=verdict.place.path,
                gop=verdict.place.gop,
            )

    def _done(self, stream: Stream, each: _Held) -> None:
        if each.file.is_context:
            return
        if each.facts.codec == "h265":
            self._gops += len(each.facts.gops)
            is_proven = self._is_under_checkpoint(each) and bool(each.matches)
            self._proven += sum(each.matches) if is_proven else 0
            self._find(
                Aspect.SIGNER,
                Weight.NOT_CHECKED,
                "h265_not_signed",
                "H.265 carries no stream signature; only the ledger covers it",
                path=each.file.shown,
            )
            if not is_proven:
                self._find(
                    Aspect.BYTES,
                    Weight.NOT_CHECKED,
                    "no_signature",
                    "nothing vouches for these bytes: no stream signature, and no ledger under a"
                    " signed checkpoint",
                    path=each.file.shown,
                )
        if each.leaf is not None:
            self._recorded_files += 1
            anchor = self._anchoring.witnessed(each.leaf)
            if anchor is not None and anchor.t_utc_us is not None:
                self._witnessed_files += 1
                earliest = self._earliest_witness_us
                self._earliest_witness_us = min(earliest or anchor.t_utc_us, anchor.t_utc_us)
        by_gop = {verdict.place.gop: verdict for verdict in each.verdicts}
        lines = [
            GopLine(
                gop=number,
                stream_signature=by_gop[number].state if number in by_gop else GopState.INVALID,
                counter=by_gop[number].counter if number in by_gop else None,
                hash_matches_ledger=each.matches[number - 1]
                if number <= len(each.matches)
                else None,
            )
            for number in range(1, max(len(each.facts.gops), len(each.matches)) + 1)
        ]
        self._files.append(
            FileReport(
                path=each.file.shown,
                camera_id=stream.camera_id,
                size_bytes=each.facts.size_bytes,
                sha256=each.facts.sha256.hex(),
                codec=each.facts.codec,
                segment_leaf=each.leaf,
                gops=tuple(lines),
            )
        )

    def _take_order_finding(self, what: str, place: GopPlace, detail: str) -> None:
        """What stands between GOPs; where a stream begins after a lawful end it is a note."""
        aspect = Aspect.BYTES if what in _AGAINST_BYTES else Aspect.COMPLETE
        weight = Weight.FAIL
        if what == "foreign_first":
            # Of a store the ledger says what came before; a file alone is a piece of something.
            weight = Weight.NOTE if self._ledger is not None else Weight.FAIL
            if self._place.only is not None and place.path != self._place.only:
                weight = Weight.NOTE
        self._find(aspect, weight, what, detail, path=place.path, gop=place.gop)

    def _stream_report(self, stream: Stream, tally: Tally, placer: StreamPlacer) -> StreamReport:
        video = "no_complete_gop"
        if tally.invalid:
            video = "invalid"
        elif tally.valid_with_missing:
            video = "valid_with_missing"
        elif tally.valid:
            video = "valid"
        key = "not_validated"
        if self._signers.has_anchors and placer.chains:
            untrusted = set(placer.chains) & set(self._signers.untrusted)
            key = "not_valid" if untrusted else "valid"
        return StreamReport(
            stream=stream.name,
            files=len(stream.files),
            video=video,
            key=key,
            valid=tally.valid,
            valid_with_missing=tally.valid_with_missing,
            invalid=tally.invalid,
            without_signature=tally.without_signature,
            received_frames=tally.received_frames,
            validated_frames=tally.validated_frames,
            pending_frames=tally.pending_frames,
        )

    # What concerns the whole

    def _check_files_present(self) -> None:
        state = self._ledger
        if state is None or self._place.only is not None:
            return
        there = {
            (stream.camera_id, file.number)
            for stream in self._place.streams
            for file in stream.files
        }
        for camera_id, numbers in sorted(state.segments.items()):
            for number, recorded in sorted(numbers.items()):
                if (camera_id, number) not in there:
                    self._find(
                        Aspect.COMPLETE,
                        Weight.FAIL,
                        "segment_missing",
                        "the ledger records this segment, no rule deleted it, and it is not here",
                        path=f"segments/{camera_id}/{number:08d}.mp4",
                        leaf=recorded.leaf,
                    )
        for stray in self._place.strays:
            self._find(
                Aspect.COMPLETE, Weight.NOTE, "stray_file", "is no segment of ours", path=stray
            )

    def _check_signers(self) -> None:
        if not self._signers.has_anchors:
            self._find(
                Aspect.SIGNER,
                Weight.NOT_CHECKED,
                "no_trust_anchor",
                "no root certificate was given (--trust), so nobody is trusted",
            )
            return
        state = self._ledger
        if state is None:
            return
        for key in self._anchoring.log_keys:
            anchor = max(
                (a for a in self._anchoring.anchors if a.log_key == key), key=lambda a: a.size
            )
            verdict = self._signers.judge_log(
                key,
                state.t_newest_utc_us,
                state.newest_utc_error_us,
                anchor if anchor.t_utc_us is not None else None,
            )
            if verdict is not None and not verdict.is_trusted:
                self._find(
                    Aspect.SIGNER,
                    Weight.FAIL,
                    "log_key_not_trusted",
                    f"the key of {anchor.name}: {verdict.reason}",
                )

    def _check_time(self) -> None:
        if not self._beliefs.witnesses:
            why = "no witness was named (--witness): only the pole itself says when this was"
            self._find(Aspect.TIME, Weight.NOT_CHECKED, "no_witness", why)
        elif self._ledger is None:
            why = "without a ledger there is nothing that a witness could have seen"
            self._find(Aspect.TIME, Weight.NOT_CHECKED, "no_ledger", why)
        elif self._witnessed_files < self._recorded_files or not self._recorded_files:
            count = self._recorded_files - self._witnessed_files
            self._find(
                Aspect.TIME,
                Weight.NOT_CHECKED,
                "not_witnessed",
                f"{count} of {self._recorded_files} segments came after the last checkpoint that"
                " a witness signed",
                leaf=self._anchoring.witnessed_size,
            )

    def _check_whole(self) -> None:
        state = self._ledger
        if state is None:
            self._find(
                Aspect.COMPLETE,
                Weight.NOT_CHECKED,
                "no_ledger",
                "there is no ledger: what is missing at either end, or was never recorded,"
                " cannot be seen",
            )
        elif not state.tree.size:
            self._find(Aspect.COMPLETE, Weight.FAIL, "ledger_empty", "the ledger has no records")
        elif self._anchoring.signed_size < state.tree.size:
            first = self._anchoring.signed_size
            self._find(
                Aspect.COMPLETE,
                Weight.NOTE,
                "behind_checkpoint",
                f"{state.tree.size - first} records are newer than the last signed checkpoint",
                leaf=first,
            )

    def _grounds(self) -> dict[Aspect, str]:
        grounds: dict[Aspect, str] = {}
        if self._signed or self._proven:
            parts = [f"{self._signed} of {self._gops} GOPs by their stream signature"]
            if self._ledger is not None:
                parts.append(f"{self._proven} by their hash in the ledger")
            grounds[Aspect.BYTES] = ", ".join(parts)
        if self._signers.trusted:
            named = sorted({str(v.name or v.serial) for v in self._signers.trusted.values()})
            reasons = sorted({verdict.reason for verdict in self._signers.trusted.values()})
            grounds[Aspect.SIGNER] = f"{', '.join(named)}: {'; '.join(reasons)}"
        state = self._ledger
        if state is not None and self._anchoring.signed_size:
            grounds[Aspect.COMPLETE] = (
                f"{self._anchoring.signed_size} of {state.tree.size} ledger records under a signed"
                f" checkpoint; {state.segment_count} segments, {state.pruned_count} deleted by"
                f" rule, {state.gap_count} recorded gaps, nothing else missing"
            )
        if self._witnessed_files:
            grounds[Aspect.TIME] = (
                f"all {self._witnessed_files} segments are under a checkpoint that a witness signed"
            )
        return grounds

    def _find(
        self,
        aspect: Aspect,
        weight: Weight,
        what: str,
        detail: str,
        *,
        path: str | None = None,
        gop: int | None = None,
        leaf: int | None = None,
    ) -> None:
        self._findings.append(
            Finding(
                aspect=aspect,
                weight=weight,
                what=what,
                detail=detail,
                path=path,
                gop=gop,
                leaf=leaf,
            )
        )


def _unchecked(file: VideoFile, facts: FileFacts) -> list[GopVerdict]:
    return [
        GopVerdict(place=GopPlace(file.shown, number, gop.offset_bytes), state=GopState.NOT_CHECKED)
        for number, gop in enumerate(facts.gops, 1)
    ]
