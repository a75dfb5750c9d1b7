"""Compressed pictures as they lie in a file or come from a camera or an encoder, undecoded."""

from __future__ import annotations

import msgspec
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.stream import VideoStream

from roeh.core.gop import TICKS_PER_S
from roeh.core.types import Size


class CompressedFormat(msgspec.Struct, frozen=True):
    """What is known of compressed video beside its packets.

    Attributes:
        codec: FFmpeg's name of it ("h264", "hevc", "mpeg4").
        extradata: what a decoder is given beforehand; empty where all is in the packets.
        size: of the shown pictures as they are stored, before any quarter turn.
    """

    codec: str
    extradata: bytes
    size: Size


class CompressedPacket(msgspec.Struct, frozen=True):
    """One packet: one coded picture, as far as the container keeps them apart.

    Attributes:
        content: its bytes.
        dts: when it is to be decoded, in ticks of 90 kHz of the stream's own count; None
            where the stream does not say.
        pts: when it is to be shown, likewise.
        is_damaged: whether the demuxer knows that parts are missing.
        extradata: what replaces the format's from this packet on; None for no change.
    """

    content: bytes
    dts: int | None
    pts: int | None
    is_damaged: bool = False
    extradata: bytes | None = None


def format_of(codec: str, context: CodecContext, size: Size) -> CompressedFormat:
    """The format that a decoder or encoder works with."""
    return CompressedFormat(codec=codec, extradata=bytes(context.extradata or b""), size=size)


def compressed_packet(packet: Packet[VideoStream]) -> CompressedPacket:
    """A packet of PyAV as one of ours."""
    changed: bytes | None = None
    if packet.has_sidedata("new_extradata"):
        changed = bytes(packet.get_sidedata("new_extradata"))
    return CompressedPacket(
        content=bytes(packet),
        dts=_ticks(packet, packet.dts),
        pts=_ticks(packet, packet.pts),
        is_damaged=packet.is_corrupt,
        extradata=changed,
    )


def _ticks(packet: Packet[VideoStream], stamp: int | None) -> int | None:
    base = packet.time_base
    if stamp is None or not base:
        return None
    # To the nearest: a count in milliseconds stays evenly spaced.
    return (2 * stamp * base.numerator * TICKS_PER_S + base.denominator) // (2 * base.denominator)
