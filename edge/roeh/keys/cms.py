"""Signed objects, the part of CMS (RFC 5652) that requests, approvals and manifests need.

One signer, ECDSA P-256 with SHA-256; signed attributes content-type, message-digest and
signing-time; the signer's certificate and its CA's inside; DER. What else CMS knows is refused.
A signature says who signed what: whether the signer may be believed is judged elsewhere. Several
encodings of one signature exist, so an object's own hash does not tell whether it is new.
Without IO. edge/design/adr/0010-signed-objects.md says why, and why it is written here.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable
from typing import Annotated

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from roeh.core.errors import KeyRefused
from roeh.core.retrieval import MAX_SIGNED_BYTES
from roeh.keys.certificates import certificate_of, certificate_pem
from roeh.keys.chain import MAX_CERTIFICATES, MAX_CHAIN_BYTES, is_issued_by
from roeh.keys.instants import instant, microseconds
from roeh.keys.key_pem import UNPARSABLE, certificates_in, is_p256

_DATA = x509.ObjectIdentifier("1.2.840.113549.1.7.1")
_SIGNED_DATA = x509.ObjectIdentifier("1.2.840.113549.1.7.2")
_SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_ECDSA_SHA256 = x509.ObjectIdentifier("1.2.840.10045.4.3.2")
_CONTENT_TYPE = x509.ObjectIdentifier("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = x509.ObjectIdentifier("1.2.840.113549.1.9.4")
_SIGNING_TIME = x509.ObjectIdentifier("1.2.840.113549.1.9.5")

#: Of SignedData and SignerInfo, when data is signed and the signer named by issuer and serial.
_VERSION = 1
_MAX_ATTRIBUTES = 16
_UTC_TIME_TAG = b"\x17"
#: RFC 5652 section 11.3: UTCTime for these years, GeneralizedTime for any other.
_UTC_TIME_YEARS = range(1950, 2050)


class SignedContent(msgspec.Struct, frozen=True):
    """What was signed, and by whom: the signature holds, the signer is not judged.

    Attributes:
        content: the bytes that were signed.
        chain_pem: the signer's certificate, then those above it that came along.
        signer_der: the signer's certificate.
        signing_time_utc_us: the signer's word, whole seconds.
    """

    content: bytes
    chain_pem: bytes
    signer_der: bytes
    signing_time_utc_us: int


@asn1.sequence
class _Algorithm:
    oid: x509.ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class _Attribute:
    oid: x509.ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class _SignerIdentifier:
    issuer: asn1.TLV
    serial_number: int


@asn1.sequence
class _SignerInfo:
    version: int
    signer: _SignerIdentifier
    digest_algorithm: _Algorithm
    signed_attributes: Annotated[asn1.SetOf[_Attribute], asn1.Implicit(0)]
    signature_algorithm: _Algorithm
    signature: bytes


@asn1.sequence
class _Encapsulated:
    content_type: x509.ObjectIdentifier
    content: Annotated[bytes | None, asn1.Explicit(0)]


@asn1.sequence
class _SignedData:
    version: int
    digest_algorithms: asn1.SetOf[_Algorithm]
    encapsulated: _Encapsulated
    certificates: Annotated[asn1.SetOf[asn1.TLV], asn1.Implicit(0)]
    signers: asn1.SetOf[_SignerInfo]


@asn1.sequence
class _ContentInfo:
    content_type: x509.ObjectIdentifier
    content: Annotated[_SignedData, asn1.Explicit(0)]


@asn1.sequence
class _AttributeSet:
    """Only to write the signed attributes as they are signed: as a SET OF (section 5.4)."""

    attributes: asn1.SetOf[_Attribute]


def sign_attached(
    content: bytes, *, chain_pem: bytes, sign: Callable[[bytes], bytes], t_utc_us: int
) -> bytes:
    """Sign `content` and carry it along.

    Args:
        content: what is signed.
        chain_pem: the signer's certificate, then its CA's.
        sign: ECDSA P-256 over SHA-256 of its argument, as DER (keys/signer.py).
        t_utc_us: the signer's time, UTC.

    Returns:
        CMS SignedData in a ContentInfo, DER.

    Raises:
        KeyRefused: no chain, too large, a time in no calendar, or the key does not answer.
    """
    return _signed(content, True, chain_pem, sign, t_utc_us)


def sign_detached(
    content: bytes, *, chain_pem: bytes, sign: Callable[[bytes], bytes], t_utc_us: int
) -> bytes:
    """As `sign_attached`, but the content travels beside it."""
    return _signed(content, False, chain_pem, sign, t_utc_us)


def read_signed(der: bytes, content: bytes | None = None) -> SignedContent:
    """What was signed and by whom, when the signature holds.

    Args:
        der: CMS SignedData in a ContentInfo.
        content: what a detached signature is for; None: it has to be inside.

    Raises:
        KeyRefused: anything else than one good signature of the kind described above.
    """
    if len(der) > MAX_SIGNED_BYTES:
        raise _refused(f"of {len(der)} bytes, which none of ours has")
    try:
        data = _parsed(der)
        signed = _content(data, content)
        chain = _chain(data)
        info = _signer_info(data)
        signer = _signer(info, chain)
        signing_time_us = _check_attributes(info, signed)
        _check_signature(info, signer)
        path = _upwards(signer, chain)
        return SignedContent(
            content=signed,
            chain_pem=certificate_pem(*path),
            signer_der=signer.public_bytes(serialization.Encoding.DER),
            signing_time_utc_us=signing_time_us,
        )
    except KeyRefused:
        raise
    except Exception as error:  # crafted bytes: whatever a parser below may raise
        raise _refused(f"that cannot be read ({type(error).__name__})") from error


def _signed(
    content: bytes,
    attached: bool,
    chain_pem: bytes,
    sign: Callable[[bytes], bytes],
    t_utc_us: int,
) -> bytes:
    try:
        chain = certificates_in(chain_pem)
    except UNPARSABLE as error:
        raise _refused(f"whose signer's certificate cannot be read ({error})") from error
    if not 1 <= len(chain) <= MAX_CERTIFICATES:
        raise _refused(f"with {len(chain)} certificates of its signer")
    attributes = _attributes(content, t_utc_us)
    info = _SignerInfo(
        version=_VERSION,
        signer=_SignerIdentifier(
            issuer=_value(chain[0].issuer.public_bytes()), serial_number=chain[0].serial_number
        ),
        digest_algorithm=_Algorithm(oid=_SHA256, parameters=None),
        signed_attributes=attributes,
        signature_algorithm=_Algorithm(oid=_ECDSA_SHA256, parameters=None),
        signature=sign(_signed_bytes(attributes)),
    )
    data = _SignedData(
        version=_VERSION,
        digest_algorithms=asn1.SetOf([_Algorithm(oid=_SHA256, parameters=None)]),
        encapsulated=_Encapsulated(content_type=_DATA, content=content if attached else None),
        certificates=asn1.SetOf(
            [_value(one.public_bytes(serialization.Encoding.DER)) for one in chain]
        ),
        signers=asn1.SetOf([info]),
    )
    der = asn1.encode_der(_ContentInfo(content_type=_SIGNED_DATA, content=data))
    # Nothing leaves that nobody would read: a key that is not the certificate's, too much.
    read_signed(der, None if attached else content)
    return der


def _attributes(content: bytes, t_utc_us: int) -> asn1.SetOf[_Attribute]:
    values = {
        _CONTENT_TYPE: asn1.encode_der(_DATA),
        _SIGNING_TIME: asn1.encode_der(_time(t_utc_us)),
        _MESSAGE_DIGEST: asn1.encode_der(hashlib.sha256(content).digest()),
    }
    return asn1.SetOf(
        [_Attribute(oid=oid, values=asn1.SetOf([_value(der)])) for oid, der in values.items()]
    )


def _time(t_utc_us: int) -> asn1.UTCTime | asn1.GeneralizedTime:
    try:
        when = instant(t_utc_us)
    except OverflowError:
        raise _refused(f"at {t_utc_us} us since 1970, which is in no calendar") from None
    return asn1.UTCTime(when) if when.year in _UTC_TIME_YEARS else asn1.GeneralizedTime(when)


def _value(der: bytes) -> asn1.TLV:
    return asn1.decode_der(asn1.TLV, der)


def _signed_bytes(attributes: asn1.SetOf[_Attribute]) -> bytes:
    """What is signed: the attributes as a SET OF, whatever tag they travel under."""
    wrapped = asn1.decode_der(asn1.TLV, asn1.encode_der(_AttributeSet(attributes=attributes)))
    return bytes(wrapped.data)


def _parsed(der: bytes) -> _SignedData:
    info = asn1.decode_der(_ContentInfo, der)
    if asn1.encode_der(info) != der:
        raise _refused("that is not written as DER")
    data = info.content
    if info.content_type != _SIGNED_DATA or data.version != _VERSION:
        raise _refused("that is not CMS SignedData of version 1")
    if data.encapsulated.content_type != _DATA:
        raise _refused("whose content is not plain data")
    if [one.oid for one in data.digest_algorithms.as_list()] != [_SHA256]:
        raise _refused("whose digest is not SHA-256 alone")
    return data


def _content(data: _SignedData, beside: bytes | None) -> bytes:
    inside = data.encapsulated.content
    if inside is None and beside is None:
        raise _refused("without its content")
    if inside is not None and beside is not None:
        raise _refused("with content inside, where a detached signature is wanted")
    return inside if inside is not None else beside or b""


def _chain(data: _SignedData) -> list[x509.Certificate]:
    encoded = [asn1.encode_der(one) for one in data.certificates.as_list()]
    if not 1 <= len(encoded) <= MAX_CERTIFICATES or sum(map(len, encoded)) > MAX_CHAIN_BYTES:
        raise _refused(f"with {len(encoded)} certificates, or too large ones")
    return [certificate_of(one) for one in encoded]


def _signer_info(data: _SignedData) -> _SignerInfo:
    signers = data.signers.as_list()
    if len(signers) != 1:
        raise _refused(f"of {len(signers)} signers where one is wanted")
    info = signers[0]
    if (
        info.version != _VERSION
        or info.digest_algorithm.oid != _SHA256
        or info.signature_algorithm.oid != _ECDSA_SHA256
    ):
        raise _refused("not signed with ECDSA and SHA-256")
    return info


def _signer(info: _SignerInfo, chain: list[x509.Certificate]) -> x509.Certificate:
    issuer = asn1.encode_der(info.signer.issuer)
    found = [
        one
        for one in chain
        if one.serial_number == info.signer.serial_number and one.issuer.public_bytes() == issuer
    ]
    if len(found) != 1:
        raise _refused("without its signer's certificate")
    return found[0]


def _check_attributes(info: _SignerInfo, content: bytes) -> int:
    """The signing time, when the attributes are of this content."""
    attributes = info.signed_attributes.as_list()
    values: dict[x509.ObjectIdentifier, list[asn1.TLV]] = {}
    for attribute in attributes:
        values[attribute.oid] = attribute.values.as_list()
    if len(values) != len(attributes) or len(attributes) > _MAX_ATTRIBUTES:
        raise _refused("with too many signed attributes, or one twice")
    wanted = [values.get(oid, []) for oid in (_CONTENT_TYPE, _MESSAGE_DIGEST, _SIGNING_TIME)]
    if any(len(one) != 1 for one in wanted):
        raise _refused("without content type, digest and time of signing")
    content_type, digest, time = (one[0] for one in wanted)
    if content_type.parse(x509.ObjectIdentifier) != _DATA:
        raise _refused("whose content is not plain data")
    if digest.parse(bytes) != hashlib.sha256(content).digest():
        raise _refused("of another content: the digest differs")
    return microseconds(_datetime(time))


def _datetime(value: asn1.TLV) -> datetime.datetime:
    encoded = asn1.encode_der(value)
    if value.tag_bytes == _UTC_TIME_TAG:
        return asn1.decode_der(asn1.UTCTime, encoded).as_datetime()
    return asn1.decode_der(asn1.GeneralizedTime, encoded).as_datetime()


def _check_signature(info: _SignerInfo, signer: x509.Certificate) -> None:
    public_key = signer.public_key()
    if not is_p256(public_key):
        raise _refused("whose signer's key is not ECDSA P-256")
    try:
        public_key.verify(
            info.signature, _signed_bytes(info.signed_attributes), ec.ECDSA(hashes.SHA256())
        )
    except InvalidSignature:
        raise _refused("whose signature is wrong") from None


def _upwards(
    signer: x509.Certificate, certificates: list[x509.Certificate]
) -> list[x509.Certificate]:
    """The signer's certificate and those above it, each signed by the next.

    What was signed names the signer's certificate by issuer and number only, so that its other
    words are what its CA, which comes along, vouches for.
    """
    path, left = [signer], [one for one in certificates if one != signer]
    while above := [one for one in left if is_issued_by(path[-1], one)]:
        path.append(above[0])
        left.remove(above[0])
    if left:
        raise _refused("with certificates that are not its signer's and its CA's")
    if len(path) == 1 and not is_issued_by(signer, signer):
        raise _refused("without the certificate of its signer's CA")
    return path


def _refused(what: str) -> KeyRefused:
    return KeyRefused(
        what=f"a signed object {what}",
        which="CMS",
        remedy="have it signed again: one ECDSA P-256 signer, SHA-256, DER, certificate inside",
    )
