"""Coded pictures as RTP packets in an RTSP connection (RFC 2326, 10.12; RFC 3550).

H.264 by RFC 6184, H.265 by RFC 7798: a NAL unit by itself, or cut into fragments.
"""

from __future__ import annotations

import base64
import struct

_MAX_PAYLOAD_BYTES = 1400
_PAYLOAD_TYPE = 96
_FU_A, _FU = 28, 49


class RtpStream:
    """The packets of one connection.

    Args:
        codec: "h264" or "h265".
        ssrc: names the source (RFC 3550, 8).
        first_sequence: number of the first packet; they count modulo 2^16.
    """

    def __init__(self, codec: str, *, ssrc: int, first_sequence: int) -> None:
        self._codec = codec
        self._ssrc = ssrc
        self._sequence = first_sequence

    def packets(self, nals: list[bytes], stamp: int) -> bytes:
        """One picture, each packet framed for channel 0."""
        payloads = [part for nal in nals for part in self._parts(nal)]
        framed = bytearray()
        for number, payload in enumerate(payloads):
            is_last = number == len(payloads) - 1
            header = struct.pack(
                "!BBHII",
                0x80,
                _PAYLOAD_TYPE | (0x80 if is_last else 0),
                self._sequence & 0xFFFF,
                stamp & 0xFFFFFFFF,
                self._ssrc,
            )
            self._sequence += 1
            framed += struct.pack("!cBH", b"$", 0, len(header) + len(payload)) + header + payload
        return bytes(framed)

    def _parts(self, nal: bytes) -> list[bytes]:
        if len(nal) <= _MAX_PAYLOAD_BYTES:
            return [nal]
        if self._codec == "h264":
            kind, body = nal[0] & 0x1F, nal[1:]
            indicator = bytes([(nal[0] & 0xE0) | _FU_A])
        else:
            kind, body = nal[0] >> 1 & 0x3F, nal[2:]
            indicator = bytes([(nal[0] & 0x81) | _FU << 1, nal[1]])
        pieces = [
            body[at : at + _MAX_PAYLOAD_BYTES] for at in range(0, len(body), _MAX_PAYLOAD_BYTES)
        ]
        return [
            indicator
            + bytes([kind | (0x80 if not at else 0) | (0x40 if at == len(pieces) - 1 else 0)])
            + piece
            for at, piece in enumerate(pieces)
        ]


def description(codec: str, parameter_sets: tuple[bytes, ...]) -> str:
    """The SDP of one stream (RFC 8866)."""
    words = [base64.b64encode(one).decode() for one in parameter_sets]
    if codec == "h264":
        name, format_words = "H264", "packetization-mode=1;sprop-parameter-sets=" + ",".join(words)
    else:
        name = "H265"
        keys = ("sprop-vps", "sprop-sps", "sprop-pps")
        format_words = ";".join(f"{key}={word}" for key, word in zip(keys, words, strict=True))
    lines = (
        "v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=camera", "c=IN IP4 127.0.0.1", "t=0 0",
        f"m=video 0 RTP/AVP {_PAYLOAD_TYPE}", f"a=rtpmap:{_PAYLOAD_TYPE} {name}/90000",
        f"a=fmtp:{_PAYLOAD_TYPE} {format_words}", "a=control:track",
    )  # fmt: skip
    return "\r\n".join(lines) + "\r\n"
