"""One file against its record in the ledger. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from roeh.ledger.records import SegmentRecord
from roeh.verify.reading import FileFacts, Piece
from roeh.verify.report import Aspect, Finding, Weight


class FileComparison(msgspec.Struct, frozen=True):
    """What came of it. `gop_matches` has an entry for each fragment that the record names."""

    findings: tuple[Finding, ...]
    gop_matches: tuple[bool, ...]


def pieces_of(record: SegmentRecord | None) -> Sequence[Piece]:
    """What a segment file consists of, as its record says: init part, then fragments."""
    if record is None:
        return ()
    return (
        Piece(record.init_bytes, record.init_sha256),
        *(Piece(fragment.size_bytes, fragment.sha256) for fragment in record.fragments),
    )


def compare(facts: FileFacts, record: SegmentRecord, leaf: int, shown: str) -> FileComparison:
    """Hold a file against its record."""
    expected_bytes = sum(piece.size_bytes for piece in pieces_of(record))
    in_place = facts.pieces_in_place
    matches = list(in_place[1:])
    found: list[Finding] = []

    def find(what: str, detail: str, gop: int | None = None) -> None:
        found.append(
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

    if not in_place[0]:
        find("init_changed", "the header before the first GOP is not the one recorded")
    if not all(matches):
        # What was changed in length moves all that follows: a GOP is looked for everywhere.
        there = Counter(facts.fragments_sha256)
        for number, fragment in enumerate(record.fragments):
            matches[number] = there[fragment.sha256] > 0
            there[fragment.sha256] -= matches[number]
        gone = [number for number, is_there in enumerate(matches, 1) if not is_there]
        is_cut = facts.size_bytes < expected_bytes and facts.damage is not None
        if gone and is_cut and gone == list(range(gone[0], len(matches) + 1)):
            upto = f" to {gone[-1]}" if len(gone) > 1 else ""
            find(
                "truncated",
                f"the file ends after {facts.size_bytes} of {expected_bytes} bytes, in or before"
                f" GOP {gone[0]}{upto}",
                gone[0],
            )
        else:
            for gop in gone:
                find("gop_changed", "these are not the bytes whose hash was recorded", gop)
        if not gone:
            first = list(in_place[1:]).index(False) + 1
            find("gop_displaced", "is recorded, but stands elsewhere in the file", first)
    elif facts.size_bytes > expected_bytes:
        extra = facts.size_bytes - expected_bytes
        find("bytes_added", f"{extra} bytes stand behind the last GOP recorded", len(matches))
    is_whole = all(in_place) and facts.size_bytes == expected_bytes
    if is_whole and (facts.sha256.hex() != record.sha256 or record.size_bytes != expected_bytes):
        found.append(
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
    return FileComparison(tuple(found), tuple(matches))
