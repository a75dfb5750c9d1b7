"""Where the pictures of a fragment are: `moof`, as any writer may have laid it out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import msgspec

from roeh.bitstream.boxes import Box, Bytes, Fields, child, children
from roeh.bitstream.malformed import Malformed
from roeh.bitstream.mp4_track import NOT_KEY, Sample, SampleDefaults, Track

# tfhd
_BASE_DATA_OFFSET = 0x1
_SAMPLE_DESCRIPTION = 0x2
_DEFAULT_DURATION = 0x8
_DEFAULT_SIZE = 0x10
_DEFAULT_FLAGS = 0x20
# trun
_DATA_OFFSET = 0x1
_FIRST_FLAGS = 0x4
_DURATION = 0x100
_SIZE = 0x200
_FLAGS = 0x400
_COMPOSITION = 0x800


class FragmentIndex(msgspec.Struct, frozen=True):
    """What a moof says of its pictures; times in units of the track's timescale."""

    sequence_number: int
    base_time: int
    end_time: int
    samples: tuple[Sample, ...]


def fragment_samples(source: Bytes, moof: Box, mdat: Box, track: Track) -> FragmentIndex:
    """The pictures of the video track in a fragment.

    Raises:
        Malformed: it has none, one that is not in its `mdat`, or more than fit there.
    """
    header = Fields(source, child(source, moof, b"mfhd"))
    header.take(4)
    sequence_number = header.unsigned(4)
    for traf in children(source, moof, b"traf"):
        fragment = _TrackFragment(source, moof, mdat, traf, track)
        if fragment.track_id == track.track_id:
            samples = tuple(fragment.samples())
            if not samples:
                break
            return FragmentIndex(sequence_number, samples[0].time, fragment.time, samples)
    raise Malformed("a fragment without a picture", moof.offset)


class _TrackFragment:
    """One traf; `time` is where the pictures walked so far end."""

    def __init__(self, source: Bytes, moof: Box, mdat: Box, traf: Box, track: Track) -> None:
        self._source = source
        self._mdat = mdat
        self._traf = traf
        self._min_bytes = track.length_bytes + 1
        self._left_bytes = mdat.end - mdat.start
        fields = Fields(source, child(source, traf, b"tfhd"))
        _, flags = fields.version_and_flags()
        self.track_id = fields.unsigned(4)
        # Without an offset of its own it counts from the moof, flagged so or not: we take
        # the first track of a fragment only, for which the standard says the same.
        self._base = fields.unsigned(8) if flags & _BASE_DATA_OFFSET else moof.offset
        if flags & _SAMPLE_DESCRIPTION:
            fields.take(4)
        defaults = track.defaults
        self._defaults = SampleDefaults(
            fields.unsigned(4) if flags & _DEFAULT_DURATION else defaults.duration,
            fields.unsigned(4) if flags & _DEFAULT_SIZE else defaults.size_bytes,
            fields.unsigned(4) if flags & _DEFAULT_FLAGS else defaults.flags,
        )
        self.time = self._decode_time()

    def _decode_time(self) -> int:
        fields = Fields(self._source, child(self._source, self._traf, b"tfdt"))
        version, _ = fields.version_and_flags()
        return fields.unsigned(8 if version else 4)

    def samples(self) -> Iterator[Sample]:
        offset = self._base
        for trun in children(self._source, self._traf, b"trun"):
            for sample in self._run(trun, offset):
                offset = sample.offset_bytes + sample.size_bytes
                yield sample

    def _run(self, trun: Box, offset: int) -> Iterator[Sample]:
        fields = Fields(self._source, trun)
        _, flags = fields.version_and_flags()
        count = fields.unsigned(4)
        if flags & _DATA_OFFSET:
            offset = self._base + int.from_bytes(fields.take(4), "big", signed=True)
        first_flags = fields.unsigned(4) if flags & _FIRST_FLAGS else None
        # Composition offsets are read as signed in version 0 too, as writers mean them.
        columns = [(_DURATION, "I"), (_SIZE, "I"), (_FLAGS, "I"), (_COMPOSITION, "i")]
        present = [flag for flag, _ in columns if flags & flag]
        layout = "".join(kind for flag, kind in columns if flags & flag)
        rows = fields.table(layout, count) if layout else itertools.repeat((), count)
        for number, row in enumerate(rows):
            own = dict(zip(present, row, strict=True))
            own_flags = own.get(_FLAGS, self._defaults.flags)
            if number == 0 and first_flags is not None:
                own_flags = first_flags
            size = own.get(_SIZE, self._defaults.size_bytes)
            self._check(trun, offset, size)
            is_key = not own_flags & NOT_KEY
            yield Sample(offset, size, self.time, own.get(_COMPOSITION, 0), is_key)
            offset += size
            self.time += own.get(_DURATION, self._defaults.duration)

    def _check(self, trun: Box, offset: int, size: int) -> None:
        self._left_bytes -= size
        if (
            size < self._min_bytes
            or self._left_bytes < 0
            or not self._mdat.start <= offset <= self._mdat.end - size
        ):
            raise Malformed("a picture where none can be", trun.offset)
