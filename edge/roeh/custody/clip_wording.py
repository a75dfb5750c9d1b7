"""What a clip says of itself, what the ledger says of it, and what the screen says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

import msgspec

import roeh
from roeh.bundle.reading import Damage
from roeh.core.clock import NS_PER_US, Clock
from roeh.core.custody import GapRow
from roeh.core.errors import one_line
from roeh.core.moments import length_text, size_text
from roeh.custody.clip_file import WrittenClip
from roeh.custody.clip_times import precise, span_text
from roeh.custody.listing import gap_utc
from roeh.ledger.utc_spans import UtcSpan

_US_PER_S = 1_000_000


class SourceSegment(msgspec.Struct, frozen=True):
    """A segment that pictures of a clip are from.

    `sha256` is of its first `size_bytes`, which is all of it once it is closed; `leaf` is its
    record, None while it is being written.
    """

    path: str
    first_fragment: int
    last_fragment: int
    leaf: int | None
    size_bytes: int
    sha256: str


class ClipReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a clip.

    Attributes:
        asked: what was asked for, in words; `asked_utc` the same, where UTC is known.
        inside: from the first picture to the end of the last one.
        asked_for_to_us: the same without the `late_gops` at its end, which are there for the
            signatures that they bring.
        lacks_beginning: whether there is no video from the start that was asked for.
        lacks_end: likewise up to the end.
        gaps: when nothing was recorded, of what was asked for.
        deleted: segments that were asked for and had been deleted by rule.
    """

    camera_id: str
    asked: str
    asked_utc: UtcSpan | None
    inside: UtcSpan
    asked_for_to_us: int
    gops: int
    late_gops: int
    segments: tuple[SourceSegment, ...]
    lacks_beginning: bool
    lacks_end: bool
    gaps: tuple[GapRow, ...]
    deleted: tuple[str, ...]


def note_of(report: ClipReport, node: str, clock: Clock) -> str:
    """What the file says of itself."""
    now = clock.read()
    lines = [
        "This is a clip, a derivative: the originals are the segments named here. Nothing in it"
        " was transcoded; signatures of GOPs before its first one are left out, and that of its"
        " last one is not in it.",
        f"node: {node}",
        f"made: {precise(now.t_utc_ns // NS_PER_US)} by roeh {roeh.__version__}; "
        f"{_error_text(now.utc_error_ns // NS_PER_US, synchronised=now.synchronised)}",
        *(f"{name}: {text}" for name, text in _facts(report)),
    ]
    lines += [f"segment: {_source_text(source)}" for source in report.segments]
    return "".join(f"{one_line(line)}\n" for line in lines)


def detail_of(report: ClipReport, clip: WrittenClip, damages: int) -> str:
    """What the ledger says of it; the hash first."""
    first, last = report.segments[0], report.segments[-1]
    damaged = f", {damages} parts damaged" if damages else ""
    return one_line(
        f"sha256 {clip.sha256}, {clip.size_bytes} bytes, {report.camera_id}, "
        f"{span_text(report.inside)}, from {first.path} to {last.path}{damaged}"
    )


def print_clips(
    clips: Sequence[tuple[ClipReport, WrittenClip]],
    damages: Sequence[Damage],
    person: str,
    *,
    as_json: bool,
    out: IO[str],
) -> None:
    """What was made, and plainly what is wrong with it."""
    if as_json:
        for report, clip in clips:
            line = {"kind": "clip", "path": str(clip.final), "size_bytes": clip.size_bytes}
            line |= {"sha256": clip.sha256} | msgspec.structs.asdict(report)
            print(msgspec.json.encode(line).decode(), file=out)
        for damage in damages:
            line = {"kind": "damage"} | msgspec.structs.asdict(damage)
            print(msgspec.json.encode(line).decode(), file=out)
        return
    for report, clip in clips:
        length = length_text(report.inside.to_us - report.inside.from_us)
        size = size_text(clip.size_bytes)
        _say(out, f"{clip.final}: {length}, {_count(report.gops)}, {size}")
        for name, text in [*_facts(report), ("sha256", clip.sha256)]:
            _say(out, f"  {name:9} {text}")
        segments = report.segments
        _say(out, f"  {'from':9} {_source_text(segments[0])}")
        if len(segments) > 1:
            _say(out, f"  {'to':9} {_source_text(segments[-1])}")
        if len(segments) > 2:
            _say(out, f"  {'':9} {len(segments)} segments in all: the clip's note names each")
    if len(clips) > 1:
        _say(
            out,
            f"{len(clips)} files: between them the format changes, the count of signatures begins"
            " again, or other video was recorded",
        )
    for damage in damages:
        became = "left out of the clip" if damage.is_left_out else "in the clip as it is now"
        _say(out, f"FAIL segments/{damage.path}: {damage.part} {damage.what}; {became}")
    _say(out, f"A derivative: the originals are the segments. On record: taken by {person}.")


def _facts(report: ClipReport) -> list[tuple[str, str]]:
    inside = report.inside
    facts = [("camera", report.camera_id), ("asked for", report.asked)]
    late = ""
    if report.late_gops:
        late = (
            f", the last {length_text(inside.to_us - report.asked_for_to_us)}"
            f" ({_count(report.late_gops)}) for the signatures in it"
        )
    facts.append(("inside", f"{span_text(inside)}{late}"))
    facts.append(("clock", _error_text(inside.error_us, synchronised=inside.synchronised)))
    if report.lacks_beginning:
        facts.append(("no video", f"before {precise(inside.from_us)}"))
    if report.lacks_end:
        facts.append(("no video", f"after {precise(report.asked_for_to_us)}"))
    for gap in report.gaps:
        when = gap_utc(gap)
        length = length_text(when.to_us - when.from_us)
        facts.append(("gap", f"{span_text(when)}, {length}: {gap.reason}"))
    facts += [("deleted", f"segments/{path}, by rule before this clip") for path in report.deleted]
    return facts


def _source_text(source: SourceSegment) -> str:
    fragments = f"fragments {source.first_fragment} to {source.last_fragment}"
    if source.leaf is None:
        return (
            f"segments/{source.path}, {fragments}, being written: "
            f"its first {source.size_bytes} bytes have sha256 {source.sha256}"
        )
    return f"segments/{source.path}, {fragments}, leaf {source.leaf}, sha256 {source.sha256}"


def _count(gops: int) -> str:
    return "1 GOP" if gops == 1 else f"{gops} GOPs"


def _error_text(error_us: int, *, synchronised: bool) -> str:
    if synchronised:
        return f"times are off by at most {_short(error_us)}"
    return f"the clock was not synchronised: times are off by {_short(error_us)} or more"


def _short(length_us: int) -> str:
    if length_us < _US_PER_S:
        return f"{max(length_us / 1000, 0.1):.1f} ms"
    return length_text(length_us)


def _say(out: IO[str], line: str) -> None:
    print(one_line(line), file=out)
