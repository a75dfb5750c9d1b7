"""`roeh evidence clip`: a playable file of a span, whose stream signatures still validate.

Order of durable steps: 1. the clip is written under a name of its own and synced. 2. Who takes
it, why, and its hash are on record. 3. It gets its final name. So nothing is under the final
name that is not whole and not on record; damage in what is stored is told, never hidden.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import msgspec

from roeh.bitstream.cut import join
from roeh.bundle.choosing import Run, StoredGop
from roeh.bundle.reading import SegmentReader
from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.custody import RecordAccess
from roeh.core.errors import EXIT_OK, ChecksFailed, EvidenceRefused
from roeh.core.gop import CodecConfig
from roeh.core.peers import Done, Verb
from roeh.custody.clip_choice import Asked, choose, deleted_in
from roeh.custody.clip_file import (
    WrittenClip,
    check_free,
    give_final_name,
    written,
)
from roeh.custody.clip_wording import (
    ClipReport,
    SourceSegment,
    detail_of,
    note_of,
    print_clips,
)
from roeh.custody.holdings import Holdings
from roeh.custody.link import EvidenceLink
from roeh.custody.listing import gap_utc
from roeh.custody.stored_segments import SegmentRecords, segment_files
from roeh.ledger.utc_spans import UtcSpan

#: With what is said beside it, a reason of this length fits into an access record.
MAX_REASON_CHARS = 200
MAX_PERSON_CHARS = 64


class ClipOrder(msgspec.Struct, frozen=True):
    """Where the clip goes, who takes it, and why."""

    final: Path
    person: str
    reason: str


class _Part(msgspec.Struct, frozen=True):
    """What goes into one file; `late` are there for the signatures that they bring."""

    asked_for: tuple[StoredGop, ...]
    late: tuple[StoredGop, ...]


def make_clip(
    link: EvidenceLink,
    config: NodeConfig,
    asked: Asked,
    holdings: Holdings,
    order: ClipOrder,
    *,
    clock: Clock,
    as_json: bool,
    out: IO[str],
) -> int:
    """Cut a clip, or several where the video does not fit into one file; the exit status.

    Raises:
        EvidenceRefused: there is no video in what was asked for, or none can be read.
        OutputRefused: the file is there already or cannot be written.
        RoehError: the access cannot be recorded; there is no clip then.
    """
    _check_words(order)
    check_free([order.final])
    runs = choose(asked, holdings)
    with contextlib.closing(segment_files(config)) as files:
        progress = _Progress(sum(gop.row.size_bytes for run in runs for gop in run.chosen))
        reader = SegmentReader(files, progress.add)
        records = SegmentRecords(link)
        parts = [part for run in runs for part in _parts(run, reader, records)]
        if not parts:
            raise _none_readable(reader)
        finals = _names(order.final, len(parts))
        check_free(finals)
        with contextlib.ExitStack() as unfinished:
            clips: list[tuple[ClipReport, WrittenClip]] = []
            for part, path in zip(parts, finals, strict=True):
                report = _report(
                    asked,
                    part,
                    holdings,
                    _sources(part.asked_for + part.late, reader, records),
                    is_first=part is parts[0],
                    is_last=part is parts[-1],
                )
                note = note_of(report, f"{config.node.site}/{config.node.name}", clock)
                pieces = _joined(part, note, reader)
                clips.append((report, unfinished.enter_context(written(pieces, path))))
            progress.end()
            for report, clip in clips:
                detail = detail_of(report, clip, len(reader.damages))
                access = RecordAccess(
                    person=order.person, action="clip", detail=f"{detail}; {order.reason}"
                )
                link.call(Verb.ACCESS_RECORD, access, Done)
            for _, clip in clips:
                give_final_name(clip)
    print_clips(clips, reader.damages, order.person, as_json=as_json, out=out)
    return ChecksFailed.exit_status if reader.damages else EXIT_OK


class _Progress:
    """How much was copied, on a terminal."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._done_bytes = 0
        self._is_shown = sys.stderr.isatty()

    def add(self, size_bytes: int) -> None:
        self._done_bytes += size_bytes
        if self._is_shown:
            done = min(self._done_bytes, self._size_bytes)
            sys.stderr.write(f"\rcopied {done / 1e6:.0f} of {self._size_bytes / 1e6:.0f} MB")

    def end(self) -> None:
        if self._is_shown:
            sys.stderr.write("\n")


