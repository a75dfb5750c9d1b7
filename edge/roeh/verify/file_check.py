"""One file against its record in the ledger. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from roeh.ledger.records import SegmentRecord
from roeh.verify.reading import FileFacts
from roeh.verify.report import Aspect, Finding, Weight


class FileComparison(msgspec.Struct, frozen=True):
    """What came of it. `gop_matches` has an entry for each fragment that the record names."""

    findings: tuple[Finding, ...]
    gop_matches: tuple[bool, ...]


def pieces_of(record: SegmentRecord | None) -> Sequence[int]:
    """The stretches of a segment file that its record names: init part, then fragments."""
    if record is None:
        return ()
    return (record.init_bytes, *(fragment.size_bytes for fragment in record.fragments))


def compare(facts: FileFacts, record: SegmentRecord, leaf: int, shown: str) -> FileComparison:
    """Hold a file against its record."""
    findings: list[Finding] = []

    def found(what: str, detail: str, gop: int | None = None) -> None:
        findings.append(
            Finding(
                aspect=Aspect.BYTES,
                weight=Weight.FAIL,
                what=what,
                detail=detail,
                path=shown,
                gop=gop,
                leaf=leaf,
            )
        )

    pieces = [None if piece is None else piece.hex() for piece in facts.pieces_sha256]
    expected = [record.init_sha256, *(fragment.sha256 for fragment in record.fragments)]
    matches = [piece == wanted for piece, wanted in zip(pieces, expected, strict=True)]
    expected_bytes = sum(pieces_of(record))
    if not matches[0]:
        found("init_changed", "the header before the first GOP is not the one recorded")
    for gop, (piece, is_same) in enumerate(zip(pieces[1:], matches[1:], strict=True), 1):
        if piece is None:
            last = len(expected) - 1
            upto = f" to {last}" if last > gop else ""
            found(
                "truncated",
                f"the file ends after {facts.size_bytes} of {expected_bytes} bytes: GOP"
                f" {gop}{upto} is cut off",
                gop,
            )
            break
        if not is_same:
            found("gop_changed", "the bytes are not those whose hash was recorded", gop)
    if facts.size_bytes > expected_bytes:
        extra = facts.size_bytes - expected_bytes
        found("bytes_added", f"{extra} bytes stand behind the last GOP recorded", len(expected))
    is_whole = all(matches) and facts.size_bytes == expected_bytes
    if is_whole and (facts.sha256.hex() != record.sha256 or record.size_bytes != expected_bytes):
        findings.append(
            Finding(
                aspect=Aspect.COMPLETE,
                weight=Weight.FAIL,
                what="record_wrong",
                detail="the record does not agree with itself: every part of the file is as it"
                " says, and the whole is not",
                path=shown,
                leaf=leaf,
            )
        )
    return FileComparison(tuple(findings), tuple(matches[1:]))
