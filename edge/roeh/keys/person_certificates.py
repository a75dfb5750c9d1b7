"""Certificates of persons: who somebody is and the one role that they have. Without IO.

Only the CA of the role's class may make one: its own extended key usages say so, and so does
the trust list (edge/design/retrieval.md, Persons, roles, authorities).
"""

from __future__ import annotations

import enum
import re
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from roeh.core.errors import KeyRefused
from roeh.core.retrieval import PersonRole
from roeh.keys.certificates import Authority, Validity, authority_under, leaf_for
from roeh.keys.key_pem import UNPARSABLE, is_p256
from roeh.keys.signer import ARC

CLIENT_AUTH: Final = ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string
#: The extended key usage of each role's certificates; never renumbered.
ROLE_USAGES: Final[dict[PersonRole, str]] = {
    PersonRole.OPERATOR: f"{ARC}.10.1",
    PersonRole.INVESTIGATOR: f"{ARC}.10.2",
    PersonRole.APPROVER: f"{ARC}.10.3",
    PersonRole.TECHNICIAN: f"{ARC}.10.4",
    PersonRole.AUDITOR: f"{ARC}.10.5",
    PersonRole.PRIVACY_OFFICER: f"{ARC}.10.6",
}
#: The extended key usage of who signs trust lists.
TRUST_LIST_USAGE: Final = f"{ARC}.20"

MAX_NUMBER_CHARS: Final = 64
# Of the characters that X.520 has for serialNumber (PrintableString).
_NUMBER = re.compile(rf"[A-Za-z0-9./-]{{1,{MAX_NUMBER_CHARS}}}")
_MAX_NAME_CHARS: Final = 64


class AuthorityClass(enum.Enum):
    """What a CA under the root is there for; the value is its name everywhere."""

    DEVICE = "device"
    POLICE = "police"
    STAFF = "staff"


#: Which roles a CA of each class may make.
AUTHORITY_ROLES: Final[dict[AuthorityClass, tuple[PersonRole, ...]]] = {
    AuthorityClass.DEVICE: (),
    AuthorityClass.POLICE: (PersonRole.INVESTIGATOR, PersonRole.APPROVER),
    AuthorityClass.STAFF: (
        PersonRole.OPERATOR,
        PersonRole.TECHNICIAN,
        PersonRole.AUDITOR,
        PersonRole.PRIVACY_OFFICER,
    ),
}


class PersonName(msgspec.Struct, frozen=True):
    """How a certificate names a person: serialNumber (X.520), common name, organisation."""

    number: str
    name: str
    organisation: str


def is_person_number(text: str) -> bool:
    """Whether a text can be a person's number: of few characters, so that no two look alike."""
    return _NUMBER.fullmatch(text) is not None


def person_name(number: str, name: str, organisation: str) -> PersonName:
    """A person's name, when a certificate may carry it.

    Raises:
        KeyRefused: a number of other characters, or a name that is empty, long or invisible.
    """
    if not is_person_number(number):
        raise KeyRefused(
            what="not a person's number",
            which=number[:100] or "nothing",
            remedy=f"use A-Z, a-z, 0-9 and ./-, at most {MAX_NUMBER_CHARS}",
        )
    for text in (name, organisation):
        if not _is_name(text):
            raise KeyRefused(
                what="not a name that a certificate may carry",
                which=text[:100] or "nothing",
                remedy=f"write 1 to {_MAX_NAME_CHARS} visible characters, no space at the ends",
            )
    return PersonName(number, name, organisation)


