"""X.509 revocation lists of the root and of node CAs: what they say of a path. Without IO."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from roeh.core.errors import KeyRefused
from roeh.keys.certificates import Authority, Validity, authority_key
from roeh.keys.instants import microseconds
from roeh.keys.key_pem import UNPARSABLE, pem_blocks

_LIST_LABEL = "X509 CRL"


class Revocation(msgspec.Struct, frozen=True):
    """What the lists say of a path of certificates.

    Attributes:
        revoked: the certificate that was revoked first, in words; empty when none was.
        revoked_at_utc_us: from when on its signatures count for nothing.
        wrong: why the lists cannot be used; empty when they can.
        is_complete: there was a list of every CA of the path.
        as_of_utc_us: when the oldest of the lists that were used was made.
    """

    revoked: str = ""
    revoked_at_utc_us: int | None = None
    wrong: str = ""
    is_complete: bool = True
    as_of_utc_us: int | None = None


@dataclass(frozen=True, slots=True)
class RevocationLists:
    """Full lists, of any number of CAs.

    Of several lists of one CA all count: what was once revoked stays so, from the
    earliest time that any of them gives.
    """

    lists: tuple[x509.CertificateRevocationList, ...] = ()

    def judge(self, path: tuple[x509.Certificate, ...]) -> Revocation:
        """What the lists say of `path`: leaf, CAs, anchor.

        The anchor itself is the reader's choice and has no list above it.
        """
        verdict = Revocation()
        for certificate, issuer in itertools.pairwise(path):
            lists = [item for item in self.lists if _is_of(item, issuer)]
            forged = [item for item in lists if not is_signed_by(item, issuer)]
            if forged:
                name = issuer.subject.rfc4514_string()
                return Revocation(
                    wrong=f"a revocation list in the name of {name} is not signed by it",
                    is_complete=False,
                )
            verdict = _with_lists(verdict, certificate, lists)
        return verdict


def revocation_lists(content: bytes) -> RevocationLists:
    """The lists of a PEM file; it may hold none.

    Raises:
        KeyRefused: one cannot be read, or is not a full list.
    """
    try:
        lists = tuple(
            x509.load_pem_x509_crl(block)
            for label, block in pem_blocks(content)
            if label == _LIST_LABEL
        )
        partial = any(extension.critical for item in lists for extension in item.extensions)
    except UNPARSABLE as error:
        raise KeyRefused(
            what=f"cannot be read ({error})",
            which="a revocation list",
            remedy="fetch it again from the key keeper",
        ) from error
    if partial:
        raise KeyRefused(
            what="not a full list (delta, indirect or of one distribution point)",
            which="a revocation list",
            remedy="ask the key keeper for the CA's full list",
        )
    return RevocationLists(lists)


def make_list(
    issuer: Authority,
    revoked: Sequence[x509.RevokedCertificate],
    *,
    number: int,
    validity: Validity,
) -> x509.CertificateRevocationList:
    """A CA's full list; `number` has to grow with each one."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(validity.not_before)
        .next_update(validity.not_after)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(authority_key(issuer), critical=False)
    )
    for entry in revoked:
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.private_key, hashes.SHA256())


def revoked_at_us(entry: x509.RevokedCertificate) -> int:
    """From when on signatures count for nothing: the revocation, or the compromise before it."""
    revoked_us = microseconds(entry.revocation_date_utc)
    try:
        compromised = entry.extensions.get_extension_for_class(x509.InvalidityDate).value
    except x509.ExtensionNotFound:
        return revoked_us
    return min(revoked_us, microseconds(compromised.invalidity_date_utc))


def _with_lists(
    verdict: Revocation,
    certificate: x509.Certificate,
    lists: list[x509.CertificateRevocationList],
) -> Revocation:
    if not lists:
        return msgspec.structs.replace(verdict, is_complete=False)
    made_us = max(microseconds(item.last_update_utc) for item in lists)
    oldest_us = made_us if verdict.as_of_utc_us is None else min(made_us, verdict.as_of_utc_us)
    verdict = msgspec.structs.replace(verdict, as_of_utc_us=oldest_us)
    times = [
        revoked_at_us(entry)
        for item in lists
        if (entry := item.get_revoked_certificate_by_serial_number(certificate.serial_number))
    ]
    if not times:
        return verdict
    if verdict.revoked_at_utc_us is not None and verdict.revoked_at_utc_us <= min(times):
        return verdict
    return msgspec.structs.replace(
        verdict,
        revoked=f"{certificate.subject.rfc4514_string()} (serial {certificate.serial_number:x})",
        revoked_at_utc_us=min(times),
    )


def _is_of(item: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Whether a list is this CA's, and not that of another with the same name."""
    if item.issuer != issuer.subject:
        return False
    try:
        named = item.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return True
    return named.key_identifier in (None, own.digest)


def is_signed_by(item: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Whether a list is signed by this CA, which may sign lists."""
    public_key = issuer.public_key()
    if not _may_sign_lists(issuer):
        return False
    return item.is_signature_valid(public_key)  # type: ignore[arg-type]  # UNPARSABLE if it cannot sign


def _may_sign_lists(issuer: x509.Certificate) -> bool:
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return False
