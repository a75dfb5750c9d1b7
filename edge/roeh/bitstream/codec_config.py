"""Parameter sets out of what a source or file gives, and the record that MP4 keeps them in.

ISO/IEC 14496-15: AVCDecoderConfigurationRecord (5.3.3.1) and HEVCDecoderConfigurationRecord
(8.3.3.1). Of the parameter sets only what these records repeat is parsed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from roeh.bitstream.malformed import Malformed
from roeh.bitstream.nal import (
    H264_PPS,
    H264_SPS,
    H265_PPS,
    H265_SPS,
    H265_VPS,
    LENGTH_BYTES,
    Codec,
    Octets,
    from_annex_b,
    nal_type,
    without_emulation_prevention,
)
from roeh.core.gop import CodecConfig

#: Profiles of H.264 whose record has no chroma format: baseline, main, extended.
_WITHOUT_CHROMA = {66, 77, 88}
_SETS: dict[Codec, tuple[int, ...]] = {
    "h264": (H264_SPS, H264_PPS),
    "h265": (H265_VPS, H265_SPS, H265_PPS),
}
_HVCC_HEAD_BYTES = 22


def codec_config_from_extradata(
    codec: Codec, extradata: Octets, width_px: int, height_px: int
) -> CodecConfig:
    """What a source calls extradata: avcC, hvcC or annex B.

    Raises:
        Malformed: cut off, or without one of the parameter sets that a decoder needs.
    """
    if bytes(extradata[:3]) == b"\0\0\1" or bytes(extradata[:4]) == b"\0\0\0\1":
        nals = from_annex_b(extradata)
    else:
        nals, _ = parse_record(codec, extradata)
    return codec_config(codec, nals, width_px, height_px)


def codec_config(codec: Codec, nals: Sequence[bytes], width_px: int, height_px: int) -> CodecConfig:
    """The parameter sets among some NAL units, in the order a decoder needs them.

    Raises:
        Malformed: one kind is missing, or the size is none that is recorded.
    """
    if not (16 <= width_px <= 16384 and 16 <= height_px <= 16384):
        raise Malformed(f"a picture of {width_px} x {height_px} pixels")
    sets = [
        [nal for nal in dict.fromkeys(nals) if nal and nal_type(codec, nal) == kind]
        for kind in _SETS[codec]
    ]
    if not all(sets):
        raise Malformed(f"a {codec} stream without all of its parameter sets")
    return CodecConfig(
        codec=codec,
        parameter_sets=tuple(nal for kind in sets for nal in kind),
        width_px=width_px,
        height_px=height_px,
    )


def decoder_record(config: CodecConfig) -> bytes:
    """The content of the avcC or hvcC box.

    Raises:
        Malformed: a sequence parameter set that ends too early, or more sets than it holds.
    """
    return _avcc(config) if config.codec == "h264" else _hvcc(config)


def parse_record(codec: Codec, record: Octets) -> tuple[tuple[bytes, ...], int]:
    """The parameter sets of an avcC or hvcC record, and the bytes of each length in the stream.

    Raises:
        Malformed: cut off, or of a version that is not known.
    """
    reader = _Bytes(bytes(record))
    if reader.u8() != 1:
        raise Malformed("a decoder configuration of an unknown version")
    nals: list[bytes] = []
    if codec == "h264":
        reader.take(3)
        length_bytes = (reader.u8() & 3) + 1
        nals += [reader.take(reader.u16()) for _ in range(reader.u8() & 0x1F)]
        nals += [reader.take(reader.u16()) for _ in range(reader.u8())]
    else:
        reader.take(_HVCC_HEAD_BYTES - 2)
        length_bytes = (reader.u8() & 3) + 1
        for _ in range(reader.u8()):
            reader.take(1)
            nals += [reader.take(reader.u16()) for _ in range(reader.u16())]
    return tuple(nals), length_bytes


def _avcc(config: CodecConfig) -> bytes:
    sps = _of_kind(config, H264_SPS)
    pps = _of_kind(config, H264_PPS)
    if not sps or not pps or len(sps) > 31 or len(pps) > 255 or len(sps[0]) < 4:
        raise Malformed("parameter sets that no avcC box can hold")
    record = bytearray((1, *sps[0][1:4], 0xFC | LENGTH_BYTES - 1, 0xE0 | len(sps)))
    record += b"".join(_sized(nal) for nal in sps)
    record.append(len(pps))
    record += b"".join(_sized(nal) for nal in pps)
    if sps[0][1] not in _WITHOUT_CHROMA:
        bits = _Bits(without_emulation_prevention(sps[0][4:]))
        bits.ue()  # seq_parameter_set_id
        chroma = bits.ue()
        if chroma == 3:
            bits.u(1)
        record += bytes((0xFC | chroma & 3, 0xF8 | bits.ue() & 7, 0xF8 | bits.ue() & 7, 0))
    return bytes(record)


def _hvcc(config: CodecConfig) -> bytes:
    kinds = [(kind, _of_kind(config, kind)) for kind in _SETS["h265"]]
    if not all(nals for _, nals in kinds):
        raise Malformed("parameter sets that no hvcC box can hold")
    sps = without_emulation_prevention(_of_kind(config, H265_SPS)[0][2:])
    bits = _Bits(sps)
    bits.u(4)
    sub_layers = bits.u(3)
    nested = bits.u(1)
    general = sps[1:13]  # profile, compatibility, constraints and level: 96 whole bits
    bits.u(96)
    present = [(bits.u(1), bits.u(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.u(2 * (8 - sub_layers))
    for has_profile, has_level in present:
        bits.u(88 * has_profile + 8 * has_level)
    bits.ue()  # sps_seq_parameter_set_id
    chroma = bits.ue()
    if chroma == 3:
        bits.u(1)
    bits.ue()  # width and height before cropping
    bits.ue()
    if bits.u(1):
        for _ in range(4):
            bits.ue()
    depths = bytes((0xF8 | bits.ue() & 7, 0xF8 | bits.ue() & 7))
    record = b"\1" + general + b"\xf0\0\xfc" + bytes((0xFC | chroma & 3,)) + depths + b"\0\0"
    record += bytes((sub_layers + 1 << 3 | nested << 2 | LENGTH_BYTES - 1, len(kinds)))
    for kind, nals in kinds:
        record += struct.pack(">BH", 0x80 | kind, len(nals))
        record += b"".join(_sized(nal) for nal in nals)
    return record


def _of_kind(config: CodecConfig, kind: int) -> list[bytes]:
    return [nal for nal in config.parameter_sets if nal and nal_type(config.codec, nal) == kind]


def _sized(nal: bytes) -> bytes:
    if len(nal) > 0xFFFF:
        raise Malformed("a parameter set of more than 65,535 bytes")
    return len(nal).to_bytes(2, "big") + nal


class _Bytes:
    """Reads big-endian fields of a record."""

    def __init__(self, record: bytes) -> None:
        self._record = record
        self._offset = 0

    def take(self, size: int) -> bytes:
        if size > len(self._record) - self._offset:
            raise Malformed("a decoder configuration that is cut off", self._offset)
        self._offset += size
        return self._record[self._offset - size : self._offset]

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")


class _Bits:
    """Reads bits and Exp-Golomb codes (ITU-T H.264, 9.1)."""

    def __init__(self, payload: bytes) -> None:
        self._bits = int.from_bytes(payload, "big")
        self._left = 8 * len(payload)

    def u(self, count: int) -> int:
        if count > self._left:
            raise Malformed("a sequence parameter set that is cut off")
        self._left -= count
        return self._bits >> self._left & (1 << count) - 1

    def ue(self) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 32:
                raise Malformed("a sequence parameter set with a number that cannot be meant")
        return (1 << zeros) - 1 + self.u(zeros)
