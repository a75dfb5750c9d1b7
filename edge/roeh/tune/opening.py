"""Which of a pole's recordings are looked at: chosen, put on record, opened."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import msgspec

from roeh.bundle.choosing import StoredGop, segment_utc
from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import EvidenceRefused
from roeh.core.types import AlertPhase
from roeh.custody.clip_choice import ask_utc, choose
from roeh.custody.clip_times import span_text
from roeh.custody.commands import record_access
from roeh.custody.holdings import Holdings, read_holdings, read_records
from roeh.custody.link import EvidenceLink, evidence_link
from roeh.custody.stored_segments import SegmentRecords, segment_files
from roeh.custody.timeline import first_leaf
from roeh.ledger.records import AlertRecord, SegmentRecord
from roeh.ledger.utc_spans import UtcSpan
from roeh.tune.kept import Raising
from roeh.tune.recorded import RecordedFootage, StoredFootage

_DAY_US = 86_400_000_000


class OpenedFootage(msgspec.Struct, frozen=True):
    """What was chosen.

    Attributes:
        footage: to be gone through.
        raisings: what the pole itself raised in that time, by its ledger.
        missing: cameras of which nothing was recorded then.
    """

    footage: RecordedFootage
    raisings: tuple[Raising, ...]
    missing: tuple[str, ...]


class FootageWanted(msgspec.Struct, frozen=True):
    """What is asked for.

    Attributes:
        from_us, to_us: of UTC; None: the newest day that there is.
        person: who looks; empty: the user.
    """

    from_us: int | None
    to_us: int | None
    person: str


@contextlib.contextmanager
def open_recorded(
    config: NodeConfig, wanted: FootageWanted, clock: Clock
) -> Iterator[OpenedFootage]:
    """The recording of all cameras in that time. That it is looked at is on record first.

    Evidence is asked once and then left alone: a node may start and stop while it is read.

    Raises:
        EvidenceRefused: nothing was recorded then, or it is not for this user.
        RoehError: evidence does not answer, or cannot put it on record.
    """
    cameras = [section.name for section in config.sensors]
    with evidence_link(config, clock) as link:
        holdings = read_holdings(link)
        span = _span(holdings, cameras, wanted)
        gops = {name: found for name in cameras if (found := _gops(holdings, name, span))}
        if not gops:
            # The same that a clip of that time would be told.
            choose(ask_utc(cameras[0], span), holdings)
        record_access(link, wanted.person, "tune", f"{', '.join(gops)}, {span_text(span)}")
        records = _records(link, gops)
        raisings = _raisings(link, holdings, span)
    with contextlib.closing(segment_files(config)) as files:
        sections = {section.name: section for section in config.sensors}
        yield OpenedFootage(
            footage=RecordedFootage(StoredFootage(gops, records), sections, files),
            raisings=raisings,
            missing=tuple(name for name in cameras if name not in gops),
        )


def _span(holdings: Holdings, cameras: list[str], wanted: FootageWanted) -> UtcSpan:
    spans = [
        segment_utc(segment)
        for segment in holdings.segments
        if segment.is_present and segment.camera_id in cameras
    ]
    if not spans:
        raise EvidenceRefused(
            what="nothing is recorded of it",
            which=", ".join(cameras),
            remedy="see roeh evidence list for what there is",
        )
    newest_us = max(span.to_us for span in spans)
    to_us = newest_us if wanted.to_us is None else wanted.to_us
    from_us = to_us - _DAY_US if wanted.from_us is None else wanted.from_us
    if to_us <= from_us:
        raise EvidenceRefused(
            what="the end is not after the start",
            which=span_text(UtcSpan(from_us, to_us)),
            remedy="give --from and --to the other way round",
        )
    return UtcSpan(from_us, to_us)


def _gops(holdings: Holdings, camera_id: str, span: UtcSpan) -> tuple[StoredGop, ...]:
    if camera_id not in holdings.cameras():
        return ()
    with contextlib.suppress(EvidenceRefused):
        runs = choose(ask_utc(camera_id, span), holdings)
        return tuple(gop for run in runs for gop in run.chosen)
    return ()


def _records(
    link: EvidenceLink, gops: dict[str, tuple[StoredGop, ...]]
) -> dict[int, SegmentRecord]:
    records = SegmentRecords(link)
    known: dict[int, SegmentRecord] = {}
    for found in gops.values():
        for gop in found:
            leaf = gop.segment.leaf
            if leaf is None or leaf in known:
                continue
            record = records.of(gop.segment)
            if record is not None:
                known[leaf] = record
    return known


def _raisings(link: EvidenceLink, holdings: Holdings, span: UtcSpan) -> tuple[Raising, ...]:
    """Times are when evidence stored them, a moment after the picture."""
    found: dict[str, Raising] = {}
    for record in read_records(link, (AlertRecord,), first_leaf(holdings)):
        body, t_us = record.body, record.t_utc_us
        if not isinstance(body, AlertRecord):
            continue
        if body.phase == AlertPhase.RAISED.value and span.from_us <= t_us < span.to_us:
            found[body.raised_id] = Raising(body.rule, t_us)
        elif body.phase == AlertPhase.CLEARED.value and body.raised_id in found:
            raised = found[body.raised_id]
            found[body.raised_id] = msgspec.structs.replace(raised, over_us=t_us)
    return tuple(found.values())
