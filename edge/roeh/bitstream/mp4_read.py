"""MP4 with one video track of H.264 or H.265, read whoever wrote it: fragments or one index.

Whatever the bytes are, the answer is pictures or Malformed with an offset. What is held in
memory is bounded by the size of what is read: pictures do not overlap and none is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec

from roeh.bitstream.boxes import Box, Bytes, boxes, loaded, opened
from roeh.bitstream.malformed import Malformed
from roeh.bitstream.mp4_fragment import fragment_samples
from roeh.bitstream.mp4_index import index_samples
from roeh.bitstream.mp4_track import Sample, Track, read_track
from roeh.bitstream.nal import LENGTH_BYTES, Octets, join_length_prefixed
from roeh.core.gop import TICKS_PER_S, AccessUnit, CodecConfig

_MAX_TICKS = 2**53


class FragmentRead(msgspec.Struct, frozen=True, kw_only=True):
    """One `moof` with its `mdat`.

    Attributes:
        offset_bytes: where it begins in the file.
        size_bytes: both boxes, and what stands between them.
        sequence_number: as it states; 1 for the first that we write.
        base_dts: ticks of its first picture in this file.
        end_dts: where its last picture ends.
        units: the pictures in decoding order, with times of this file.
        unit_offsets_bytes: where in the file each of them begins.
    """

    offset_bytes: int
    size_bytes: int
    sequence_number: int
    base_dts: int
    end_dts: int
    units: tuple[AccessUnit, ...]
    unit_offsets_bytes: tuple[int, ...]


class PictureRead(msgspec.Struct, frozen=True):
    """A picture and where in the file it begins."""

    offset_bytes: int
    unit: AccessUnit


class VideoRead(msgspec.Struct, frozen=True):
    """All pictures of a file, in decoding order."""

    config: CodecConfig
    pictures: tuple[PictureRead, ...]


def read_init(source: Octets | BinaryIO) -> CodecConfig:
    """What the decoder has to know, out of `moov`.

    Raises:
        Malformed: there is none, or it has no video track of H.264 or H.265.
    """
    return _track(opened(source)).config


def init_size_bytes(source: Octets | BinaryIO) -> int:
    """Bytes up to the end of `moov`, which in our files is where the fragments begin.

    Raises:
        Malformed: there is none.
    """
    return _moov(opened(source)).end


def read_fragments(source: Octets | BinaryIO) -> Iterator[FragmentRead]:
    """The fragments of a file one after the other, each read when it is asked for.

    Raises:
        Malformed: at the offset of the first thing that is damaged or cut off: what was
            given before is whole.
    """
    opened_source = opened(source)
    pictures = _Pictures(opened_source, _track(opened_source))
    return _fragments(opened_source, pictures)


def read_video(source: Octets | BinaryIO) -> VideoRead:
    """All pictures of a file, of its index and of its fragments.

    A writer that states negative offsets (we never do) has pictures shown before they are
    decoded, by its own edit list, which is not read: only differences of times count then.

    Raises:
        Malformed: anything in it is damaged or cut off.
    """
    opened_source = opened(source)
    track = _track(opened_source)
    pictures = _Pictures(opened_source, track)
    found = [
        PictureRead(sample.offset_bytes, unit)
        for sample, unit in pictures.read(index_samples(track))
    ]
    for fragment in _fragments(opened_source, pictures):
        found += map(PictureRead, fragment.unit_offsets_bytes, fragment.units)
    return VideoRead(track.config, tuple(found))


def _moov(source: Bytes) -> Box:
    for box in boxes(source, 0, source.end):
        if box.kind == b"moov":
            return box
    raise Malformed("no moov box: not an MP4 file, or cut off before its header", source.end)


def _track(source: Bytes) -> Track:
    moov = _moov(source)
    return read_track(loaded(source, moov), moov)


def _fragments(source: Bytes, pictures: _Pictures) -> Iterator[FragmentRead]:
    moof: Box | None = None
    for box in boxes(source, 0, source.end):
        if box.kind == b"moof":
            if moof is not None:
                raise Malformed("a fragment without pictures", moof.offset)
            moof = box
        elif box.kind == b"mdat" and moof is not None:
            yield _fragment(source, moof, box, pictures)
            moof = None
    if moof is not None:
        raise Malformed("a fragment without pictures", moof.offset)


def _fragment(source: Bytes, moof: Box, mdat: Box, pictures: _Pictures) -> FragmentRead:
    index = fragment_samples(loaded(source, moof), moof, mdat, pictures.track)
    read = list(pictures.read(index.samples))
    return FragmentRead(
        offset_bytes=moof.offset,
        size_bytes=mdat.end - moof.offset,
        sequence_number=index.sequence_number,
        base_dts=pictures.ticks(index.base_time, moof.offset),
        end_dts=pictures.ticks(index.end_time, moof.offset),
        units=tuple(unit for _, unit in read),
        unit_offsets_bytes=tuple(sample.offset_bytes for sample, _ in read),
    )


class _Pictures:
    """Takes pictures out of a file until there cannot be more in it."""

    def __init__(self, source: Bytes, track: Track) -> None:
        self.track = track
        self._source = source
        self._left_bytes = source.end

    def read(self, samples: Iterable[Sample]) -> Iterator[tuple[Sample, AccessUnit]]:
        for sample in samples:
            at, size = sample.offset_bytes, sample.size_bytes
            if size <= self.track.length_bytes or at + size > self._source.end:
                raise Malformed("a picture where none can be", min(at, self._source.end))
            self._left_bytes -= size
            if self._left_bytes < 0:
                raise Malformed("pictures that overlap", at)
            octets = bytes(self._source.read(at, size))
            if len(octets) < size:
                raise Malformed("a file that became shorter", at)
            dts = self.ticks(sample.time, at)
            pts = self.ticks(sample.time + sample.composition, at)
            nal_units = _with_long_lengths(octets, self.track.length_bytes, at)
            yield sample, AccessUnit(nal_units, dts, pts, sample.is_key)

    def ticks(self, time: int, offset_bytes: int) -> int:
        ticks = time * TICKS_PER_S // self.track.timescale
        if not -_MAX_TICKS < ticks < _MAX_TICKS:
            raise Malformed("a picture at a time that cannot be meant", offset_bytes)
        return ticks


def _with_long_lengths(octets: bytes, length_bytes: int, offset_bytes: int) -> bytes:
    """A picture with the 4-byte lengths that every access unit of ours has."""
    if length_bytes == LENGTH_BYTES:
        return octets
    nals: list[bytes] = []
    at = 0
    while at < len(octets):
        size = int.from_bytes(octets[at : at + length_bytes], "big")
        at += length_bytes
        if not 0 < size <= len(octets) - at:
            raise Malformed("a NAL unit that does not fit its picture", offset_bytes + at)
        nals.append(octets[at : at + size])
        at += size
    return join_length_prefixed(nals)
