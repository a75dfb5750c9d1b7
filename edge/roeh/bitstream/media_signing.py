"""ONVIF Media Signing of H.264: the hashes of a GOP, the chain over GOPs, and their SEI.

Written after the ONVIF Media Signing specification and what its reference implementation
reads (r25.12.3), which differ: integers are big endian here, as in the implementation.

A GOP's first slice is its anchor, hashed alone; each further slice is hashed, and that hash
again behind the anchor's. The SEI holds these hashes, their common hash and the anchor of
the GOP before (the linked hash), so that neither a slice nor a GOP can be taken out.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Sequence

import msgspec

from roeh.bitstream.nal import (
    H264_SEI,
    Octets,
    is_first_slice,
    is_key_slice,
    is_slice,
    join_length_prefixed,
    split_length_prefixed,
    with_emulation_prevention,
)
from roeh.bitstream.signing_sei import (
    CERTIFICATES_TAG,
    CRYPTO_INFO_TAG,
    GENERAL_TAG,
    HASH_LIST_TAG,
    MEDIA_SIGNING_UUID,
    SHA256_OID,
    SIGNATURE_TAG,
    VENDOR_TAG,
    SignedGop,
    Vendor,
    parse_sei,
    signed_bytes,
    to_filetime,
)
from roeh.core.errors import EvidenceRefused
from roeh.core.gop import AccessUnit
from roeh.core.types import Count, TimeUs

__all__ = [
    "MAX_PENDING",
    "ChainState",
    "PendingGop",
    "SignedGop",
    "Vendor",
    "gop_hash",
    "is_media_signing_sei",
    "next_state",
    "parse_sei",
    "sei_for",
    "signed_bytes",
    "slice_hashes",
    "with_seis",
    "without",
    "without_seis",
]

HASH_BYTES = 32
#: The version of the reference implementation that this was judged by.
IMPLEMENTATION_VERSION = (25, 12, 3)
#: GOPs whose signature is waited for; when the signer is away for longer the oldest stay
#: unsigned (the ledger covers them), so that the state cannot grow without end.
MAX_PENDING = 64
#: More hashes than these are too many for the reference implementation's list.
MAX_LISTED_HASHES = 600
#: The number of hashes has two bytes.
MAX_HASHES = 0xFFFF
#: The longest DER form of an ECDSA signature on P-256: the field never changes its size.
MAX_SIGNATURE_BYTES = 72

_USER_DATA_UNREGISTERED = 5
#: The flag that what is signed has its emulation prevention bytes in.
_SIGNED_AS_WRITTEN = 0x40
_STOP_BIT = b"\x80"


class PendingGop(msgspec.Struct, frozen=True):
    """What the SEI of a GOP says, before it is signed.

    Attributes:
        counter: of this GOP in the chain, from 1.
        linked_hash: the anchor of the GOP before; zeros for the first.
        hash_list: the hashes of its slices one after the other; the first is the anchor.
        t_first_utc_us: when its first picture was taken.
        t_end_utc_us: when its last picture was taken, or ends.
    """

    counter: Count
    linked_hash: bytes
    hash_list: bytes
    t_first_utc_us: TimeUs
    t_end_utc_us: TimeUs


class ChainState(msgspec.Struct, frozen=True):
    """All that the signatures to come of one camera depend on: `ChainState()` before the first GOP.

    It is stored with each fragment (msgspec.msgpack), so that a restart goes on with it.

    Attributes:
        counter: of the last GOP that was hashed in.
        linked_hash: its anchor.
        pending: GOPs whose SEI is in no fragment yet, oldest first.
    """

    counter: Count = 0
    linked_hash: bytes = bytes(HASH_BYTES)
    pending: tuple[PendingGop, ...] = ()


def next_state(
    state: ChainState, units: Sequence[AccessUnit], t_first_utc_us: int, t_end_utc_us: int
) -> ChainState:
    """The state after one more GOP, which is pending then.

    Raises:
        Malformed: NAL units that do not fit their pictures.
        EvidenceRefused: pictures that do not begin with an IDR picture, have a second one,
            or have more slices than can be signed.
    """
    hashes = slice_hashes(_picture_slices(units))
    gop = PendingGop(
        counter=state.counter + 1,
        linked_hash=state.linked_hash,
        hash_list=b"".join(hashes),
        t_first_utc_us=t_first_utc_us,
        t_end_utc_us=t_end_utc_us,
    )
    return ChainState(
        counter=gop.counter,
        linked_hash=hashes[0],
        pending=(*state.pending, gop)[-MAX_PENDING:],
    )


def without(state: ChainState, written: Iterable[PendingGop]) -> ChainState:
    """The state when these GOPs have their SEI in a fragment."""
    counters = {gop.counter for gop in written}
    pending = tuple(gop for gop in state.pending if gop.counter not in counters)
    return msgspec.structs.replace(state, pending=pending)


def sei_for(
    pending: PendingGop, *, vendor: Vendor, chain_pem: bytes, sign: Callable[[bytes], bytes]
) -> bytes:
    """The whole SEI of a GOP, a NAL unit with its emulation prevention.

    Args:
        pending: the GOP.
        vendor: who made the signer; part of what is signed.
        chain_pem: certificates, leaf first, without the root.
        sign: ECDSA P-256 with SHA-256 over the bytes given, as DER.

    Raises:
        EvidenceRefused: a signature or certificates that do not fit.
    """
    payload = (
        MEDIA_SIGNING_UUID + bytes((_SIGNED_AS_WRITTEN,)) + _fields(pending, vendor, chain_pem)
    )
    signature_field_bytes = 3 + 3 + MAX_SIGNATURE_BYTES
    size = len(payload) + signature_field_bytes
    head = bytes((H264_SEI, _USER_DATA_UNREGISTERED)) + b"\xff" * (size // 255)
    head += bytes((size % 255,))
    signature = sign(head + with_emulation_prevention(payload))
    if not 0 < len(signature) <= MAX_SIGNATURE_BYTES:
        raise EvidenceRefused(
            what=f"a signature of {len(signature)} bytes",
            which=f"GOP {pending.counter}",
            remedy="media is signed with a P-256 key",
        )
    # Filled up with ones, which need no emulation prevention.
    value = b"\1" + struct.pack(">H", len(signature)) + signature.ljust(MAX_SIGNATURE_BYTES, b"\1")
    return head + with_emulation_prevention(payload + _field(SIGNATURE_TAG, value)) + _STOP_BIT


def with_seis(unit: AccessUnit, seis: Sequence[bytes]) -> AccessUnit:
    """A picture with these SEI before its first slice, in order."""
    if not seis:
        return unit
    nals = list(split_length_prefixed(unit.nal_units))
    first = next((i for i, nal in enumerate(nals) if is_slice("h264", nal)), len(nals))
    nal_units = join_length_prefixed([*nals[:first], *seis, *nals[first:]])
    return msgspec.structs.replace(unit, nal_units=nal_units)


def without_seis(unit: AccessUnit) -> AccessUnit:
    """A picture without media signatures, ours or those of a camera that signs itself.

    Two chains in one stream contradict each other for whoever validates it.
    """
    nals = list(split_length_prefixed(unit.nal_units))
    kept = [nal for nal in nals if not is_media_signing_sei(nal)]
    if len(kept) == len(nals):
        return unit
    return msgspec.structs.replace(unit, nal_units=join_length_prefixed(kept))


def is_media_signing_sei(nal: Octets) -> bool:
    """Whether it is an SEI that says it is a signature, sound or not."""
    if not nal or nal[0] & 0x1F != H264_SEI:
        return False
    # Behind two bytes of header and the length, of which there is one for each 255 bytes.
    return MEDIA_SIGNING_UUID in bytes(nal[:600])


def slice_hashes(slices: Iterable[Octets]) -> list[bytes]:
    """The hashes that the SEI of a GOP with these slices lists; the first is the anchor.

    A slice ends with its stop bit: zeros behind belong to the byte stream and are not
    hashed.
    """
    hashes: list[bytes] = []
    for nal in slices:
        own = hashlib.sha256(_without_trailing_zeros(nal)).digest()
        hashes.append(hashlib.sha256(hashes[0] + own).digest() if hashes else own)
    return hashes


def gop_hash(hashes: Iterable[bytes]) -> bytes:
    """The common hash of a GOP's slice hashes."""
    return hashlib.sha256(b"".join(hashes)).digest()


