"""The whole verification: a place is read file by file, and everything said of it collected.

Reading is `places` and `reading`; every judgement is made by the pure modules beside this one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from roeh.core.clock import Clock
from roeh.keys.signer import NodeName
from roeh.ledger.records import SegmentRecord
from roeh.verify import places
from roeh.verify.anchoring import Anchoring, NoteSource, check_checkpoints, sizes_of
from roeh.verify.bundles.bundle_check import verify_bundle
from roeh.verify.bundles.container import is_bundle, opened_bundle
from roeh.verify.ledger_state import LedgerState, SegmentPlace
from roeh.verify.places import Place
from roeh.verify.report import Aspect, LedgerReport, Report, Weight, conclude, exit_status
from roeh.verify.signers import SignerJudge, log_keys_in
from roeh.verify.sitting import Beliefs, Progress, Sitting
from roeh.verify.stream_check import StreamCheck
from roeh.verify.whole_check import WholeCheck

__all__ = ["Beliefs", "Progress", "verify"]


def verify(
    path: Path,
    beliefs: Beliefs,
    clock: Clock,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> Report:
    """Verify a bundle, a segment, a clip, a directory of segments or a node's data_dir.

    Raises:
        EvidenceRefused: there is nothing to verify, or a part of the ledger cannot be read.
        BundleRefused: a bundle that cannot be opened.
        KeyRefused: a key that is none.
    """
    if is_bundle(path):
        with opened_bundle(
            path, beliefs.identities, lambda done_bytes: on_progress(Progress(0, 0, done_bytes))
        ) as opened:
            return verify_bundle(path, opened, beliefs, clock, on_progress)
    sitting = _open(places.place_at(path), beliefs, clock)
    files = sum(len(stream.files) for stream in sitting.place.streams)
    done = 0
    for stream in sitting.place.streams:
        for _ in StreamCheck(sitting, stream).read():
            done += 1
            on_progress(Progress(done, files, sitting.bytes_read))
    _follow(sitting, path)
    whole = WholeCheck(sitting, beliefs)
    whole.check()
    findings = tuple(sitting.findings)
    if sitting.place.only is not None:
        findings = tuple(f for f in findings if f.path in (None, sitting.place.only))
    conclusions = conclude(findings, whole.grounds())
    return Report(
        path=str(path),
        conclusions=conclusions,
        findings=findings,
        files=tuple(sitting.files),
        streams=tuple(sitting.streams),
        ledger=_ledger_report(sitting),
        exit_status=exit_status(conclusions),
    )


def _open(place: Place, beliefs: Beliefs, clock: Clock) -> Sitting:
    """Read the ledger first: it says what the files should be."""
    state: LedgerState | None = None
    read_to = (0, 0)
    anchoring = Anchoring((), (), 0, ())
    node: NodeName | None = None
    if place.ledger is not None:
        own = [NoteSource(name, text, True) for name, text in places.notes_in(place.ledger)]
        sources = [*own, *beliefs.checkpoints]
        state = LedgerState(sizes_of(sources))
        for line, part, offset_bytes in places.ledger_lines(place.ledger):
            state.take(line, part, offset_bytes)
            read_to = (part, offset_bytes + len(line) + 1)
        certificates = [*beliefs.certificates, *places.pem_files(place)]
        anchoring = check_checkpoints(
            state.roots,
            f"roeh/{state.site}/{state.node}",
            sources,
            log_keys_in(certificates),
            beliefs.witnesses,
        )
        if state.site is not None and state.node is not None:
            node = NodeName(site=state.site, node=state.node)
    sitting = Sitting(place, clock, state, anchoring, SignerJudge(beliefs.anchors, node))
    if place.ledger is not None:
        sitting.record_at = functools.partial(_record_at, place.ledger)
    sitting.ledger_read_to = read_to
    if state is not None:
        sitting.findings += [*state.findings, *anchoring.findings]
    if place.ledger is not None and (torn := places.torn_bytes(place.ledger)):
        sitting.find(
            Aspect.COMPLETE,
            Weight.NOTE,
            "mirror_torn",
            f"{torn} bytes of a record that was being copied stand at the end of the ledger",
        )
    return sitting


def _record_at(ledger: Path, recorded: SegmentPlace) -> SegmentRecord | None:
    return places.segment_record(ledger, recorded.part, recorded.offset_bytes)


def _follow(sitting: Sitting, path: Path) -> None:
    """What came and went while the files were read, in a store that is in use.

    Its files are listed before the ledger is read on: what is gone was deleted by a record
    that was there before.
    """
    place, state = sitting.place, sitting.ledger
    if place.ledger is None or state is None or place.only is not None:
        return
    sitting.required = state.roots.size
    sitting.present = places.place_at(path).files()
    known = len(state.findings)
    for line, part, offset_bytes in places.ledger_lines(place.ledger, *sitting.ledger_read_to):
        state.take(line, part, offset_bytes)
    sitting.findings += state.findings[known:]


def _ledger_report(sitting: Sitting) -> LedgerReport | None:
    state = sitting.ledger
    if state is None:
        return None
    return LedgerReport(
        origin=f"roeh/{state.site}/{state.node}",
        size=state.roots.size,
        root=state.roots.root().hex(),
        checkpoint_size=sitting.anchoring.signed_size or None,
        witnessed_size=sitting.anchoring.witnessed_size,
        witnessed_utc_us=sitting.earliest_witness_us,
        segments=state.segment_count,
        pruned=state.pruned_count,
        gaps=state.gap_count,
    )
