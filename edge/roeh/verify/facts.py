"""What is to be judged: the facts of a stream or file, without its pictures.

A segment of ten seconds comes to some ten kilobytes of facts, so whoever judges never holds
a stream in memory, and whoever reads bytes from strangers (`reading`) can do it elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import load_pem_x509_certificate

from roeh.bitstream.malformed import Malformed
from roeh.bitstream.media_signing import is_media_signing_sei, slice_hashes
from roeh.bitstream.nal import Octets, is_first_slice, is_key_slice, is_slice
from roeh.bitstream.signing_sei import SHA256_OID, SignedGop, parse_sei


class SliceFact(msgspec.Struct, frozen=True, tag="slice"):
    """A piece of a picture.

    Attributes:
        own_hash: SHA-256 of the NAL unit without zeros behind its stop bit.
        starts_gop: the first slice of a picture that decoding can start from.
        starts_picture: the first slice of any picture.
    """

    own_hash: bytes
    starts_gop: bool
    starts_picture: bool


class SignatureFact(msgspec.Struct, frozen=True, kw_only=True, tag="signature"):
    """A media signature as it claims to be, and whether its own key made it.

    Attributes:
        is_sound: signed by the key of its first certificate; says nothing of trust.
        why_unsound: in words; empty when it is sound.
        hash_list: empty when none was sent.
        chain_pem: certificates, leaf first.
        serial_number: of the signer, as its maker wrote it.
    """

    counter: int
    is_partial: bool
    hash_count: int
    gop_hash: bytes
    linked_hash: bytes
    hash_list: tuple[bytes, ...]
    t_first_utc_us: int
    t_end_utc_us: int
    chain_pem: bytes
    serial_number: str
    is_sound: bool
    why_unsound: str


class DamagedSignature(msgspec.Struct, frozen=True, tag="damaged"):
    """Something that says it is a media signature and cannot be read."""

    why: str


StreamFact = SliceFact | SignatureFact | DamagedSignature


def facts_of_nal(nal: Octets) -> StreamFact | None:
    """The fact in a NAL unit of H.264; None when the standard does not look at it."""
    if is_slice("h264", nal):
        starts_picture = is_first_slice("h264", nal)
        (own_hash,) = slice_hashes((nal,))
        return SliceFact(own_hash, starts_picture and is_key_slice("h264", nal), starts_picture)
    try:
        signed = parse_sei(nal)
    except Malformed as error:
        return DamagedSignature(error.what)
    if signed is None:
        if is_media_signing_sei(nal):
            return DamagedSignature("a media signature whose head is damaged")
        return None
    # One that only brings certificates signs no pictures, and each of ours brings its own.
    return None if signed.is_certificate_sei else _signature_fact(signed)


def facts_of_nals(nals: Iterable[Octets]) -> list[StreamFact]:
    """The facts in some NAL units, in their order."""
    found = (facts_of_nal(nal) for nal in nals)
    return [fact for fact in found if fact is not None]


def _signature_fact(signed: SignedGop) -> SignatureFact:
    why = _why_unsound(signed)
    return SignatureFact(
        counter=signed.counter,
        is_partial=signed.is_partial,
        hash_count=signed.hash_count,
        gop_hash=signed.gop_hash,
        linked_hash=signed.linked_hash,
        hash_list=signed.hash_list,
        t_first_utc_us=signed.t_first_utc_us,
        t_end_utc_us=signed.t_end_utc_us,
        chain_pem=signed.chain_pem,
        serial_number=signed.vendor.serial_number if signed.vendor is not None else "",
        is_sound=not why,
        why_unsound=why,
    )


def _why_unsound(signed: SignedGop) -> str:  # noqa: PLR0911  # one reason after the other
    if signed.hash_oid != SHA256_OID:
        return "it names another hash algorithm than SHA-256"
    if not signed.is_hash_list_sound:
        return "its list of hashes is not the one it gives the hash of"
    if not signed.signature:
        return "it carries no signature"
    try:
        key = load_pem_x509_certificate(signed.chain_pem).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "its certificate cannot be read"
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return "its key is none of an elliptic curve"
    try:
        key.verify(signed.signature, signed.signed_bytes, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm):
        return "the signature was not made by its key over these bytes"
    return ""


class SliceHasher:
    """The hashes that a signature lists, from those of the slices themselves.

    The first slice of a GOP is the anchor, hashed alone; each further one behind it.
    """

    def __init__(self) -> None:
        self._anchor = b""

    def hash_of(self, fact: SliceFact) -> bytes:
        """The listed hash of the next slice."""
        if fact.starts_gop:
            self._anchor = fact.own_hash
            return fact.own_hash
        if not self._anchor:
            return fact.own_hash
        return hashlib.sha256(self._anchor + fact.own_hash).digest()
