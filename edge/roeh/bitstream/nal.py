"""NAL units of H.264 (ITU-T H.264, 7.3.1) and H.265 (ITU-T H.265, 7.3.1), whole and unparsed.

A NAL unit is its bytes from the header on, with emulation prevention, without start code
or length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from roeh.bitstream.malformed import Malformed

Codec = Literal["h264", "h265"]
#: What every function here takes for a NAL unit.
Octets = bytes | bytearray | memoryview

#: Bytes of the length before each NAL unit in what is recorded.
LENGTH_BYTES = 4

H264_SLICE = 1
H264_IDR = 5
H264_SEI = 6
H264_SPS = 7
H264_PPS = 8
H265_VPS = 32
H265_SPS = 33
H265_PPS = 34
H265_SEI_PREFIX = 39
#: Slices of H.265 are below 32, its pictures to start from 16 to 21 (BLA, IDR, CRA).
_H265_FIRST_NOT_SLICE = 32
_H265_KEY = range(16, 22)

_START_CODE = re.compile(rb"\x00\x00\x01")
#: What would look like a start code, or like the escape itself, inside a NAL unit.
_TO_ESCAPE = re.compile(rb"\x00\x00(?=[\x00-\x03])")


def split_length_prefixed(nal_units: Octets) -> Iterator[memoryview]:
    """The NAL units of an access unit, without a copy.

    Raises:
        Malformed: a length that is zero or reaches past the end.
    """
    view = memoryview(nal_units)
    offset = 0
    while offset < len(view):
        start = offset + LENGTH_BYTES
        size = int.from_bytes(view[offset:start], "big")
        if start > len(view) or not 0 < size <= len(view) - start:
            raise Malformed("a NAL unit that does not fit its picture", offset)
        offset = start + size
        yield view[start:offset]


def join_length_prefixed(nals: Iterable[Octets]) -> bytes:
    """NAL units as an access unit holds them."""
    parts: list[Octets] = []
    for nal in nals:
        parts.append(len(nal).to_bytes(LENGTH_BYTES, "big"))
        parts.append(nal)
    return b"".join(parts)


def from_annex_b(stream: Octets) -> tuple[bytes, ...]:
    """The NAL units between start codes (H.264 and H.265, annex B).

    Zeros before a start code and at the end belong to the byte stream, not to a NAL unit,
    whose last byte is never zero. Empty when there is no start code.
    """
    whole = bytes(stream)
    starts = [found.end() for found in _START_CODE.finditer(whole)]
    ends = [start - 3 for start in starts[1:]]
    if starts:
        ends.append(len(whole))
    units = (whole[a:b].rstrip(b"\x00") for a, b in zip(starts, ends, strict=True))
    return tuple(unit for unit in units if unit)


def nal_type(codec: Codec, nal: Octets) -> int:
    """The type in the header; the NAL unit has at least one byte."""
    return nal[0] & 0x1F if codec == "h264" else nal[0] >> 1 & 0x3F


def is_slice(codec: Codec, nal: Octets) -> bool:
    """Whether it holds a piece of a picture (H.264: coded without data partitioning)."""
    kind = nal_type(codec, nal)
    return kind in {H264_SLICE, H264_IDR} if codec == "h264" else kind < _H265_FIRST_NOT_SLICE


def is_first_slice(codec: Codec, nal: Octets) -> bool:
    """Whether it is the slice that a picture begins with.

    H.264 says so by first_mb_in_slice = 0, which is a single set bit; H.265 by a flag.
    """
    header_bytes = 1 if codec == "h264" else 2
    return is_slice(codec, nal) and len(nal) > header_bytes and bool(nal[header_bytes] & 0x80)


def is_key_slice(codec: Codec, nal: Octets) -> bool:
    """Whether it belongs to a picture that decoding can start from."""
    kind = nal_type(codec, nal)
    return kind == H264_IDR if codec == "h264" else kind in _H265_KEY


def is_parameter_set(codec: Codec, nal: Octets) -> bool:
    """Whether it is a sequence, picture or video parameter set."""
    sets = {H264_SPS, H264_PPS} if codec == "h264" else {H265_VPS, H265_SPS, H265_PPS}
    return nal_type(codec, nal) in sets


def is_sei(codec: Codec, nal: Octets) -> bool:
    """Whether it is supplemental enhancement information that precedes the picture."""
    return nal_type(codec, nal) == (H264_SEI if codec == "h264" else H265_SEI_PREFIX)


def with_emulation_prevention(payload: Octets) -> bytes:
    """A payload with a 3 put in wherever it would look like a start code.

    The last byte must not be zero (ITU-T H.264, 7.4.1): a payload ends with its stop bit.
    """
    # One pass does not see the zeros that follow an inserted 3 as a pair of their own:
    # the match takes two bytes, and the count of zeros starts again behind the 3.
    return _TO_ESCAPE.sub(b"\x00\x00\x03", bytes(payload))


def without_emulation_prevention(payload: Octets) -> bytes:
    """The inverse: every 3 behind two zeros dropped."""
    return bytes(payload).replace(b"\x00\x00\x03", b"\x00\x00")
