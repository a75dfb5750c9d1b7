"""One stream: its files read, each GOP placed, and every verdict turned into what it means."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from roeh.ledger.records import SegmentRecord
from roeh.verify.bundles.contents import is_there
from roeh.verify.file_check import compare, pieces_of
from roeh.verify.onvif import StreamJudge, Tally
from roeh.verify.places import Stream, VideoFile
from roeh.verify.placing import GopPlace, GopState, GopVerdict, StreamPlacer, taken
from roeh.verify.reading import FileFacts, Unreadable, read_file
from roeh.verify.report import Aspect, FileReport, Finding, GopLine, StreamReport, Weight
from roeh.verify.signers import ClaimedTime, spki_sha256_of
from roeh.verify.sitting import Sitting

#: What a stream's order findings say against: all but this against completeness.
_AGAINST_BYTES = {"damaged_signature"}
_SHOWN_NOTE_CHARS = 400


class HeldFile(msgspec.Struct):
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


class StreamCheck:
    """The files of one camera, in order; `on_read` is told of each that could be read."""

    def __init__(
        self,
        sitting: Sitting,
        stream: Stream,
        on_read: Callable[[HeldFile], None] = lambda _held: None,
    ) -> None:
        self._sitting = sitting
        self._stream = stream
        self._on_read = on_read

    def read(self) -> Iterator[VideoFile]:
        """Read file after file; each is given when it was read."""
        ledger = self._sitting.ledger
        pruned = ledger.pruned_counters if ledger is not None else {}
        judge, placer = StreamJudge(), StreamPlacer(pruned.get(self._stream.camera_id or "", ()))
        held: dict[str, HeldFile] = {}
        for file in self._stream.files:
            each = self._read(file)
            if each is not None:
                self._on_read(each)
            if each is not None and each.facts.codec == "h265":
                each.verdicts += _unchecked(file, each.facts)
                self._done(each)
            elif each is not None:
                held[file.shown] = each
                for number, gop in enumerate(each.facts.gops, 1):
                    for fact in gop.facts:
                        judge.take(fact)
                    place = GopPlace(file.shown, number, gop.offset_bytes)
                    placer.take(place, gop.facts, each.recorded_counter(number))
                self._hand_out(placer, held)
            yield file
        placer.finish()
        self._hand_out(placer, held)
        for each in held.values():
            self._done(each)
        for finding in placer.findings:
            self._take_order_finding(finding.what, finding.place, finding.detail)
        tally = judge.tally()
        if tally.received_frames:
            name, files = self._stream.name, len(self._stream.files)
            report = stream_report(name, files, tally, self._key(placer))
            self._sitting.streams.append(report)

    def _read(self, file: VideoFile) -> HeldFile | None:
        record, leaf = self._record(file)
        facts = read_file(file.content, pieces_of(record), self._sitting.clock)
        if isinstance(facts, Unreadable):
            if self._sitting.ledger is not None and not is_there(file.content):
                return None  # deleted meanwhile: by rule, or missed in the end
            self._sitting.find(
                Aspect.BYTES, Weight.FAIL, "unreadable", facts.why, path=file.shown, leaf=leaf
            )
            return None
        self._sitting.bytes_read += facts.size_bytes
        matches: tuple[bool, ...] = ()
        if record is not None and leaf is not None:
            comparison = compare(facts, record, leaf, file.shown)
            self._sitting.findings += comparison.findings
            matches = comparison.gop_matches
        if facts.note.strip("\0"):
            self._sitting.find(
                Aspect.COMPLETE,
                Weight.NOTE,
                "says_of_itself",
                f"the file says of itself, unsigned: {facts.note[:_SHOWN_NOTE_CHARS]}",
                path=file.shown,
            )
        if facts.damage is not None:
            self._take_damage(file, facts, is_recorded=record is not None)
        return HeldFile(file, facts, record, leaf, matches, [])

    def _record(self, file: VideoFile) -> tuple[SegmentRecord | None, int | None]:
        if self._sitting.ledger is None or file.number is None:
            return None, None
        recorded = self._sitting.ledger.segments.get(self._stream.camera_id or "", {}).get(
            file.number
        )
        if recorded is None:
            self._take_unrecorded(file)
            return None, None
        return self._sitting.record_at(recorded), recorded.leaf

    def _take_unrecorded(self, file: VideoFile) -> None:
        state, camera_id = self._sitting.ledger, self._stream.camera_id or ""
        assert state is not None
        is_pruned = file.number in state.pruned.get(camera_id, ())
        if is_pruned:
            self._sitting.find(
                Aspect.COMPLETE,
                Weight.NOTE,
                "pruned_present",
                "deleted by rule, says the ledger, and still there",
                path=file.shown,
            )
        else:
            self._sitting.unrecorded.append((camera_id, file.number or 0, file.shown))

    def _take_damage(self, file: VideoFile, facts: FileFacts, *, is_recorded: bool) -> None:
        state = self._sitting.ledger
        is_open = state is not None and file.number == 1 + state.newest_number.get(
            self._stream.camera_id or "", 0
        )
        self._sitting.find(
            Aspect.BYTES,
            Weight.NOTE if is_open and not is_recorded else Weight.FAIL,
            "damaged",
            f"cannot be read from byte {facts.damage_offset_bytes} on: {facts.damage}",
            path=file.shown,
            gop=len(facts.gops) + 1,
        )

    def _hand_out(self, placer: StreamPlacer, held: dict[str, HeldFile]) -> None:
        """Verdicts to their files; a file with all of them is done."""
        for verdict in taken(placer):
            each = held[verdict.place.path]
            self._take_verdict(each, verdict, placer)
            if len(each.verdicts) == len(each.facts.gops):
                self._done(held.pop(verdict.place.path))

    def _take_verdict(self, each: HeldFile, verdict: GopVerdict, placer: StreamPlacer) -> None:
        each.verdicts.append(verdict)
        if each.file.is_context:
            return
        number = verdict.place.gop
        is_as_recorded = each.matches[number - 1 : number] == (True,)
        is_proven = self._sitting.is_proven(each.leaf) and is_as_recorded
        self._sitting.gops += 1
        self._sitting.proven += is_proven
        self._sitting.signed += verdict.state is GopState.VALID
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
            self._sitting.findings.append(
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
            self._sitting.find(
                Aspect.BYTES,
                Weight.NOT_CHECKED,
                "no_signature",
                "nothing vouches for these bytes: no stream signature, and no ledger under a"
                " signed checkpoint",
                path=verdict.place.path,
                gop=number,
            )
        elif verdict.state is GopState.PENDING and not is_proven:
            self._sitting.find(
                Aspect.BYTES,
                Weight.NOTE,
                "signature_pending",
                "its stream signature would stand in what follows, which is not here",
                path=verdict.place.path,
                gop=number,
            )

    def _judge_signer(
        self, each: HeldFile, verdict: GopVerdict, chain_pem: bytes, t_utc_us: int
    ) -> None:
        anchor = self._sitting.witnessed(each.leaf)
        time = ClaimedTime(t_utc_us)
        if each.record is not None and self._sitting.ledger is not None:
            # What was stepped in that boot may have been wrong before, or since.
            stepped_us = self._sitting.ledger.stepped_us.get(each.record.boot_id, 0)
            error_us = each.record.utc_error_us + stepped_us
            time = ClaimedTime(t_utc_us, error_us, is_set=each.record.synchronised)
        judged = self._sitting.signers.judge_media(chain_pem, time, anchor)
        if judged is not None and not judged.is_trusted:
            self._sitting.find(
                Aspect.SIGNER,
                Weight.FAIL,
                "signer_not_trusted",
                judged.reason,
                path=verdict.place.path,
                gop=verdict.place.gop,
            )
        state = self._sitting.ledger
        if state is None or not state.media_keys or self._sitting.place.only is not None:
            return
        key = spki_sha256_of(chain_pem)
        if key is not None and key not in state.media_keys:
            self._sitting.find(
                Aspect.SIGNER,
                Weight.FAIL,
                "key_not_recorded",
                "signed by a key that this node's ledger never named",
                path=verdict.place.path,
                gop=verdict.place.gop,
            )

    def _done(self, each: HeldFile) -> None:
        if each.file.is_context:
            return
        if each.facts.codec == "h265":
            self._sitting.gops += len(each.facts.gops)
            is_proven = self._sitting.is_proven(each.leaf) and bool(each.matches)
            self._sitting.proven += sum(each.matches) if is_proven else 0
            self._sitting.find(
                Aspect.SIGNER,
                Weight.NOT_CHECKED,
                "h265_not_signed",
                "H.265 carries no stream signature; only the ledger covers it",
                path=each.file.shown,
            )
            if not is_proven:
                self._sitting.find(
                    Aspect.BYTES,
                    Weight.NOT_CHECKED,
                    "no_signature",
                    "nothing vouches for these bytes: no stream signature, and no ledger under a"
                    " signed checkpoint",
                    path=each.file.shown,
                )
        if each.leaf is not None:
            self._sitting.count_recorded(each.leaf)
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
        self._sitting.files.append(
            FileReport(
                path=each.file.shown,
                camera_id=self._stream.camera_id,
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
            weight = Weight.NOTE if self._sitting.ledger is not None else Weight.FAIL
            if self._sitting.place.only is not None and place.path != self._sitting.place.only:
                weight = Weight.NOTE
        self._sitting.find(aspect, weight, what, detail, path=place.path, gop=place.gop)

    def _key(self, placer: StreamPlacer) -> str:
        if not self._sitting.signers.has_anchors or not placer.chains:
            return "not_validated"
        untrusted = set(placer.chains) & set(self._sitting.signers.untrusted)
        return "not_valid" if untrusted else "valid"


def stream_report(stream: str, files: int, tally: Tally, key: str) -> StreamReport:
    """The counts of a stream as the reference would report them."""
    video = "no_complete_gop"
    if tally.invalid:
        video = "invalid"
    elif tally.valid_with_missing:
        video = "valid_with_missing"
    elif tally.valid:
        video = "valid"
    return StreamReport(
        stream=stream,
        files=files,
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


def _unchecked(file: VideoFile, facts: FileFacts) -> list[GopVerdict]:
    return [
        GopVerdict(place=GopPlace(file.shown, number, gop.offset_bytes), state=GopState.NOT_CHECKED)
        for number, gop in enumerate(facts.gops, 1)
    ]
