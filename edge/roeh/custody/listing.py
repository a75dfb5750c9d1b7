"""`roeh evidence list`: segments by camera, the gaps between them, and what is kept."""

from __future__ import annotations

from typing import IO, Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from roeh.bundle.choosing import segment_utc
from roeh.core.custody import EvidenceStatus, GapRow, SegmentRow
from roeh.core.errors import one_line
from roeh.core.moments import length_text, size_text, utc_text
from roeh.custody.holdings import Holdings, span_utc
from roeh.ledger.utc_spans import UtcSpan

_US_PER_DAY = 86_400_000_000


class Chosen(msgspec.Struct, frozen=True):
    """Which part of the holdings to show; None: no bound."""

    since_us: int | None = None
    until_us: int | None = None
    camera_id: str | None = None

    def when(self, holdings: Holdings) -> UtcSpan:
        """The time that is to be shown: without a bound, as far as there is video."""
        spans = [
            segment_utc(segment)
            for segment in holdings.segments
            if segment.is_present and self.camera_id in (None, segment.camera_id)
        ]
        from_us = min((span.from_us for span in spans), default=0)
        to_us = max((span.to_us for span in spans), default=2**53)
        return UtcSpan(
            from_us=from_us if self.since_us is None else self.since_us,
            to_us=to_us if self.until_us is None else self.until_us,
        )

    def takes(self, camera_id: str, when: UtcSpan) -> bool:
        """Whether something of that camera and time is to be shown."""
        return (
            self.camera_id in (None, camera_id)
            and (self.since_us is None or when.to_us > self.since_us)
            and (self.until_us is None or when.from_us < self.until_us)
        )


def print_list(
    holdings: Holdings, status: EvidenceStatus, chosen: Chosen, *, as_json: bool, out: IO[str]
) -> None:
    """Show what is held; pruned segments are left out."""
    segments = [
        segment
        for segment in holdings.segments
        if segment.is_present and chosen.takes(segment.camera_id, segment_utc(segment))
    ]
    gaps = [gap for gap in holdings.gaps if chosen.takes(gap.camera_id, gap_utc(gap))]
    if as_json:
        _print_json(holdings, status, segments, gaps, out)
        return
    # Not narrower than its columns: whoever pipes it gets every figure.
    console = Console(file=out, highlight=False, width=None if out.isatty() else 120)
    cameras = {segment.camera_id for segment in segments} | {gap.camera_id for gap in gaps}
    for camera_id in sorted(cameras):
        console.print(
            _table(
                camera_id,
                [segment for segment in segments if segment.camera_id == camera_id],
                [gap for gap in gaps if gap.camera_id == camera_id],
            )
        )
    if not segments and not gaps:
        console.print("nothing is recorded there")
    _print_holds(console, holdings)
    for line in status_lines(holdings, status):
        console.print(escape(line), soft_wrap=True)


def gap_utc(gap: GapRow) -> UtcSpan:
    """When nothing was recorded."""
    return UtcSpan(from_us=gap.from_utc_us, to_us=gap.to_utc_us)


def kept_by(segment: SegmentRow) -> str:
    """In words, why it is not deleted; empty: it may be."""
    return ", ".join(
        word for word, is_so in (("locked", segment.locked), ("held", segment.held)) if is_so
    )


