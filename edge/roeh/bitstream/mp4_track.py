"""The video track that `moov` describes."""

from __future__ import annotations

import msgspec

from roeh.bitstream.boxes import Box, Bytes, Fields, boxes, child, children
from roeh.bitstream.codec_config import codec_config, parse_record
from roeh.bitstream.malformed import Malformed
from roeh.bitstream.nal import Codec
from roeh.core.gop import CodecConfig

_ENTRIES: dict[bytes, tuple[Codec, bytes]] = {
    b"avc1": ("h264", b"avcC"),
    b"avc3": ("h264", b"avcC"),
    b"hvc1": ("h265", b"hvcC"),
    b"hev1": ("h265", b"hvcC"),
}
#: What a visual sample entry has before its boxes.
_VISUAL_ENTRY_BYTES = 78
#: trun and trex: set in the flags of a picture that others must come before.
NOT_KEY = 0x10000


class Sample(msgspec.Struct, frozen=True):
    """A picture by its place; times in units of the track's timescale."""

    offset_bytes: int
    size_bytes: int
    time: int
    composition: int
    is_key: bool


class SampleDefaults(msgspec.Struct, frozen=True):
    """What trex says of the pictures in fragments that do not say it themselves."""

    duration: int = 0
    size_bytes: int = 0
    flags: int = 0


class Track(msgspec.Struct, frozen=True):
    """The track.

    Attributes:
        source: the moov box in memory.
        table: its sample table.
        track_id: as fragments name it.
        timescale: units a second.
        config: what the decoder has to know.
        length_bytes: of the length before each NAL unit in this file.
        defaults: for fragments.
    """

    source: Bytes
    table: Box
    track_id: int
    timescale: int
    config: CodecConfig
    length_bytes: int
    defaults: SampleDefaults


def read_track(source: Bytes, moov: Box) -> Track:
    """The first video track.

    Raises:
        Malformed: there is none, or it is not of H.264 or H.265.
    """
    for trak in children(source, moov, b"trak"):
        handler = Fields(source, child(source, trak, b"mdia", b"hdlr"))
        handler.take(8)
        if handler.take(4) == b"vide":
            return _video_track(source, moov, trak)
    raise Malformed("no video track", moov.offset)


def _video_track(source: Bytes, moov: Box, trak: Box) -> Track:
    header = Fields(source, child(source, trak, b"tkhd"))
    version, _ = header.version_and_flags()
    header.take(16 if version else 8)
    track_id = header.unsigned(4)
    media = Fields(source, child(source, trak, b"mdia", b"mdhd"))
    version, _ = media.version_and_flags()
    media.take(16 if version else 8)
    timescale = media.unsigned(4)
    if timescale == 0:
        raise Malformed("a track without a timescale", trak.offset)
    table = child(source, trak, b"mdia", b"minf", b"stbl")
    config, length_bytes = _description(source, child(source, table, b"stsd"))
    defaults = _defaults(source, moov, track_id)
    return Track(source, table, track_id, timescale, config, length_bytes, defaults)


def _description(source: Bytes, stsd: Box) -> tuple[CodecConfig, int]:
    """The first sample description of a codec that is known."""
    for entry in boxes(source, stsd.start + 8, stsd.end):
        if entry.kind not in _ENTRIES:
            continue
        codec, record_kind = _ENTRIES[entry.kind]
        fields = Fields(source, entry)
        fields.take(24)
        width_px, height_px = fields.unsigned(2), fields.unsigned(2)
        start = entry.start + _VISUAL_ENTRY_BYTES
        inner = Box(entry.kind, entry.offset, start, entry.end)
        record = child(source, inner, record_kind)
        nals, length_bytes = parse_record(
            codec, source.read(record.start, record.end - record.start)
        )
        return codec_config(codec, nals, width_px, height_px), length_bytes
    raise Malformed("video that is neither H.264 nor H.265", stsd.offset)


def _defaults(source: Bytes, moov: Box, track_id: int) -> SampleDefaults:
    for mvex in children(source, moov, b"mvex"):
        for trex in children(source, mvex, b"trex"):
            fields = Fields(source, trex)
            fields.take(4)
            if fields.unsigned(4) == track_id:
                fields.take(4)
                return SampleDefaults(fields.unsigned(4), fields.unsigned(4), fields.unsigned(4))
    return SampleDefaults()
