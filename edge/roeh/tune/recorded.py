"""Footage that a pole recorded: its own segments, each group of pictures checked as it is read."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

import msgspec

from roeh.bitstream.cut import ClipGop
from roeh.bitstream.malformed import Malformed
from roeh.bundle.choosing import StoredGop
from roeh.bundle.reading import SegmentReader
from roeh.core.clock import NS_PER_US, ClockReading
from roeh.core.config import SensorSection
from roeh.core.gop import CodecConfig
from roeh.core.types import Size
from roeh.ledger.records import SegmentRecord
from roeh.ledger.segments import SegmentFiles
from roeh.ledger.utc_spans import UtcSpan
from roeh.media.decode import DecodedPicture, PictureFormat
from roeh.media.frames import PixelFrame
from roeh.media.gop_decode import GopDecoder
from roeh.sources.footage import fitted
from roeh.sources.protocol import SourceFrame
from roeh.sources.timeline import frame_at
from roeh.tune.footage import FootageFacts, Moment

#: Groups farther apart than this do not follow each other: the decoder begins anew.
_JOINT_US = 100_000


class StoredFootage(msgspec.Struct, frozen=True):
    """Which groups of pictures of which camera, and what the ledger says of their segments.

    Attributes:
        gops: by camera, in the order of the index.
        records: by the leaf of a segment.
    """

    gops: Mapping[str, tuple[StoredGop, ...]]
    records: Mapping[int, SegmentRecord]


class RecordedFootage:
    """The `Footage` of a node's segments.

    Args:
        stored: what is to be gone through; something of each camera.
        sections: of the sensors, by name.
        files: the segments.
    """

    def __init__(
        self,
        stored: StoredFootage,
        sections: Mapping[str, SensorSection],
        files: SegmentFiles,
    ) -> None:
        self._stored = stored
        self._sections = sections
        self._files = files
        self._reader = SegmentReader(files, lambda _size_bytes: None)
        self._boots = _boots_in_order(stored.gops.values())

    @property
    def facts(self) -> FootageFacts:
        """What there is of it."""
        every = [gop for gops in self._stored.gops.values() for gop in gops]
        return FootageFacts(
            identity="recorded by the pole",
            cameras=tuple(sorted(self._stored.gops)),
            when=UtcSpan(
                from_us=min(gop.utc.from_us for gop in every),
                to_us=max(gop.utc.to_us for gop in every),
                error_us=max(gop.segment.utc_error_us for gop in every),
                synchronised=all(gop.segment.synchronised for gop in every),
            ),
            length_us=sum(gop.row.t_end_mono_us - gop.row.t_first_mono_us for gop in every),
        )

    @property
    def damages(self) -> tuple[str, ...]:
        """What could not be read, or is not what was recorded."""
        lines = (f"segments/{one.path}, {one.part} {one.what}" for one in self._reader.damages)
        return tuple(dict.fromkeys(lines))

    def frames(
        self, stop: threading.Event, *, since: Moment | None = None
    ) -> Iterator[SourceFrame]:
        """Boot by boot, the cameras' pictures in the order of their times."""
        boots = self._boots
        if since is not None and since.boot_id in boots:
            boots = boots[boots.index(since.boot_id) :]
        for boot_id in boots:
            begin_ns = since.t_mono_ns if since is not None and boot_id == since.boot_id else 0
            of_cameras = [
                self._of_camera(name, boot_id, begin_ns) for name in sorted(self._stored.gops)
            ]
            for frame in heapq.merge(*of_cameras, key=lambda frame: frame.info.t_mono_ns):
                if stop.is_set():
                    return
                yield frame

    def samples(self, count: int) -> tuple[Moment, ...]:
        """Moments spread evenly over it."""
        gops = self._stored.gops[sorted(self._stored.gops)[0]]
        chosen = (gops[len(gops) * number // count] for number in range(count))
        return tuple(
            Moment(gop.segment.boot_id, gop.row.t_first_mono_us * NS_PER_US) for gop in chosen
        )

    def picture(self, camera_id: str, at: Moment) -> PixelFrame | None:
        """The picture that was taken nearest to that moment, of the group that holds it."""
        at_us = at.t_mono_ns // NS_PER_US
        holding = [
            gop
            for gop in self._stored.gops.get(camera_id, ())
            if gop.segment.boot_id == at.boot_id
            and gop.row.t_first_mono_us <= at_us < gop.row.t_end_mono_us
        ]
        shown = list(_pictures(self._reader, holding[:1], self._stored.records))
        if not shown:
            return None
        nearest = min(shown, key=lambda one: abs(one.t_mono_ns - at.t_mono_ns))
        return self._frame(camera_id, 0, nearest).read()

    def _of_camera(self, camera_id: str, boot_id: str, begin_ns: int) -> Iterator[SourceFrame]:
        gops = [
            gop
            for gop in self._stored.gops[camera_id]
            if gop.segment.boot_id == boot_id and gop.row.t_end_mono_us * NS_PER_US > begin_ns
        ]
        last_ns = -1
        for seq, shown in enumerate(_pictures(self._reader, gops, self._stored.records)):
            # Times grow, as those of a live camera do.
            if shown.t_mono_ns > last_ns and shown.t_mono_ns >= begin_ns:
                last_ns = shown.t_mono_ns
                yield self._frame(camera_id, seq, shown)

    def _frame(self, camera_id: str, seq: int, shown: _Shown) -> SourceFrame:
        lens = self._sections[camera_id].lens
        layout: PictureFormat = fitted(
            shown.picture.size, Size(lens.width_px, lens.height_px), f"segments of {camera_id}"
        )
        segment = shown.gop.segment
        at = ClockReading(
            t_mono_ns=shown.t_mono_ns,
            t_utc_ns=shown.t_mono_ns + (segment.t_utc_us - segment.t_first_mono_us) * NS_PER_US,
            utc_error_ns=segment.utc_error_us * NS_PER_US,
            synchronised=segment.synchronised,
            boot_id=segment.boot_id,
        )
        info = frame_at(camera_id, seq, at, layout)
        return SourceFrame(info, partial(shown.picture.write_into, wanted=layout))


class _Shown(msgspec.Struct, frozen=True):
    """A decoded picture, when it was taken, and a group of its segment."""

    picture: DecodedPicture
    t_mono_ns: int
    gop: StoredGop


def _pictures(
    reader: SegmentReader, gops: Iterable[StoredGop], records: Mapping[int, SegmentRecord]
) -> Iterator[_Shown]:
    """Decoded in the order of showing; a decoder for each run of groups that follow each other."""
    decoder: GopDecoder | None = None
    config: CodecConfig | None = None
    before: StoredGop | None = None
    for gop in gops:
        # Its beginning is compared with the ledger when it is read first.
        leaf = gop.segment.leaf
        reader.config(gop.segment, None if leaf is None else records.get(leaf))
        read: ClipGop | None = next(reader.gops([gop]), None)
        if read is None:
            continue
        is_joined = (
            before is not None
            and abs(gop.row.t_first_mono_us - before.row.t_end_mono_us) <= _JOINT_US
        )
        if decoder is None or read.config != config or not is_joined:
            if decoder is not None and before is not None:
                yield from _shown(decoder.flush(), before)
            try:
                decoder = GopDecoder(read.config)
            except Malformed:
                decoder = before = None
                continue
            config = read.config
        yield from _shown(decoder.pictures(read.units, gop.row.t_first_mono_us), gop)
        before = gop
    if decoder is not None and before is not None:
        yield from _shown(decoder.flush(), before)


def _shown(pictures: Iterable[DecodedPicture], gop: StoredGop) -> Iterator[_Shown]:
    for picture in pictures:
        if picture.pts_ns is not None:
            yield _Shown(picture, picture.pts_ns, gop)


def _boots_in_order(of_cameras: Iterable[Sequence[StoredGop]]) -> list[str]:
    """Boots as they followed each other: by the rows of the index, which time cannot turn round."""
    first_rows: dict[str, int] = {}
    for gops in of_cameras:
        for gop in gops:
            known = first_rows.get(gop.segment.boot_id, gop.segment.row)
            first_rows[gop.segment.boot_id] = min(known, gop.segment.row)
    return sorted(first_rows, key=lambda boot_id: first_rows[boot_id])
