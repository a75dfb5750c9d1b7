"""The recording part by part: each group of pictures, or each segment where there are too many."""

from __future__ import annotations

from roeh.bundle.report.digest import Digest, GopLine, SegmentLine
from roeh.bundle.report.page import Block, Cell, Mark, Paragraph, Table, code, isolated
from roeh.bundle.report.words import Words
from roeh.core.moments import length_text, size_text, utc_text


def parts_blocks(words: Words, digest: Digest) -> tuple[Block, ...]:
    """A table, and a word on what is not in it."""
    blocks: list[Block] = []
    bad = [line for line in digest.segments if line.state not in {"intact", "deleted"}]
    if not digest.gop_count and not digest.segment_count:
        return (Paragraph(words.gops_none),)
    if digest.gops or not digest.gop_count:
        if bad or not digest.gops:
            blocks.append(_segments(words, digest.segments))
        if digest.gops:
            blocks.append(_gops(words, digest.gops))
        return tuple(blocks)
    blocks.append(Paragraph(words.segments_note.format(gops=code(digest.gop_count))))
    blocks.append(_segments(words, digest.segments))
    hidden = digest.segment_count - len(digest.segments)
    if hidden:
        blocks.append(Paragraph(words.segments_more.format(count=code(hidden))))
    return tuple(blocks)


def _gops(words: Words, gops: tuple[GopLine, ...]) -> Table:
    return Table(
        words.gops_caption,
        (words.camera, words.segment, words.gop, words.held_from, words.length, words.size,
         words.sha256, words.state),
        (2.2, 2.3, 1.7, 4.7, 1.8, 2.2, 7.5, 2.8),
        tuple(
            (
                Cell(isolated(gop.camera_id)),
                Cell(code(gop.segment)),
                Cell(code(gop.number)),
                Cell(code(utc_text(gop.from_utc_us))),
                Cell(code(length_text(gop.to_utc_us - gop.from_utc_us))),
                Cell(code(size_text(gop.size_bytes))),
                Cell(code(gop.sha256), is_code=True),
                _gop_state(words, gop),
            )
            for gop in gops
        ),
    )  # fmt: skip


def _gop_state(words: Words, gop: GopLine) -> Cell:
    if not gop.sha256:
        return Cell(words.state_missing, "bad")
    if not gop.is_as_recorded:
        return Cell(words.state_damaged, "bad")
    if not gop.is_proven:
        return Cell(words.state_unproven, "unsure")
    return Cell(words.state_intact)


def _segments(words: Words, segments: tuple[SegmentLine, ...]) -> Table:
    return Table(
        words.segments_caption,
        (words.camera, words.segment, words.held_from, words.length, words.gops, words.size,
         words.sha256, words.state),
        (2.2, 2.3, 4.7, 1.8, 1.8, 2.2, 7.5, 2.8),
        tuple(
            (
                Cell(isolated(segment.camera_id)),
                Cell(code(segment.segment)),
                Cell(code(utc_text(segment.from_utc_us))),
                Cell(code(length_text(segment.to_utc_us - segment.from_utc_us))),
                Cell(code(segment.gops)),
                Cell(code(size_text(segment.size_bytes))),
                Cell(code(segment.sha256), is_code=True),
                _segment_state(words, segment),
            )
            for segment in segments
        ),
    )  # fmt: skip


def _segment_state(words: Words, segment: SegmentLine) -> Cell:
    states: dict[str, tuple[str, Mark]] = {
        "damaged": (words.state_damaged, "bad"),
        "missing": (words.state_missing, "bad"),
        "unreadable": (words.state_unreadable, "bad"),
        "deleted": (words.state_deleted, ""),
    }
    if segment.state in states:
        return Cell(*states[segment.state])
    if not segment.is_proven:
        return Cell(words.state_unproven, "unsure")
    return Cell(words.state_intact)
