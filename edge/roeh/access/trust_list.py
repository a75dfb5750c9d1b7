"""Trust lists: which CAs a pole believes, for what, and whom no more; signed under the root.

CMS with canonical JSON inside (`roeh/trust-list/1`). Every CA for persons has its revocation
list in it: nobody is judged without one. Without IO. edge/design/retrieval.md tells the rules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from msgspec import Meta

from roeh.access.reading import canonical_content, one_authority, read_object
from roeh.access.refusals import refused
from roeh.core.clock import NS_PER_US, ClockReading
from roeh.core.errors import KeyRefused
from roeh.core.types import TimeUs
from roeh.keys.chain import SigningTime, is_issued_by, wrong_path, wrong_time
from roeh.keys.cms import sign_attached
from roeh.keys.instants import as_text
from roeh.keys.key_pem import UNPARSABLE
from roeh.keys.person_certificates import (
    TRUST_LIST_USAGE,
    AuthorityClass,
    extended_usages,
    person_authority_class,
)
from roeh.keys.revocation import RevocationLists, is_signed_by, revocation_lists
from roeh.ledger.canonical import canonical_struct

MAX_AUTHORITIES = 16
MAX_LISTS = MAX_AUTHORITIES + 1
_MAX_CERTIFICATE_CHARS = 8 * 1024
_MAX_LIST_CHARS = 128 * 1024


class TrustedAuthority(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One CA under the root, and what it is believed for."""

    authority_class: AuthorityClass
    certificate_pem: Annotated[str, Meta(max_length=_MAX_CERTIFICATE_CHARS)]