def status_lines(holdings: Holdings, status: EvidenceStatus) -> list[str]:
    """The whole in a few lines: room, what is kept, wear, and what is wrong."""
    active = [lock for lock in holdings.locks if lock.state == "active"]
    holds = [hold for hold in holdings.holds if hold.state != "released"]
    ran_days = max(status.age_us / _US_PER_DAY, 1e-9)
    written = ", ".join(
        f"{name} {size_text(size)}" for name, size in sorted(status.bytes_written.items())
    )
    lines = [
        f"{status.segments} segments, {size_text(status.segments_bytes)} of "
        f"{size_text(status.max_bytes)}; {size_text(status.free_bytes)} free on the disk",
        f"kept by locks ({len(active)}): {size_text(status.locked_bytes)}, "
        f"by holds ({len(holds)}): {size_text(status.held_bytes)}",
        f"{status.ledger_size} records in the ledger; the node ran for "
        f"{length_text(status.age_us)}",
    ]
    if written and status.age_us > _US_PER_DAY // 24:
        a_day = sum(status.bytes_written.values()) / ran_days
        lines.append(f"written: {written}; {size_text(int(a_day))} a day")
    elif written:
        lines.append(f"written: {written}")
    doubtful = [row for row in holdings.segments if row.is_present and not row.synchronised]
    if doubtful:
        worst_us = max(row.utc_error_us for row in doubtful)
        lines.append(
            f"~ the clock was not synchronised for {len(doubtful)} segments: "
            f"their times may be off by {length_text(worst_us)} or more"
        )
    return lines + [f"ALARM: {one_line(alarm)}" for alarm in status.alarms]


def _table(camera_id: str, segments: list[SegmentRow], gaps: list[GapRow]) -> Table:
    table = Table(
        title=escape(one_line(camera_id)), title_justify="left", title_style="bold", box=None
    )
    for name in ("segment", "from (UTC)", "to (UTC)", "length", "size", "GOPs", "kept", "ended"):
        right = name in ("segment", "length", "size", "GOPs")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    rows = [
        (segment.t_utc_us, order, _segment_cells(segment), _style(segment))
        for order, segment in enumerate(segments)
    ]
    rows += [(gap.from_utc_us, order, _gap_cells(gap), "yellow") for order, gap in enumerate(gaps)]
    for _, _, cells, style in sorted(rows, key=lambda row: row[:2]):
        table.add_row(*(escape(one_line(cell)) for cell in cells), style=style)
    return table


def _segment_cells(segment: SegmentRow) -> tuple[str, ...]:
    when = segment_utc(segment)
    return (
        f"{segment.segment:08d}",
        utc_text(when.from_us, synchronised=when.synchronised),
        utc_text(when.to_us, synchronised=when.synchronised),
        length_text(when.to_us - when.from_us),
        size_text(segment.size_bytes),
        str(len(segment.fragments)),
        kept_by(segment),
        segment.end_reason or "being written",
    )


def _gap_cells(gap: GapRow) -> tuple[str, ...]:
    when = gap_utc(gap)
    length = length_text(when.to_us - when.from_us)
    return ("gap", utc_text(when.from_us), utc_text(when.to_us), length, "", "", "", gap.reason)


def _style(segment: SegmentRow) -> str:
    return "bold" if segment.held else "cyan" if segment.locked else ""


def _print_holds(console: Console, holdings: Holdings) -> None:
    for hold in holdings.holds:
        if hold.state == "released":
            continue
        asked = f"; {hold.release_asked_by} asks for its release" if hold.release_asked_by else ""
        text = (
            f"hold {hold.hold_id} by {hold.person} since {utc_text(hold.t_utc_us)}: "
            f"{hold.reason}{asked}"
        )
        console.print(escape(one_line(text)), style="bold", soft_wrap=True)


def _print_json(
    holdings: Holdings,
    status: EvidenceStatus,
    segments: list[SegmentRow],
    gaps: list[GapRow],
    out: IO[str],
) -> None:
    for segment in segments:
        when = segment_utc(segment)
        line = msgspec.structs.asdict(segment)
        line["fragments"] = len(segment.fragments)
        _write(out, "segment", line | {"from_utc_us": when.from_us, "to_utc_us": when.to_us})
    for gap in gaps:
        _write(out, "gap", msgspec.structs.asdict(gap))
    for lock in holdings.locks:
        span = span_utc(lock.span, holdings.segments)
        _write(out, "lock", msgspec.structs.asdict(lock) | {"utc": span})
    for hold in holdings.holds:
        _write(out, "hold", msgspec.structs.asdict(hold))
    _write(out, "status", msgspec.structs.asdict(status))


def _write(out: IO[str], kind: str, line: dict[str, Any]) -> None:
    print(msgspec.json.encode({"kind": kind} | line).decode(), file=out)
