"""Who a certificate says that somebody is; judging.py says if it is believed. Without IO."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from roeh.access.refusals import refused
from roeh.core.errors import KeyRefused
from roeh.core.retrieval import Person
from roeh.keys.certificates import certificate_of
from roeh.keys.chain import is_authority
from roeh.keys.key_pem import is_p256
from roeh.keys.person_certificates import person_name_of, role_of

MAX_CERTIFICATE_BYTES = 16 * 1024


def person_of(certificate_der: bytes) -> Person:
    """Who somebody is, as their certificate says.

    Raises:
        AccessRefused: `malformed`, `no_name`, `no_number`, `no_role`, `not_a_person`: it is not
            a person's certificate.
    """
    return person_in(read_certificate(certificate_der))


def read_certificate(certificate_der: bytes) -> x509.Certificate:
    """The certificate, as far as it can be read.

    Raises:
        AccessRefused: `malformed`.
    """
    if len(certificate_der) > MAX_CERTIFICATE_BYTES:
        raise refused("malformed", f"a certificate of {len(certificate_der)} bytes")
    try:
        certificate = certificate_of(certificate_der)
        # Its parts are read only when they are asked for.
        for part in (certificate.subject, certificate.issuer):
            part.rfc4514_string()
        _ = certificate.extensions, certificate.not_valid_before_utc, certificate.public_key()
    except Exception as error:  # crafted bytes: whatever the parser may raise
        raise refused("malformed", f"a certificate ({type(error).__name__})") from error
    return certificate


def person_in(certificate: x509.Certificate) -> Person:
    """As `person_of`, of a certificate that `read_certificate` has read."""
    subject = certificate.subject
    which = subject.rfc4514_string() or "a certificate without a subject"
    if is_authority(certificate.extensions) or not is_p256(certificate.public_key()):
        raise refused("not_a_person", which)
    role = role_of(certificate)
    if role is None:
        raise refused("no_role", which)
    try:
        named = person_name_of(subject)
    except KeyRefused as error:
        raise refused("no_number" if "number" in error.what else "no_name", which) from error
    return Person(
        number=named.number,
        name=named.name,
        organisation=named.organisation,
        role=role,
        certificate_sha256=hashlib.sha256(_der(certificate)).hexdigest(),
    )


def is_same_person(number: str, other: str) -> bool:
    """Whether two numbers are one person's. Case does not make two persons of one.

    Numbers have no characters but ASCII's (keys/person_certificates.py), so nothing else can
    look alike.
    """
    return number.casefold() == other.casefold()


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)