class TrustList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which CAs are believed, as of a time.

    Attributes:
        version: grows with every list that is given out.
        issued_utc_us: when it was made.
        authorities: no CA twice.
        revocation_lists_pem: full lists of the root and the CAs, one each at most; there is one
            of every CA for persons.
    """

    schema: Literal["roeh/trust-list/1"] = "roeh/trust-list/1"
    version: Annotated[int, Meta(ge=1, lt=2**53)]
    issued_utc_us: TimeUs
    authorities: Annotated[
        tuple[TrustedAuthority, ...], Meta(min_length=1, max_length=MAX_AUTHORITIES)
    ]
    revocation_lists_pem: Annotated[
        tuple[Annotated[str, Meta(max_length=_MAX_LIST_CHARS)], ...], Meta(max_length=MAX_LISTS)
    ]


@dataclass(frozen=True, slots=True)
class HeldAuthority:
    """A CA of a list, read: it is under the root and fit for its class."""

    authority_class: AuthorityClass
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class HeldTrust:
    """A trust list that is believed.

    Attributes:
        signed: as it came.
        sha256: of `signed`.
        trust_list: what it says.
        root: the city's.
        signer: whose signature it bears: a leaf under the root.
        authorities: in the list's order.
        revocations: of root and CAs.
    """

    signed: bytes
    sha256: str
    trust_list: TrustList
    root: x509.Certificate
    signer: x509.Certificate
    authorities: tuple[HeldAuthority, ...]
    revocations: RevocationLists


class Staleness(msgspec.Struct, frozen=True):
    """What a list is worth now. `age_us` is None when there is none, or no clock to tell."""

    age_us: int | None
    is_stale: bool


def sign_trust_list(
    trust_list: TrustList, *, chain_pem: bytes, sign: Callable[[bytes], bytes]
) -> bytes:
    """A list, signed.

    Raises:
        KeyRefused: the key does not answer, or the list is too large.
    """
    return sign_attached(
        canonical_struct(trust_list),
        chain_pem=chain_pem,
        sign=sign,
        t_utc_us=trust_list.issued_utc_us,
    )


def read_trust_list(signed: bytes, root_pem: bytes, at: SigningTime | None) -> HeldTrust:
    """A list that the city's root stands behind, with everything in it checked.

    Args:
        signed: CMS, as it came.
        root_pem: the city's root.
        at: the reader's time; None for a list that was judged before (the one held, or the one
            in a bundle): then it may come from the future.

    Raises:
        AccessRefused: `trust_list_malformed`, `trust_list_signer`, `trust_list_from_the_future`.
        KeyRefused: `root_pem` holds no one CA.
    """
    root = one_authority(root_pem)
    content = read_object(signed, "trust_list_malformed")
    trust_list = canonical_content(content.content, TrustList, "trust_list_malformed")
    issued = SigningTime(trust_list.issued_utc_us)
    if at is not None and issued.t_utc_us > at.t_utc_us + at.error_us:
        raise refused("trust_list_from_the_future", as_text(issued.t_utc_us))
    try:
        signer = x509.load_der_x509_certificate(content.signer_der)
        _check_signer(signer, root, issued)
        authorities = tuple(_held(one, root) for one in trust_list.authorities)
        revocations = _revocations(trust_list, root, authorities)
    except (KeyRefused, *UNPARSABLE) as error:
        raise refused("trust_list_malformed", f"a certificate or list in it: {error}") from error
    held = HeldTrust(
        signed=signed,
        sha256=hashlib.sha256(signed).hexdigest(),
        trust_list=trust_list,
        root=root,
        signer=signer,
        authorities=authorities,
        revocations=revocations,
    )
    _check_not_revoked(held, revocations)
    return held


def newer(held: HeldTrust | None, offered: HeldTrust) -> bool:
    """Whether an offered list takes the place of the one held; False: it is the same again.

    A list whose root's revocation list dismisses the signer of the one held takes its place
    whatever its version: who stole a signer's key may have given out a very high one.

    Raises:
        AccessRefused: `older_trust_list`, `another_trust_list` (one version, two lists),
            `older_revocation_list` (who was dismissed would be let in again), `revoked` (its
            signer, by what is held).
    """
    if held is None:
        return True
    ours, theirs = held.trust_list.version, offered.trust_list.version
    if not _dismisses_signer(offered, held):
        if theirs < ours:
            raise refused("older_trust_list", f"version {theirs}, where {ours} is held")
        if theirs == ours:
            # What is signed decides: one signature can be written in more than one way.
            if held.trust_list != offered.trust_list:
                raise refused("another_trust_list", f"version {theirs}")
            return False
    _check_not_revoked(offered, held.revocations)
    _check_lists_grow(held, offered)
    return True


def staleness(
    trust: HeldTrust | None, now: ClockReading, stale_after_us: int, allow_unsynchronised: bool
) -> Staleness:
    """How old the list in force is, and whether it is too old to let anything leave.

    A clock that may be before the list was made cannot tell its age.
    """
    if trust is None or not (now.synchronised or allow_unsynchronised):
        return Staleness(age_us=None, is_stale=True)
    error_us = now.utc_error_ns // NS_PER_US
    age_us = now.t_utc_ns // NS_PER_US - trust.trust_list.issued_utc_us
    if age_us + error_us < 0:
        return Staleness(age_us=None, is_stale=True)
    return Staleness(age_us=max(0, age_us), is_stale=age_us + error_us > stale_after_us)


def _check_signer(signer: x509.Certificate, root: x509.Certificate, issued: SigningTime) -> None:
    """Only a leaf directly under the root signs lists: no CA below it makes one."""
    path = (signer, root)
    if extended_usages(signer) != {TRUST_LIST_USAGE}:
        wrong = "not a trust-list signer"
    elif not is_issued_by(signer, root):
        wrong = "not directly under this root"
    else:
        wrong = wrong_path(path, (TRUST_LIST_USAGE,)) or wrong_time(path, issued)
    if wrong:
        raise refused("trust_list_signer", f"{signer.subject.rfc4514_string()}: {wrong}")


def _held(one: TrustedAuthority, root: x509.Certificate) -> HeldAuthority:
    certificate = one_authority(one.certificate_pem.encode())
    name = certificate.subject.rfc4514_string()
    wanted = None if one.authority_class is AuthorityClass.DEVICE else one.authority_class
    if certificate == root or not is_issued_by(certificate, root):
        raise refused("trust_list_malformed", f"{name} is not under this root")
    if person_authority_class(certificate) is not wanted:
        raise refused("trust_list_malformed", f"{name} is no CA for {one.authority_class.value}")
    return HeldAuthority(one.authority_class, certificate)


def _revocations(
    trust_list: TrustList, root: x509.Certificate, authorities: tuple[HeldAuthority, ...]
) -> RevocationLists:
    """The lists, each of one CA and signed by it; one for every CA for persons."""
    named = [root, *(one.certificate for one in authorities)]
    keys = {_key(one) for one in named}
    subjects = {one.subject for one in named}
    if len(subjects) != len(named) or len(keys) != len(named):
        raise refused("trust_list_malformed", "a CA twice, or two of one name or key")
    found: dict[x509.Name, x509.CertificateRevocationList] = {}
    for pem in trust_list.revocation_lists_pem:
        lists = revocation_lists(pem.encode()).lists
        if len(lists) != 1 or lists[0].issuer in found:
            raise refused("trust_list_malformed", "a revocation list twice, or none")
        found[lists[0].issuer] = lists[0]
    for issuer, item in found.items():
        above = [one for one in named if one.subject == issuer]
        if not above or not is_signed_by(item, above[0]):
            raise refused("trust_list_malformed", f"a list not of its CA: {issuer}")
        _number(item)
    for one in authorities:
        if (
            one.authority_class is not AuthorityClass.DEVICE
            and one.certificate.subject not in found
        ):
            name = one.certificate.subject.rfc4514_string()
            raise refused("revocation_unknown", f"no revocation list of {name}")
    return RevocationLists(tuple(found.values()))


def _check_not_revoked(trust: HeldTrust, revocations: RevocationLists) -> None:
    """The root's list counts for signer and CAs, whatever time a list names."""
    for certificate in (trust.signer, *(one.certificate for one in trust.authorities)):
        verdict = revocations.judge((certificate, trust.root))
        if verdict.wrong or verdict.revoked:
            raise refused("revoked", verdict.wrong or verdict.revoked)


def _dismisses_signer(offered: HeldTrust, held: HeldTrust) -> bool:
    return bool(offered.revocations.judge((held.signer, held.root)).revoked)


def _check_lists_grow(held: HeldTrust, offered: HeldTrust) -> None:
    """No list of a CA that is still named may be older than the one held, or missing."""
    for item in held.revocations.lists:
        if item.issuer != held.root.subject and not _names(offered, item.issuer):
            continue
        later = [one for one in offered.revocations.lists if one.issuer == item.issuer]
        if not later or _number(later[0]) < _number(item):
            raise refused("older_revocation_list", item.issuer.rfc4514_string())


def _names(trust: HeldTrust, subject: x509.Name) -> bool:
    return any(one.certificate.subject == subject for one in trust.authorities)


def _key(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _number(item: x509.CertificateRevocationList) -> int:
    try:
        return item.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        raise refused("trust_list_malformed", "a revocation list without number") from None
