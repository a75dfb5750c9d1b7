"""Compressed pictures beside the frames: what a source recorded as it comes gives.

One `CodedStream` follows one source over all its connections. It takes packets in the
order in which they are decoded, in the thread that reads them, and tells its observer
whole pictures: NAL units behind their length, the parameter sets that go with them, and
when they were taken. Key pictures are told by their NAL units, never by a container's
mark: that one also stands at recovery points, from which only some decoders can start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from roeh.bitstream.codec_config import codec_config, parse_record
from roeh.bitstream.malformed import Malformed
from roeh.bitstream.nal import (
    H264_SPS,
    H265_SPS,
    H265_VPS,
    Codec,
    from_annex_b,
    is_key_slice,
    is_parameter_set,
    is_slice,
    join_length_prefixed,
    nal_type,
)
from roeh.core.clock import NS_PER_S, ClockReading
from roeh.core.gop import TICKS_PER_S, CodecConfig, Discontinuity, StreamEnd
from roeh.core.types import Size
from roeh.media.compressed import CompressedFormat, CompressedPacket
from roeh.sources.timeline import MAX_BACK_NS, MAX_LEAP_NS

#: What is recorded as it comes, by FFmpeg's names.
RECORDED_AS_IT_COMES: dict[str, Codec] = {"h264": "h264", "hevc": "h265"}

_MAX_BACK = MAX_BACK_NS * TICKS_PER_S // NS_PER_S
_MAX_LEAP = MAX_LEAP_NS * TICKS_PER_S // NS_PER_S
#: NAL units that came without a picture and wait for the next one, at most.
_MAX_WAITING_BYTES = 1 << 16


class CodedPicture(msgspec.Struct, frozen=True):
    """One coded picture.

    Attributes:
        nal_units: each behind its length in 4 bytes, big endian.
        codec_config: the parameter sets that hold for its group.
        dts: 90 kHz ticks since the connection's first picture was shown; None if unknown.
        pts: likewise, when it is to be shown.
        is_key: whether decoding can start here: IDR of H.264, IRAP of H.265.
        at: when it was taken, set against the clock as frames are.
        discontinuity: why it does not go on from the picture before, where the source
            knows.
        is_masked: whether the privacy masks are burnt in.
    """

    nal_units: bytes
    codec_config: CodecConfig
    dts: int | None
    pts: int | None
    is_key: bool
    at: ClockReading
    discontinuity: Discontinuity | None
    is_masked: bool = False


class CodedObserver(Protocol):
    """Told in the thread that reads, so it is quick and never waits."""

    def picture(self, picture: CodedPicture) -> None:
        """The next picture in decoding order."""

    def damaged(self) -> None:
        """A picture was lost or cannot be one."""

    def ended(self, reason: StreamEnd) -> None:
        """No more pictures for now."""

    def begins(self, codec: str, *, is_coded: bool) -> None:
        """A connection begins; whether its pictures are told, or its codec is none for that."""


class CodedStream:
    """From the packets of one source to its coded pictures.

    Args:
        observer: told of everything.
        is_masked: what its pictures say.
    """

    def __init__(self, observer: CodedObserver, *, is_masked: bool = False) -> None:
        self._observer = observer
        self._is_masked = is_masked
        self._is_open = False
        self._codec: Codec | None = None
        self._length_bytes = 0
        self._sets: tuple[bytes, ...] = ()
        self._config: CodecConfig | None = None
        self._why: Discontinuity | None = None
        self._waiting: list[bytes] = []
        self._origin: int | None = None
        self._last: int | None = None

    def begin(self, video: CompressedFormat, why: Discontinuity | None) -> None:
        """A connection, or a file from its start, begins; `why` if it is not the first."""
        self._why = why if self._config is not None else None
        self._origin = self._last = None
        self._waiting = []
        self._codec = RECORDED_AS_IT_COMES.get(video.codec)
        self._is_open = self._codec is not None
        self._observer.begins(video.codec, is_coded=self._is_open)
        if self._codec is None:
            return
        self._sets = ()
        self._configure(self._codec, video.extradata)

    def take(self, packet: CompressedPacket, size: Size, at: ClockReading) -> None:
        """The next packet.

        Args:
            packet: in decoding order.
            size: of the picture, as its decoder knows it by now.
            at: when the picture was taken.
        """
        if self._codec is None:
            return
        if packet.extradata is not None:
            self._configure(self._codec, packet.extradata)
        try:
            nals = self._nal_units(packet.content)
            if packet.is_damaged:
                raise Malformed("a packet that the stream marks as damaged")
            picture = self._picture(self._codec, nals, packet, size, at)
        except Malformed:
            self.lost()
            return
        if picture is not None:
            # Also one that was taken for ended, while its driver seemed to hang.
            self._is_open = True
            self._observer.picture(picture)
            self._why = None

    def lost(self) -> None:
        """Packets were read and are not here."""
        if self._codec is not None:
            self._waiting = []
            self._observer.damaged()

    def end(self, reason: StreamEnd) -> None:
        """The connection or the file ended; told once for what was told since the last end."""
        if self._is_open:
            self._is_open = False
            self._observer.ended(reason)

    def _configure(self, codec: Codec, extradata: bytes) -> None:
        """Take what the container says; what it says wrongly may still stand in the packets."""
        # avcC and hvcC begin with their version, 1; annex B with a zero.
        self._length_bytes = 0
        if not extradata.startswith(b"\x01"):
            self._sets = _merged(codec, self._sets, from_annex_b(extradata))
            return
        try:
            nals, self._length_bytes = parse_record(codec, extradata)
        except Malformed:
            return
        self._sets = _merged(codec, self._sets, nals)

    def _nal_units(self, content: bytes) -> list[bytes]:
        nals: list[bytes] = []
        if not self._length_bytes:
            nals.extend(from_annex_b(content))
            if content and not nals:
                raise Malformed("a packet without a start code")
            return nals
        offset = 0
        while offset < len(content):
            start = offset + self._length_bytes
            length = int.from_bytes(content[offset:start], "big")
            offset = start + length
            if not length or offset > len(content):
                raise Malformed("a NAL unit that reaches past its packet", start)
            nals.append(content[start:offset])
        return nals

    def _picture(
        self,
        codec: Codec,
        nals: Sequence[bytes],
        packet: CompressedPacket,
        size: Size,
        at: ClockReading,
    ) -> CodedPicture | None:
        """The picture in these NAL units; None where there is none to be told yet."""
        self._sets = _merged(codec, self._sets, nals)
        if not any(is_slice(codec, nal) for nal in nals):
            self._keep_waiting(nals)
            return None
        is_key = any(is_key_slice(codec, nal) for nal in nals)
        if is_key:
            self._renew(codec_config(codec, self._sets, size.width_px, size.height_px))
        dts, pts = self._stamps(packet)
        whole = [*self._waiting, *nals]
        self._waiting = []
        if self._config is None:
            return None
        return CodedPicture(
            nal_units=join_length_prefixed(whole),
            codec_config=self._config,
            dts=dts,
            pts=pts,
            is_key=is_key,
            at=at,
            discontinuity=self._why,
            is_masked=self._is_masked,
        )

    def _keep_waiting(self, nals: Sequence[bytes]) -> None:
        """Parameter sets and the like in a packet of their own go with the next picture."""
        self._waiting.extend(nals)
        if sum(len(nal) for nal in self._waiting) > _MAX_WAITING_BYTES:
            raise Malformed("a stream that holds no pictures")

    def _renew(self, config: CodecConfig) -> None:
        if self._config is not None and config != self._config and self._why is None:
            self._why = Discontinuity.FORMAT_CHANGED
        self._config = config

    def _stamps(self, packet: CompressedPacket) -> tuple[int | None, int | None]:
        """(dts, pts) counted from the connection's first picture; a splice counts anew."""
        dts, pts = packet.dts, packet.pts
        if dts is not None and pts is not None and not abs(pts - dts) <= _MAX_LEAP:
            pts = None
        stamp = pts if dts is None else dts
        if stamp is None or stamp == self._last:
            # One that stands still tells as little as none.
            return None, None
        if self._last is not None and not (
            self._last - _MAX_BACK <= stamp <= self._last + _MAX_LEAP
        ):
            self._origin = None
            self._why = self._why or Discontinuity.SOURCE_RESTARTED
        if self._origin is None:
            self._origin = stamp if pts is None else pts
        self._last = stamp
        return (
            None if dts is None else dts - self._origin,
            None if pts is None else pts - self._origin,
        )