def person_subject(person: PersonName) -> x509.Name:
    """The subject of a person's certificate."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, person.organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, person.name),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, person.number),
        ]
    )


def person_name_of(subject: x509.Name) -> PersonName:
    """The person that a subject names.

    Raises:
        KeyRefused: it does not name one person by number, name and organisation.
    """
    texts = []
    for oid, what in (
        (NameOID.SERIAL_NUMBER, "number (serialNumber)"),
        (NameOID.COMMON_NAME, "name (CN)"),
        (NameOID.ORGANIZATION_NAME, "organisation (O)"),
    ):
        found = subject.get_attributes_for_oid(oid)
        if len(found) != 1 or not isinstance(found[0].value, str):
            raise KeyRefused(
                what=f"a subject with {len(found)} of: {what}",
                which=subject.rfc4514_string() or "nothing",
                remedy="name one person: number, name and organisation",
            )
        texts.append(found[0].value)
    return person_name(*texts)


def person_authority(
    subject: x509.Name,
    private_key: ec.EllipticCurvePrivateKey,
    root: Authority,
    validity: Validity,
    authority_class: AuthorityClass,
) -> Authority:
    """A CA under a root for the roles of its class, and for nothing else."""
    usages = [CLIENT_AUTH, *(ROLE_USAGES[role] for role in AUTHORITY_ROLES[authority_class])]
    return authority_under(subject, private_key, root, validity, _usages(*usages))


def person_authority_class(certificate: x509.Certificate) -> AuthorityClass | None:
    """For which persons a CA is; None for one of nodes, of services, or none of ours."""
    stated = extended_usages(certificate)
    for authority_class in (AuthorityClass.POLICE, AuthorityClass.STAFF):
        roles = {ROLE_USAGES[role] for role in AUTHORITY_ROLES[authority_class]}
        if stated == {CLIENT_AUTH} | roles:
            return authority_class
    return None


def person_certificate(
    person: PersonName,
    role: PersonRole,
    public_key: ec.EllipticCurvePublicKey,
    issuer: Authority,
    validity: Validity,
) -> x509.Certificate:
    """A person's certificate for one role."""
    usages = _usages(CLIENT_AUTH, ROLE_USAGES[role])
    return leaf_for(person_subject(person), public_key, usages, issuer, validity)


def trust_list_certificate(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    root: Authority,
    validity: Validity,
) -> x509.Certificate:
    """The certificate of who signs trust lists: directly under the root."""
    return leaf_for(subject, public_key, _usages(TRUST_LIST_USAGE), root, validity)


def person_request(
    person: PersonName, private_key: ec.EllipticCurvePrivateKey
) -> x509.CertificateSigningRequest:
    """A person's request for a certificate; the role is the CA's to say."""
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(person_subject(person))
        .sign(private_key, hashes.SHA256())
    )


def checked_person_request(
    request: x509.CertificateSigningRequest,
) -> tuple[PersonName, ec.EllipticCurvePublicKey]:
    """Whose certificate a request asks for; what else it asks for is not heard.

    Raises:
        KeyRefused: not signed by its key, on another curve, or naming no person.
    """
    try:
        public_key = request.public_key()
        if not is_p256(public_key):
            wrong = "its key is not on the curve P-256"
        elif not request.is_signature_valid:
            wrong = "not signed by its own key"
        else:
            return person_name_of(request.subject), public_key
    except UNPARSABLE as error:
        wrong = f"cannot be read ({error})"
    raise KeyRefused(
        what=wrong, which="the request", remedy="make it anew: roeh keys person request"
    )


def role_of(certificate: x509.Certificate) -> PersonRole | None:
    """The one role of a person's certificate; None when it has none, or more than one.

    Raises:
        ValueError, TypeError, ...: see UNPARSABLE.
    """
    stated = extended_usages(certificate)
    for role, usage in ROLE_USAGES.items():
        if stated == {CLIENT_AUTH, usage}:
            return role
    return None


def extended_usages(certificate: x509.Certificate) -> set[str]:
    """What a certificate says that its key is for; nothing when it does not say."""
    try:
        stated = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return set()
    return {oid.dotted_string for oid in stated}


def _is_name(text: str) -> bool:
    # isprintable: no control characters, and none that turn the direction of writing.
    return 1 <= len(text) <= _MAX_NAME_CHARS and text.isprintable() and text == text.strip()


def _usages(*dotted: str) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in dotted])
