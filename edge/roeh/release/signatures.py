"""Who signs releases, and whether a signature is theirs. Without IO.

A release signer's certificate is for code signing (RFC 5280, section 4.2.1.12) and comes from a
release CA, whose own extended key usage is that alone: nobody whom another CA of the same root
certified can sign a release. `release-ca.pem` holds that CA, so that the root need not be there,
and may hold its revocation list.
"""

from __future__ import annotations

from typing import Final

import msgspec
from cryptography import x509

from roeh.core.errors import KeyRefused, ReleaseRefused
from roeh.keys.chain import SigningTime, judge_chain, trust_anchors
from roeh.keys.cms import read_signed
from roeh.keys.key_pem import certificates_in
from roeh.keys.release_signers import is_for_releases, is_trial

_REVOCATION_MARK: Final = b"-----BEGIN X509 CRL-----"


class ReleaseSigner(msgspec.Struct, frozen=True):
    """Who signed.

    Attributes:
        name: as the certificate names them.
        signing_time_utc_us: the signer's word.
        is_trial: the key was made on the spot, and proves nothing to a stranger.
    """

    name: str
    signing_time_utc_us: int
    is_trial: bool


def check_signature(
    content: bytes, signature_der: bytes, believed_pem: bytes, which: str
) -> ReleaseSigner:
    """Who signed this content.

    Args:
        content: what was signed.
        signature_der: CMS, detached.
        believed_pem: release CAs, and revocation lists of theirs.
        which: what the person is told that this is.

    Raises:
        ReleaseRefused: not signed by one whom a believed release CA vouches for.
    """
    try:
        signed = read_signed(signature_der, content)
        leaf = certificates_in(signed.chain_pem)[0]
        anchors = trust_anchors(believed_pem, revocations_in(believed_pem))
        for authority in anchors.certificates:
            if not is_for_releases(authority):
                raise _refused(
                    f"{authority.subject.rfc4514_string()} is no release CA", "release-ca.pem"
                )
        verdict = judge_chain(
            signed.chain_pem, None, anchors=anchors, signed=SigningTime(signed.signing_time_utc_us)
        )
    except KeyRefused as error:
        raise _refused(f"{error.what} ({error.which})", which) from error
    if not verdict.is_trusted:
        raise _refused(verdict.reason, which)
    if not is_for_releases(leaf):
        raise _refused(f"{leaf.subject.rfc4514_string()} is not for code signing", which)
    return ReleaseSigner(
        name=_common_name(leaf),
        signing_time_utc_us=signed.signing_time_utc_us,
        is_trial=is_trial(leaf),
    )


def revocations_in(believed_pem: bytes) -> bytes:
    """The revocation lists of a file that holds certificates before them."""
    start = believed_pem.find(_REVOCATION_MARK)
    return b"" if start < 0 else believed_pem[start:]


def _common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else certificate.subject.rfc4514_string()


def _refused(what: str, which: str) -> ReleaseRefused:
    return ReleaseRefused(
        what=f"not signed by whom this machine believes: {what}",
        which=which,
        remedy="fetch the bundle again from who made it; release-ca.pem says who may sign",
    )
