"""What the SEI of ONVIF Media Signing says, taken apart without believing it.

A SEI of user data, its payload the UUID, a byte of flags and fields of tag (1 byte),
length (2) and value; the last field is the signature of everything before it.
"""

from __future__ import annotations

import hashlib
import re
import struct

import msgspec

from roeh.bitstream.malformed import Malformed
from roeh.bitstream.nal import H264_SEI, Octets, without_emulation_prevention

MEDIA_SIGNING_UUID = bytes.fromhex("005bc93f2d715e95ada4796f90877a6f")

GENERAL_TAG = 1
HASH_LIST_TAG = 2
SIGNATURE_TAG = 3
CRYPTO_INFO_TAG = 4
VENDOR_TAG = 5
CERTIFICATES_TAG = 6
ARBITRARY_TAG = 7

#: SHA-256 (RFC 5754) as DER with its tag and length: what the reference implementation reads.
SHA256_OID = bytes.fromhex("0609608648016503040201")

_USER_DATA_UNREGISTERED = 5
_IS_CERTIFICATE_SEI = 0x80
_SIGNED_AS_WRITTEN = 0x40
#: 100 ns from 1601-01-01 to 1970-01-01.
_EPOCH_FILETIME = 116_444_736_000_000_000
_ESCAPE = re.compile(rb"\x00\x00\x03")
_HASH_BYTES = 32


class Vendor(msgspec.Struct, frozen=True):
    """Who made the signer; each at most 255 bytes of UTF-8."""

    firmware_version: str
    serial_number: str
    manufacturer: str


class SignedGop(msgspec.Struct, frozen=True, kw_only=True):
    """What a media signature claims; nothing of it is checked.

    Attributes:
        counter: of the GOP in its chain, in 32 bits.
        t_first_filetime: first picture, in 100 ns since 1601-01-01.
        t_end_filetime: last picture, or its end.
        implementation: version of the signer's software.
        is_partial: signed inside a GOP because it grew too long.
        hash_count: how many slices the GOP had.
        gop_hash: hash of all the slices' hashes.
        linked_hash: anchor of the GOP before; zeros for the first of a chain.
        hash_list: hash of each slice, the anchor first; empty when none was sent.
        hash_oid: the hash algorithm as DER; empty when it does not say.
        vendor: who made the signer; None when it does not say.
        chain_pem: certificates, leaf first; empty when there are none.
        signature: DER; empty when there is none.
        signed_bytes: what the signature is over.
        is_certificate_sei: only brings certificates, and signs no GOP.
    """

    counter: int
    t_first_filetime: int
    t_end_filetime: int
    implementation: tuple[int, int, int]
    is_partial: bool
    hash_count: int
    gop_hash: bytes
    linked_hash: bytes
    hash_list: tuple[bytes, ...]
    hash_oid: bytes
    vendor: Vendor | None
    chain_pem: bytes
    signature: bytes
    signed_bytes: bytes
    is_certificate_sei: bool

    @property
    def t_first_utc_us(self) -> int:
        """First picture, since 1970."""
        return (self.t_first_filetime - _EPOCH_FILETIME) // 10

    @property
    def t_end_utc_us(self) -> int:
        """Last picture or its end, since 1970."""
        return (self.t_end_filetime - _EPOCH_FILETIME) // 10

    @property
    def is_hash_list_sound(self) -> bool:
        """Whether the list, when there is one, is the list that `gop_hash` is of."""
        if not self.hash_list:
            return True
        joined = hashlib.sha256(b"".join(self.hash_list)).digest()
        return len(self.hash_list) == self.hash_count and joined == self.gop_hash


def to_filetime(t_utc_us: int) -> int:
    """Microseconds since 1970 as 100 ns since 1601."""
    return t_utc_us * 10 + _EPOCH_FILETIME


def parse_sei(nal: Octets) -> SignedGop | None:
    """What a media signature says; None when the NAL unit is none of H.264.

    Raises:
        Malformed: it bears the UUID of one, and cannot be read.
    """
    found = _open(nal)
    if found is None:
        return None
    payload, payload_offset = found
    flags = payload[len(MEDIA_SIGNING_UUID)]
    fields, unsigned_from = _read_fields(payload, len(MEDIA_SIGNING_UUID) + 1)
    is_certificate_sei = bool(flags & _IS_CERTIFICATE_SEI)
    if GENERAL_TAG not in fields and not is_certificate_sei:
        raise Malformed("a media signature that does not say of which GOP")
    general = _General.read(fields.get(GENERAL_TAG))
    return SignedGop(
        counter=general.counter,
        t_first_filetime=general.t_first_filetime,
        t_end_filetime=general.t_end_filetime,
        implementation=general.implementation,
        is_partial=general.is_partial,
        hash_count=general.hash_count,
        gop_hash=general.gop_hash,
        linked_hash=general.linked_hash,
        hash_list=_hash_list(fields.get(HASH_LIST_TAG)),
        hash_oid=_hash_oid(fields.get(CRYPTO_INFO_TAG)),
        vendor=_vendor(fields.get(VENDOR_TAG)),
        chain_pem=fields.get(CERTIFICATES_TAG, b"")[2:],
        signature=_signature(fields.get(SIGNATURE_TAG)),
        signed_bytes=_signed_part(bytes(nal), payload_offset, unsigned_from, flags),
        is_certificate_sei=is_certificate_sei,
    )


def signed_bytes(nal: Octets) -> bytes:
    """What the signature in a media signing SEI is over.

    Raises:
        Malformed: it is no such SEI, or cannot be read.
    """
    signed = parse_sei(nal)
    if signed is None:
        raise Malformed("a NAL unit that is no media signature")
    return signed.signed_bytes


