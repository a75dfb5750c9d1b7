"""Where the pictures of an ordinary MP4 are: the sample table of `moov`."""

from __future__ import annotations

from collections.abc import Iterator

from roeh.bitstream.boxes import Fields, child, children
from roeh.bitstream.malformed import Malformed
from roeh.bitstream.mp4_track import Sample, Track


def index_samples(track: Track) -> Iterator[Sample]:
    """The pictures of the video track in decoding order; none when all are in fragments.

    Each is made when it is asked for: a table may claim more than there is.

    Raises:
        Malformed: tables that are cut off or contradict each other.
    """
    sizes = _sizes(track)
    chunks = _chunks(track)
    if not chunks:
        return
    times = _times(track)
    compositions = _compositions(track)
    keys = _keys(track)
    number = 0
    for offset, count in chunks:
        at = offset
        for _ in range(count):
            size = next(sizes, None)
            if size is None:
                return
            number += 1
            is_key = keys is None or number in keys
            yield Sample(at, size, next(times), next(compositions), is_key)
            at += size


def _fields(track: Track, kind: bytes) -> Fields | None:
    found = next(children(track.source, track.table, kind), None)
    if found is None:
        return None
    fields = Fields(track.source, found)
    fields.take(4)
    return fields


def _sizes(track: Track) -> Iterator[int]:
    fields = Fields(track.source, child(track.source, track.table, b"stsz"))
    fields.take(4)
    common, count = fields.unsigned(4), fields.unsigned(4)
    if common:
        return (common for _ in range(count))
    return (row[0] for row in fields.table("I", count))


def _chunks(track: Track) -> list[tuple[int, int]]:
    """Offset and number of pictures of each chunk."""
    offsets = _fields(track, b"co64")
    column = "Q"
    if offsets is None:
        offsets, column = _fields(track, b"stco"), "I"
    if offsets is None:
        raise Malformed("a track without its offsets", track.table.offset)
    starts = [row[0] for row in offsets.table(column, offsets.unsigned(4))]
    runs = _fields(track, b"stsc")
    if runs is None:
        raise Malformed("a track without its chunks", track.table.offset)
    rows = list(runs.table("III", runs.unsigned(4)))
    chunks: list[tuple[int, int]] = []
    for row, (first, count, _description) in enumerate(rows):
        last = rows[row + 1][0] if row + 1 < len(rows) else len(starts) + 1
        if first != len(chunks) + 1 or last < first:
            raise Malformed("chunks out of order", track.table.offset)
        chunks += [(start, count) for start in starts[first - 1 : last - 1]]
    return chunks


def _times(track: Track) -> Iterator[int]:
    fields = _fields(track, b"stts")
    if fields is None:
        raise Malformed("a track without its times", track.table.offset)
    time = 0
    duration = 0
    for count, duration in fields.table("II", fields.unsigned(4)):
        for _ in range(count):
            yield time
            time += duration
    while True:  # a table that is too short goes on as it ended
        yield time
        time += duration


def _compositions(track: Track) -> Iterator[int]:
    fields = _fields(track, b"ctts")
    # Read as signed in version 0 too, as writers mean them.
    for count, offset in fields.table("Ii", fields.unsigned(4)) if fields else ():
        for _ in range(count):
            yield offset
    while True:
        yield 0


def _keys(track: Track) -> set[int] | None:
    """Numbers of the key pictures, from 1; None when all are."""
    fields = _fields(track, b"stss")
    if fields is None:
        return None
    return {row[0] for row in fields.table("I", fields.unsigned(4))}
