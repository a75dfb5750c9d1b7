"""Persons' keys and certificates: the request that a person makes, what their CA makes of it.

PERSON.key.pem      the person's private key (PKCS#8, mode 0600), made once
PERSON.csr.pem      their request; a card's own tools can make one as well
PERSON.pem          their certificate and their CA's, from the key keeper
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.errors import KeyRefused, OutputRefused
from roeh.core.retrieval import PersonRole
from roeh.keys.authority import LIST_FILE, AuthorityDirectory, AuthorityKind
from roeh.keys.certificates import certificate_pem, new_private_key, spki_der
from roeh.keys.instants import microseconds
from roeh.keys.key_files import Passphrase, check_pair, key_file_content, read_key_file
from roeh.keys.key_pem import UNPARSABLE, certificates_in, is_p256
from roeh.keys.person_certificates import (
    AUTHORITY_ROLES,
    AuthorityClass,
    PersonName,
    checked_person_request,
    person_certificate,
    person_name_of,
    person_request,
    role_of,
)
from roeh.keys.requests import requests_in
from roeh.keys.revocation import revocation_lists
from roeh.keys.safe_files import read_public, replace_private

PERSON_DAYS = 365

_CLASSES = {
    AuthorityKind.POLICE: AuthorityClass.POLICE,
    AuthorityKind.STAFF: AuthorityClass.STAFF,
}


class IssuedPerson(msgspec.Struct, frozen=True):
    """A person's certificate, for people.

    Attributes:
        others: certificates of this CA that name the same number, by serial: all are one
            person's.
        was_there: nothing was made anew.
    """

    person: PersonName
    role: PersonRole
    serial: str
    until_utc_us: int
    others: tuple[str, ...]
    was_there: bool


class PersonKey(msgspec.Struct, frozen=True):
    """What a person signs with.

    Attributes:
        private_key: theirs.
        chain_pem: their certificate, then their CA's.
    """

    private_key: ec.EllipticCurvePrivateKey
    chain_pem: bytes

    def sign(self, message: bytes) -> bytes:
        """ECDSA P-256 over SHA-256 of `message`, as DER."""
        return self.private_key.sign(message, ec.ECDSA(hashes.SHA256()))


def make_person_request(
    key_file: Path,
    person: PersonName,
    new_passphrase: Callable[[], bytes | None],
    passphrase: Passphrase,
) -> tuple[bytes, bool]:
    """A person's request (PEM), and whether their key was made for it.

    Args:
        key_file: a key that is there already is used again.
        person: whom the certificate shall name.
        new_passphrase: asked when a key is made; None: it is not encrypted.
        passphrase: asked when the key that is there is encrypted.

    Raises:
        KeyRefused: the key that is there cannot be used.
        OutputRefused: the key cannot be written.
    """
    is_new = not key_file.exists()
    if is_new:
        private_key = new_private_key()
        _make_directory(key_file.parent)
        content = key_file_content(private_key, new_passphrase())
        replace_private(key_file, content, os.geteuid())
    else:
        private_key, _ = read_key_file(key_file, passphrase)
    request = person_request(person, private_key)
    return request.public_bytes(serialization.Encoding.PEM), is_new


def sign_person(
    authority: AuthorityDirectory,
    request_pem: bytes,
    role: PersonRole,
    *,
    days: int,
    renew: bool,
    clock: Clock,
) -> tuple[bytes, IssuedPerson]:
    """Certify one person for one role; the certificate and the CA's (PEM).

    A key, role and name that were certified before get the same certificate again, while it
    counts; with `renew`, or once it has ended or was revoked, another one.

    Raises:
        KeyRefused: not the CA of this role, not one request, one that names no person or is not
            signed by its key, or a key that is certified for another person or role. Then
            nothing is signed.
    """
    _check_role(authority, role)
    requests = requests_in(request_pem)
    if len(requests) != 1:
        raise KeyRefused(
            what=f"{len(requests)} requests where one person's is wanted",
            which="the request",
            remedy="name one file for each person",
        )
    person, public_key = checked_person_request(requests[0])
    issued = list(authority.issued())
    same_key = [one for one in issued if _spki(one) == spki_der(public_key)]
    _check_not_another(same_key, person, role)
    counting = [] if renew else _counting(same_key, authority, clock)
    certificate = (
        counting[0]
        if counting
        else person_certificate(
            person, role, public_key, authority.authority, authority.validity(days, clock)
        )
    )
    authority.record(certificate)
    return certificate_pem(certificate, authority.certificate), IssuedPerson(
        person=person,
        role=role,
        serial=f"{certificate.serial_number:x}",
        until_utc_us=microseconds(certificate.not_valid_after_utc),
        others=tuple(
            f"{one.serial_number:x}"
            for one in issued
            if one != certificate and _number(one).casefold() == person.number.casefold()
        ),
        was_there=bool(counting),
    )


def open_person_key(key_file: Path, certificate_file: Path, passphrase: Passphrase) -> PersonKey:
    """A person's key with their certificate; both may lie in one file.

    Raises:
        KeyRefused: either cannot be read, or they do not belong together.
    """
    private_key, _ = read_key_file(key_file, passphrase)
    certificates = _certificates(certificate_file)
    check_pair(private_key, certificates[0], certificate_file)
    return PersonKey(private_key, certificate_pem(*certificates))


def person_p12(key: PersonKey, passphrase: bytes, *, for_old_phones: bool) -> bytes:
    """Key and certificates as PKCS#12, as browsers and phones take them.

    Args:
        key: a person's.
        passphrase: whoever imports it is asked for it.
        for_old_phones: with 3DES and SHA-1, which phones of some years ago want; else AES-256
            and SHA-256.
    """
    certificate, *above = certificates_in(key.chain_pem)
    builder = serialization.PrivateFormat.PKCS12.encryption_builder()
    if for_old_phones:
        builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        builder = builder.hmac_hash(hashes.SHA1())  # noqa: S303 - the old phones know no other
    else:
        builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        builder = builder.hmac_hash(hashes.SHA256())
    name = person_name_of(certificate.subject).name
    return pkcs12.serialize_key_and_certificates(
        name.encode(), key.private_key, certificate, above, builder.build(passphrase)
    )


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        certificates = certificates_in(read_public(path))
    except UNPARSABLE:
        certificates = []
    if len(certificates) < 2:
        raise KeyRefused(
            what=f"{len(certificates)} certificates where a person's and the CA's are wanted",
            which=str(path),
            remedy="name what roeh keys person sign wrote",
        )
    return certificates


def _check_role(authority: AuthorityDirectory, role: PersonRole) -> None:
    kind = authority.kind()
    if kind not in _CLASSES or role not in AUTHORITY_ROLES[_CLASSES[kind]]:
        wanted = next(found for found, held in _CLASSES.items() if role in AUTHORITY_ROLES[held])
        raise KeyRefused(
            what=f"a {kind.value} makes no {role.value}",
            which=str(authority.directory),
            remedy=f"name the {wanted.value} with --ca",
        )


def _check_not_another(
    same_key: list[x509.Certificate], person: PersonName, role: PersonRole
) -> None:
    """One key is one person's in one role."""
    for one in same_key:
        if role_of(one) is not role or _number(one).casefold() != person.number.casefold():
            raise KeyRefused(
                what="its key has a certificate for another person or role",
                which=f"the request of {person.name} ({person.number}) as {role.value}",
                remedy="make a key for each role: roeh keys person request",
            )


def _counting(
    certificates: list[x509.Certificate], authority: AuthorityDirectory, clock: Clock
) -> list[x509.Certificate]:
    """Those that have not ended and were not revoked."""
    path = authority.directory / LIST_FILE
    lists = revocation_lists(read_public(path) if path.exists() else b"").lists
    now_us = clock.read().t_utc_ns // NS_PER_US
    return [
        one
        for one in certificates
        if microseconds(one.not_valid_after_utc) > now_us
        and not any(
            item.get_revoked_certificate_by_serial_number(one.serial_number) for item in lists
        )
    ]


def _spki(certificate: x509.Certificate) -> bytes:
    public_key = certificate.public_key()
    return spki_der(public_key) if is_p256(public_key) else b""


def _number(certificate: x509.Certificate) -> str:
    """The person's number; empty for a certificate of nobody."""
    with contextlib.suppress(KeyRefused):
        return person_name_of(certificate.subject).number
    return ""


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OutputRefused(
            what=f"cannot be made ({error.strerror})",
            which=str(directory),
            remedy="name a place that can be written to",
        ) from error