def _merged(codec: Codec, known: tuple[bytes, ...], nals: Sequence[bytes]) -> tuple[bytes, ...]:
    """The parameter sets that hold from here on: each replaces the one of its kind and id."""
    found = tuple(nal for nal in nals if is_parameter_set(codec, nal))
    if all(nal in known for nal in found):
        return known
    sets = {_identity(codec, nal): nal for nal in (*known, *found)}
    kinds = {kind for kind, _ in (_identity(codec, nal) for nal in found)}
    if kinds >= {kind for kind, _ in sets}:
        # All kinds anew: what an earlier picture needed is no part of this format.
        sets = {_identity(codec, nal): nal for nal in found}
    return tuple(sets.values())


def _identity(codec: Codec, nal: bytes) -> tuple[int, int]:
    """(kind, id): where the id lies deep within, as in an SPS of H.265, 0.

    H.264: ue(v) behind profile and level in an SPS, first in a PPS (7.3.2.1, 7.3.2.2);
    H.265: four bits in a VPS, ue(v) first in a PPS (7.3.2.1, 7.3.2.3).
    """
    kind = nal_type(codec, nal)
    if codec == "h264":
        return kind, _exp_golomb(nal[4:8] if kind == H264_SPS else nal[1:5])
    if kind == H265_VPS:
        return kind, nal[2] >> 4 if len(nal) > 2 else 0
    return kind, 0 if kind == H265_SPS else _exp_golomb(nal[2:6])


def _exp_golomb(head: bytes) -> int:
    """The ue(v) at the front of these bytes, up to 16 bits of it (ITU-T H.264, 9.1)."""
    bits = f"{int.from_bytes(head, 'big'):0{8 * len(head)}b}" if head else "1"
    zeros = bits.find("1")
    return int(bits[zeros : 2 * zeros + 1], 2) - 1 if zeros >= 0 else 0