def _picture_slices(units: Sequence[AccessUnit]) -> list[Octets]:
    slices: list[Octets] = [
        nal
        for unit in units
        for nal in split_length_prefixed(unit.nal_units)
        if is_slice("h264", nal)
    ]
    starts = [
        i
        for i, nal in enumerate(slices)
        if is_key_slice("h264", nal) and is_first_slice("h264", nal)
    ]
    if starts != [0]:
        raise EvidenceRefused(
            what=f"{len(starts)} IDR pictures, where one stands first",
            which=f"a group of {len(units)} pictures to sign",
            remedy="groups begin at each IDR picture and nowhere else",
        )
    if len(slices) > MAX_HASHES:
        raise EvidenceRefused(
            what=f"{len(slices)} slices",
            which=f"a group of {len(units)} pictures to sign",
            remedy="have the camera send a key picture more often",
        )
    return slices


def _without_trailing_zeros(nal: Octets) -> Octets:
    return bytes(nal).rstrip(b"\0") if nal and nal[-1] == 0 else nal


def _fields(pending: PendingGop, vendor: Vendor, chain_pem: bytes) -> bytes:
    count = len(pending.hash_list) // HASH_BYTES
    triggered_inside_a_gop = 0
    general = (
        bytes((2, *IMPLEMENTATION_VERSION, triggered_inside_a_gop))
        + struct.pack(
            ">qqIH",
            to_filetime(pending.t_first_utc_us),
            to_filetime(pending.t_end_utc_us),
            pending.counter & 0xFFFFFFFF,
            count,
        )
        + hashlib.sha256(pending.hash_list).digest()
        + pending.linked_hash
    )
    without_rsa = b"\0\0\0"
    crypto = bytes((1, len(SHA256_OID))) + SHA256_OID + without_rsa
    names = (vendor.firmware_version, vendor.serial_number, vendor.manufacturer)
    encoded = [name.encode()[:255] for name in names]
    fields = (
        _field(CRYPTO_INFO_TAG, crypto)
        + _field(VENDOR_TAG, b"\1" + b"".join(bytes((len(name),)) + name for name in encoded))
        + _field(CERTIFICATES_TAG, b"\1\0" + chain_pem)
        + _field(GENERAL_TAG, general)
    )
    if count <= MAX_LISTED_HASHES:
        fields += _field(HASH_LIST_TAG, b"\1" + pending.hash_list)
    return fields


def _field(tag: int, value: bytes) -> bytes:
    if len(value) > 0xFFFF:
        raise EvidenceRefused(
            what=f"{len(value)} bytes in a field of at most 65,535",
            which=f"field {tag} of a media signature",
            remedy="use a shorter certificate chain",
        )
    return struct.pack(">BH", tag, len(value)) + value