def _parts(run: Run, reader: SegmentReader, records: SegmentRecords) -> Iterator[_Part]:
    """A run, cut where the format changes or the count of signatures begins again."""
    for gop in run.chosen:
        reader.config(gop.segment, records.of(gop.segment))
    late = reader.late(run.chosen[-1], run.following)
    config: CodecConfig | None = None
    counter = 0
    gops: list[StoredGop] = []
    for gop in run.chosen + late:
        found = reader.config(gop.segment, records.of(gop.segment))
        if found is None:
            continue
        is_counted_anew = 0 < gop.row.gop_counter <= counter
        if config is not None and (found != config or is_counted_anew):
            yield _Part(tuple(gops), ())
            gops, counter = [], 0
        config, counter = found, gop.row.gop_counter or counter
        gops.append(gop)
    if gops:
        yield _Part(tuple(gops[: len(gops) - len(late)]), late)


def _joined(part: _Part, note: str, reader: SegmentReader) -> Iterator[bytes]:
    gops = reader.gops(part.asked_for + part.late)
    first = next(gops, None)
    if first is None:
        raise _none_readable(reader)
    yield from join(itertools.chain([first], gops), note)


def _report(
    asked: Asked,
    part: _Part,
    holdings: Holdings,
    sources: tuple[SourceSegment, ...],
    *,
    is_first: bool,
    is_last: bool,
) -> ClipReport:
    gops = part.asked_for + part.late
    inside = UtcSpan(
        from_us=gops[0].utc.from_us,
        to_us=gops[-1].utc.to_us,
        error_us=max(gop.segment.utc_error_us for gop in gops),
        synchronised=all(gop.segment.synchronised for gop in gops),
    )
    asked_for_to_us = part.asked_for[-1].utc.to_us
    lacks_beginning, lacks_end = asked.lacks(holdings, inside.from_us, asked_for_to_us)
    lacks_beginning &= is_first
    lacks_end &= is_last
    whole = UtcSpan(
        asked.utc.from_us if asked.utc is not None and lacks_beginning else inside.from_us,
        asked.utc.to_us if asked.utc is not None and lacks_end else inside.to_us,
    )
    return ClipReport(
        camera_id=asked.camera_id,
        asked=asked.text,
        asked_utc=asked.utc,
        inside=inside,
        asked_for_to_us=asked_for_to_us,
        gops=len(gops),
        late_gops=len(part.late),
        segments=sources,
        lacks_beginning=lacks_beginning,
        lacks_end=lacks_end,
        gaps=tuple(
            gap
            for gap in holdings.gaps
            if gap.camera_id == asked.camera_id and gap_utc(gap).overlaps(whole)
        ),
        deleted=tuple(row.path for row in deleted_in(asked, holdings.segments)),
    )


def _sources(
    gops: Sequence[StoredGop], reader: SegmentReader, records: SegmentRecords
) -> tuple[SourceSegment, ...]:
    by_row: dict[int, list[StoredGop]] = {}
    for gop in gops:
        by_row.setdefault(gop.segment.row, []).append(gop)
    sources: list[SourceSegment] = []
    for used in by_row.values():
        segment, last = used[0].segment, used[-1].row
        record = records.of(segment)
        size_bytes = last.offset_bytes + last.size_bytes if record is None else record.size_bytes
        sources.append(
            SourceSegment(
                path=segment.path,
                first_fragment=used[0].number,
                last_fragment=used[-1].number,
                leaf=segment.leaf,
                size_bytes=size_bytes,
                sha256=reader.sha256_up_to(segment, size_bytes)
                if record is None
                else record.sha256,
            )
        )
    return tuple(sources)


def _check_words(order: ClipOrder) -> None:
    """Before an hour of video is copied, not after."""
    for name, text, most in (
        ("--person", order.person, MAX_PERSON_CHARS),
        ("--reason", order.reason, MAX_REASON_CHARS),
    ):
        if not text.strip() or len(text) > most:
            raise EvidenceRefused(
                what=f"a text of {len(text.strip())} characters cannot be put on record",
                which=name,
                remedy=f"give 1 to {most} characters",
            )


def _names(final: Path, count: int) -> list[Path]:
    if count == 1:
        return [final]
    return [final.with_name(f"{final.stem}-{n}{final.suffix}") for n in range(1, count + 1)]


def _none_readable(reader: SegmentReader) -> EvidenceRefused:
    damage = reader.damages[0]
    return EvidenceRefused(
        what="none of what was asked for can be read",
        which=f"segments/{damage.path}, {damage.part} {damage.what}",
        remedy="roeh evidence check tells what else is damaged",
    )