class _General(msgspec.Struct, frozen=True, kw_only=True):
    """The field that says which GOP; all zeros when there is none."""

    counter: int = 0
    t_first_filetime: int = 0
    t_end_filetime: int = 0
    implementation: tuple[int, int, int] = (0, 0, 0)
    is_partial: bool = False
    hash_count: int = 0
    gop_hash: bytes = bytes(_HASH_BYTES)
    linked_hash: bytes = bytes(_HASH_BYTES)

    @classmethod
    def read(cls, value: bytes | None) -> _General:
        if value is None:
            return cls()
        # Version 1 has no time of the end.
        times = {1: ">q", 2: ">qq"}.get(value[0] if value else 0)
        if times is None:
            raise Malformed("a media signature of an unknown version")
        counts_at = 5 + struct.calcsize(times)
        hashes_at = counts_at + 6
        if len(value) != hashes_at + 2 * _HASH_BYTES:
            raise Malformed("a media signature whose hashes are not of SHA-256")
        t_filetime = struct.unpack(times, value[5:counts_at])
        counter, hash_count = struct.unpack(">IH", value[counts_at:hashes_at])
        return cls(
            counter=counter,
            t_first_filetime=t_filetime[0],
            t_end_filetime=t_filetime[-1],
            implementation=(value[1], value[2], value[3]),
            is_partial=bool(value[4]),
            hash_count=hash_count,
            gop_hash=value[hashes_at : hashes_at + _HASH_BYTES],
            linked_hash=value[hashes_at + _HASH_BYTES :],
        )


def _open(nal: Octets) -> tuple[bytes, int] | None:
    """The payload without emulation prevention, and where in the NAL unit it starts."""
    if len(nal) < 3 or nal[0] & 0x1F != H264_SEI or nal[1] != _USER_DATA_UNREGISTERED:
        return None
    size = 0
    offset = 2
    while offset < len(nal) and nal[offset] == 0xFF:
        size += 255
        offset += 1
    if offset >= len(nal):
        return None
    size += nal[offset]
    offset += 1
    # The UUID holds no two zeros, so it is the same with emulation prevention.
    if bytes(nal[offset : offset + len(MEDIA_SIGNING_UUID)]) != MEDIA_SIGNING_UUID:
        return None
    payload = without_emulation_prevention(nal[offset:])[:size]
    if len(payload) < size or size <= len(MEDIA_SIGNING_UUID):
        raise Malformed("a media signature that is cut off", len(nal))
    return payload, offset


def _read_fields(payload: bytes, offset: int) -> tuple[dict[int, bytes], int]:
    """Fields by tag, and where the signature's begins (the end, when there is none)."""
    fields: dict[int, bytes] = {}
    unsigned_from = len(payload)
    while offset < len(payload):
        if len(payload) - offset < 3:
            raise Malformed("a media signature with half a field", offset)
        tag, size = struct.unpack_from(">BH", payload, offset)
        value = payload[offset + 3 : offset + 3 + size]
        if len(value) < size or tag in fields or not GENERAL_TAG <= tag <= ARBITRARY_TAG:
            raise Malformed("a media signature with a field that cannot be", offset)
        if SIGNATURE_TAG in fields:
            raise Malformed("a media signature with a field that it does not sign", offset)
        fields[tag] = value
        if tag == SIGNATURE_TAG:
            unsigned_from = offset
        offset += 3 + size
    return fields, unsigned_from


def _signed_part(nal: bytes, payload_offset: int, unsigned_from: int, flags: int) -> bytes:
    """From the header of the NAL unit up to its signature."""
    if not flags & _SIGNED_AS_WRITTEN:
        return (
            nal[:payload_offset]
            + without_emulation_prevention(nal[payload_offset:])[:unsigned_from]
        )
    escapes = 0
    for found in _ESCAPE.finditer(nal, payload_offset):
        # The 3 that comes right before the signature's field was written with that field.
        if found.end() - 1 - payload_offset - escapes >= unsigned_from:
            break
        escapes += 1
    return nal[: payload_offset + unsigned_from + escapes]


def _hash_list(value: bytes | None) -> tuple[bytes, ...]:
    if value is None:
        return ()
    if value[:1] != b"\1" or len(value) % _HASH_BYTES != 1:
        raise Malformed("a media signature with a list of hashes that cannot be read")
    return tuple(value[at : at + _HASH_BYTES] for at in range(1, len(value), _HASH_BYTES))


def _hash_oid(value: bytes | None) -> bytes:
    if value is None:
        return b""
    if len(value) < 2 or value[0] != 1 or len(value) < 2 + value[1]:
        raise Malformed("a media signature with an algorithm that cannot be read")
    return value[2 : 2 + value[1]]


def _vendor(value: bytes | None) -> Vendor | None:
    if value is None:
        return None
    names: list[str] = []
    offset = 1
    for _ in range(3):
        end = offset + 1 + value[offset] if offset < len(value) else len(value) + 1
        if value[0] != 1 or end > len(value):
            raise Malformed("a media signature with a maker that cannot be read")
        names.append(value[offset + 1 : end].decode("utf-8", "replace"))
        offset = end
    return Vendor(*names)


def _signature(value: bytes | None) -> bytes:
    if value is None:
        return b""
    size = int.from_bytes(value[1:3], "big")
    if value[:1] != b"\1" or size > len(value) - 3:
        raise Malformed("a media signature that is longer than its field")
    return value[3 : 3 + size]
