"""Fragmented MP4 (ISO/IEC 14496-12 and -15): an init segment, then one fragment a GOP.

    ftyp  moov( mvhd trak( tkhd mdia( mdhd hdlr minf( vmhd dinf stbl ))) mvex( trex ))
    moof( mfhd traf( tfhd tfdt trun ))  mdat        for each group of pictures

Nothing in it is ever rewritten, so a file is playable up to its last whole fragment.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence

from roeh.bitstream.codec_config import decoder_record
from roeh.core.errors import EvidenceRefused
from roeh.core.gop import TICKS_PER_S, AccessUnit, CodecConfig

#: The only track of a file.
TRACK_ID = 1

#: tfhd: offsets count from the moof box.
DEFAULT_BASE_IS_MOOF = 0x020000
#: trun: an offset to the first picture, then duration, size and flags of each.
DATA_OFFSET = 0x001
SAMPLE_DURATION = 0x100
SAMPLE_SIZE = 0x200
SAMPLE_FLAGS = 0x400
SAMPLE_COMPOSITION = 0x800

#: Depends on no other picture; does, and is no place to start from.
KEY_SAMPLE = 0x02000000
OTHER_SAMPLE = 0x01010000

_UNITY_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_MAX_U32 = 0xFFFFFFFF
_MAX_I32 = 0x7FFFFFFF


def init_segment(config: CodecConfig) -> bytes:
    """What stands before the first fragment: `ftyp` and `moov`.

    Raises:
        Malformed: parameter sets that no such file can hold.
    """
    brand = b"avc1" if config.codec == "h264" else b"hvc1"
    return _box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso6iso2mp41", brand) + _box(
        b"moov", _movie_header(), _track(config), _box(b"mvex", _track_defaults())
    )


def fragment(
    sequence_number: int, base_dts: int, units: Sequence[AccessUnit], end_dts: int
) -> bytes:
    """One group of pictures: `moof` and `mdat`.

    Args:
        sequence_number: 1 for the first fragment of a file, then one more for each.
        base_dts: ticks of this file at which the first picture is decoded.
        units: pictures in decoding order, dts growing.
        end_dts: where the last picture ends, on the scale of the units' own dts.

    Raises:
        EvidenceRefused: no pictures, or times that do not grow.
    """
    if not units:
        raise EvidenceRefused(
            what="no pictures", which="a fragment to write", remedy="give a group of pictures"
        )
    times = [unit.dts for unit in units] + [end_dts]
    durations = [later - earlier for earlier, later in itertools.pairwise(times)]
    offsets = [unit.pts - unit.dts for unit in units]
    if (
        min(durations) < 0
        or max(durations) > _MAX_U32
        or not -_MAX_I32 <= min(offsets) <= max(offsets) <= _MAX_I32
    ):
        raise EvidenceRefused(
            what="times of pictures that do not grow or are hours apart",
            which=f"a group of {len(units)} pictures from {units[0].dts} to {end_dts}",
            remedy="the source counts wrongly: begin a new stream",
        )
    flags = DATA_OFFSET | SAMPLE_DURATION | SAMPLE_SIZE | SAMPLE_FLAGS
    columns = [
        durations,
        [len(unit.nal_units) for unit in units],
        [KEY_SAMPLE if unit.is_key else OTHER_SAMPLE for unit in units],
    ]
    if any(offsets):
        flags |= SAMPLE_COMPOSITION
        # Signed numbers (trun version 1) as the field holds them.
        columns.append([offset & _MAX_U32 for offset in offsets])
    samples = [field for sample in zip(*columns, strict=True) for field in sample]
    table = struct.pack(f">{len(samples)}I", *samples)
    header = _full_box(b"mfhd", 0, 0, struct.pack(">I", sequence_number))
    track = _full_box(b"tfhd", 0, DEFAULT_BASE_IS_MOOF, struct.pack(">I", TRACK_ID))
    decode_time = _full_box(b"tfdt", 1, 0, struct.pack(">Q", base_dts))
    # moof, traf and trun headers, the three boxes above, count and offset of trun, mdat's.
    fixed_bytes = 8 + 8 + 12 + len(header) + len(track) + len(decode_time) + 8 + 8
    run = _full_box(
        b"trun", 1, flags, struct.pack(">II", len(units), fixed_bytes + len(table)), table
    )
    moof = _box(b"moof", header, _box(b"traf", track, decode_time, run))
    pictures = [unit.nal_units for unit in units]
    mdat_bytes = 8 + sum(columns[1])
    return b"".join((moof, struct.pack(">I4s", mdat_bytes, b"mdat"), *pictures))


def note_box(text: str) -> bytes:
    """Words in a box that every reader passes over."""
    return _box(b"free", text.encode())


def _movie_header() -> bytes:
    times = struct.pack(">IIII", 0, 0, TICKS_PER_S, 0)
    rate_and_volume = struct.pack(">IH10x", 0x10000, 0x100)
    next_track = struct.pack(">24xI", TRACK_ID + 1)
    return _full_box(b"mvhd", 0, 0, times, rate_and_volume, _UNITY_MATRIX, next_track)


def _track(config: CodecConfig) -> bytes:
    enabled_and_in_movie = 3
    header = _full_box(
        b"tkhd",
        0,
        enabled_and_in_movie,
        struct.pack(">IIIII", 0, 0, TRACK_ID, 0, 0),
        struct.pack(">8xHHHH", 0, 0, 0, 0),
        _UNITY_MATRIX,
        struct.pack(">II", config.width_px << 16, config.height_px << 16),
    )
    undetermined_language = 0x55C4
    media_header = _full_box(
        b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, TICKS_PER_S, 0, undetermined_language, 0)
    )
    handler = _full_box(b"hdlr", 0, 0, b"\0\0\0\0vide", bytes(12), b"VideoHandler\0")
    media_is_here = 1
    location = _full_box(b"dref", 0, 0, struct.pack(">I", 1), _full_box(b"url ", 0, media_is_here))
    information = _box(
        b"minf",
        _full_box(b"vmhd", 0, 1, bytes(8)),
        _box(b"dinf", location),
        _sample_table(config),
    )
    return _box(b"trak", header, _box(b"mdia", media_header, handler, information))


def _sample_table(config: CodecConfig) -> bytes:
    avc = config.codec == "h264"
    resolution_72_dpi = 0x480000
    entry = _box(
        b"avc1" if avc else b"hvc1",
        struct.pack(">6xH16xHH", 1, config.width_px, config.height_px),
        struct.pack(">II4xH32xHh", resolution_72_dpi, resolution_72_dpi, 1, 24, -1),
        _box(b"avcC" if avc else b"hvcC", decoder_record(config)),
    )
    return _box(
        b"stbl",
        _full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry),
        _full_box(b"stts", 0, 0, bytes(4)),
        _full_box(b"stsc", 0, 0, bytes(4)),
        _full_box(b"stsz", 0, 0, bytes(8)),
        _full_box(b"stco", 0, 0, bytes(4)),
    )


def _track_defaults() -> bytes:
    first_description = 1
    return _full_box(b"trex", 0, 0, struct.pack(">IIIII", TRACK_ID, first_description, 0, 0, 0))


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)
