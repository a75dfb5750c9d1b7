"""Whether a person is who they say: their certificate against the trust list. Without IO."""

from __future__ import annotations

import msgspec
from cryptography import x509

from roeh.access.people import person_in, read_certificate
from roeh.access.refusals import refused
from roeh.access.roles import may_mint
from roeh.access.trust_list import HeldTrust
from roeh.core.clock import NS_PER_US, ClockReading
from roeh.core.retrieval import Person, PersonRole
from roeh.keys.chain import SigningTime, is_issued_by, wrong_leaf, wrong_path
from roeh.keys.instants import as_text, contains, microseconds
from roeh.keys.key_pem import UNPARSABLE
from roeh.keys.person_certificates import CLIENT_AUTH, ROLE_USAGES, extended_usages
from roeh.keys.revocation import RevocationLists


class JudgedPerson(msgspec.Struct, frozen=True):
    """Somebody who was believed at a time.

    Attributes:
        revoked_later_utc_us: from when on they are not any more, by the lists that are known
            now; None: they still are.
        revoked: what was revoked, in words; empty: nothing.
    """

    person: Person
    revoked_later_utc_us: int | None = None
    revoked: str = ""


def judge_person(certificate_der: bytes, trust: HeldTrust | None, now: ClockReading) -> Person:
    """Who it is, when they are believed now.

    Their certificate comes from a CA that the trust list names for the class that may make the
    role, and whose own usages name it; each certificate may count now, within the clock's bound;
    none was ever revoked, by any list known.

    Raises:
        AccessRefused: by its first word (access/refusals.py).
    """
    person, path = _believed(certificate_der, trust, time_of(now))
    assert trust is not None
    verdict = trust.revocations.judge(path)
    if verdict.wrong or verdict.revoked:
        raise refused("revoked", verdict.wrong or verdict.revoked)
    return person


def judge_person_at(
    certificate_der: bytes,
    trust: HeldTrust,
    at: SigningTime,
    also_revoked: RevocationLists | None = None,
) -> JudgedPerson:
    """Who it was, when they were believed at a past time; for who verifies afterwards.

    Args:
        certificate_der: theirs.
        trust: the list that was in force, or a later one.
        at: a time that is known otherwise (the ledger's, not the signer's), with its bound.
        also_revoked: lists that the reader has beside those in `trust`.

    Raises:
        AccessRefused: as `judge_person`; `revoked` when it may have been revoked by then.
    """
    person, path = _believed(certificate_der, trust, at)
    lists = trust.revocations.lists + (also_revoked.lists if also_revoked else ())
    verdict = RevocationLists(lists).judge(path)
    revoked_us = verdict.revoked_at_utc_us
    if verdict.wrong or (revoked_us is not None and revoked_us <= at.t_utc_us + at.error_us):
        raise refused("revoked", verdict.wrong or verdict.revoked)
    return JudgedPerson(person, revoked_us, verdict.revoked)


def time_of(now: ClockReading) -> SigningTime:
    """A reading's UTC and its bound."""
    return SigningTime(now.t_utc_ns // NS_PER_US, now.utc_error_ns // NS_PER_US)


def _believed(
    certificate_der: bytes, trust: HeldTrust | None, at: SigningTime
) -> tuple[Person, tuple[x509.Certificate, ...]]:
    """The person and the path to the root, as far as the lists of revocation are not asked."""
    certificate = read_certificate(certificate_der)
    if trust is None:
        raise refused("no_trust_list", _named(certificate))
    try:
        person = person_in(certificate)
        path = _path(certificate, person.role, trust)
        _check_time(path, at)
    except UNPARSABLE as error:
        raise refused("malformed", f"a certificate ({error})") from error
    return person, path


def _path(
    certificate: x509.Certificate, role: PersonRole, trust: HeldTrust
) -> tuple[x509.Certificate, ...]:
    above = [one for one in trust.authorities if is_issued_by(certificate, one.certificate)]
    if not above:
        raise refused("unknown_authority", certificate.issuer.rfc4514_string() or "no issuer")
    authority = above[0]
    name = f"{_named(authority.certificate)}, for {authority.authority_class.value}"
    usages = (CLIENT_AUTH, ROLE_USAGES[role])
    if not may_mint(authority.authority_class, role) or not set(usages) <= extended_usages(
        authority.certificate
    ):
        raise refused("role_not_of_this_authority", f"{role.value} by {name}")
    path = (certificate, authority.certificate, trust.root)
    if wrong := wrong_path(path, usages) or wrong_leaf(certificate):
        raise refused("malformed", wrong)
    return path


def _check_time(path: tuple[x509.Certificate, ...], at: SigningTime) -> None:
    for certificate in path:
        start_us = microseconds(certificate.not_valid_before_utc)
        end_us = microseconds(certificate.not_valid_after_utc)
        if contains(start_us, end_us, at.t_utc_us, at.error_us):
            continue
        early = at.t_utc_us < start_us
        raise refused(
            "not_yet_valid" if early else "expired",
            f"{_named(certificate)}, {'from' if early else 'until'} "
            f"{as_text(start_us if early else end_us)}",
        )


def _named(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or f"serial {certificate.serial_number:x}"
