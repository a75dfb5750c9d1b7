"""Pictures out of segments, by the times of the index; damage is passed over and counted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import msgspec

from roeh.bitstream.malformed import Malformed
from roeh.bitstream.mp4_read import FragmentRead, init_size_bytes, read_fragments, read_init
from roeh.core.gop import CodecConfig
from roeh.core.rendering import FragmentInput, SegmentInput
from roeh.media.decode import DecodedPicture
from roeh.media.gop_decode import GopDecoder

#: `ftyp` and `moov` of a segment are a few hundred bytes.
_MAX_INIT_BYTES = 64 * 1024
#: Farther apart than this, two groups of pictures do not follow each other.
_SEAM_US = 1_000_000
_MIN_FPS, _MAX_FPS = 1.0, 60.0


class Stored(msgspec.Struct, frozen=True):
    """A group of pictures: where it is and when."""

    segment: int
    fragment: FragmentInput


class Recording:
    """The segments of one camera as they were handed over.

    Args:
        segments: in the order of their recording.
        descriptors: of their files, in the same order.
    """

    def __init__(self, segments: Sequence[SegmentInput], descriptors: Sequence[int]) -> None:
        if len(segments) != len(descriptors):
            raise ValueError("as many descriptors as segments are needed")
        self.damaged = 0
        self._segments = segments
        self._descriptors = descriptors
        self._inits: dict[int, bytes] = {}

    def stored(self, from_utc_us: int, to_utc_us: int) -> list[Stored]:
        """The groups that reach into a span."""
        return [
            Stored(number, fragment)
            for number, segment in enumerate(self._segments)
            for fragment in segment.fragments
            if fragment.t_first_utc_us < to_utc_us and fragment.t_end_utc_us > from_utc_us
        ]

    def pictures(self, groups: Sequence[Stored]) -> Iterator[tuple[int, DecodedPicture]]:
        """(UTC in microseconds, picture) of these groups; times may step where the clock did."""
        decoder: GopDecoder | None = None
        config: CodecConfig | None = None
        end_us = 0
        for group in groups:
            read = self._read(group)
            if read is None:
                continue
            found, fragment = read
            first_us = group.fragment.t_first_utc_us
            if decoder is None or found != config or abs(first_us - end_us) > _SEAM_US:
                if decoder is not None:
                    yield from self._counted(decoder, decoder.flush())
                decoder, config = self._decoder(found), found
            end_us = group.fragment.t_end_utc_us
            if decoder is not None:
                yield from self._counted(decoder, decoder.pictures(fragment.units, first_us))
        if decoder is not None:
            yield from self._counted(decoder, decoder.flush())

    def fps(self, groups: Sequence[Stored]) -> float:
        """Pictures a second of the first group that can be read."""
        for group in groups:
            read = self._read(group, counts=False)
            if read is not None:
                length_s = (group.fragment.t_end_utc_us - group.fragment.t_first_utc_us) / 1e6
                if length_s > 0:
                    return min(_MAX_FPS, max(_MIN_FPS, len(read[1].units) / length_s))
        return _MIN_FPS

    def _counted(
        self, decoder: GopDecoder, pictures: Iterator[DecodedPicture]
    ) -> Iterator[tuple[int, DecodedPicture]]:
        before = decoder.damaged_units
        is_damaged = False
        for picture in pictures:
            is_damaged |= picture.is_corrupt
            if picture.pts_ns is not None:
                yield picture.pts_ns // 1000, picture
        self.damaged += is_damaged or decoder.damaged_units > before

    def _decoder(self, config: CodecConfig) -> GopDecoder | None:
        try:
            return GopDecoder(config)
        except Malformed:
            self.damaged += 1
            return None

    def _read(
        self, group: Stored, *, counts: bool = True
    ) -> tuple[CodecConfig, FragmentRead] | None:
        descriptor, where = self._descriptors[group.segment], group.fragment
        try:
            init = self._init(group.segment)
            content = os.pread(descriptor, where.size_bytes, where.offset_bytes)
            config = read_init(init)
            fragment = next(read_fragments(init + content), None)
        except Malformed:
            fragment = None
        if fragment is None or not fragment.units:
            self.damaged += counts
            return None
        return config, fragment

    def _init(self, segment: int) -> bytes:
        if segment not in self._inits:
            begin = os.pread(self._descriptors[segment], _MAX_INIT_BYTES, 0)
            self._inits[segment] = begin[: init_size_bytes(begin)]
        return self._inits[segment]
