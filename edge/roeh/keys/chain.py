"""Whether a chain of certificates may be believed for what was signed, and when. Without IO.

`cryptography.x509.verification` is not used: it judges certificates of web servers and
clients, at one time, without revocation lists, and gives no reason that a clerk could read
(edge/design/adr/0007-keys.md).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from roeh.core.errors import KeyRefused
from roeh.keys.certificates import is_unprovisioned, node_name_of, spki_der, usage_of
from roeh.keys.instants import as_text, contains, microseconds
from roeh.keys.key_pem import UNPARSABLE, certificates_in, is_p256
from roeh.keys.revocation import Revocation, RevocationLists, revocation_lists
from roeh.keys.signer import EXTENDED_KEY_USAGES, KeyUsage, NodeName

#: Leaf, and CAs below the anchor.
MAX_CERTIFICATES = 4
MAX_CHAIN_BYTES = 32 * 1024

_HASHES = frozenset({"sha256", "sha384", "sha512"})
_UNDERSTOOD = frozenset(
    {
        x509.BasicConstraints.oid,
        x509.KeyUsage.oid,
        x509.ExtendedKeyUsage.oid,
        x509.AuthorityKeyIdentifier.oid,
        x509.SubjectKeyIdentifier.oid,
    }
)


class SigningTime(msgspec.Struct, frozen=True):
    """When the signer says that it signed.

    Attributes:
        t_utc_us: UTC of the signer's clock, microseconds since the Unix epoch.
        error_us: the bound of its error that the signer stated then.
    """

    t_utc_us: int
    error_us: int = 0


class Witness(msgspec.Struct, frozen=True):
    """Somebody other than the signer who had seen the signature at a time.

    Attributes:
        t_utc_us: by this time it existed; UTC, microseconds since the Unix epoch.
        error_us: the bound of the witness's own error.
        source: who says so ("control room's witness", "RFC 3161 time-stamp of ...").
    """

    t_utc_us: int
    source: str
    error_us: int = 0


@dataclass(frozen=True, slots=True)
class TrustAnchors:
    """What the reader believes: CA certificates, and revocation lists of any CA below."""

    certificates: tuple[x509.Certificate, ...]
    revocations: RevocationLists


class ChainVerdict(msgspec.Struct, frozen=True):
    """What a chain is worth for one signature.

    Attributes:
        is_trusted: an anchor vouches for the key, for this use, at that time.
        reason: in words, whichever way it went.
        name: the node that the leaf names, if any.
        usage: the one of our usages that the leaf is for, if any.
        serial: of the leaf, hexadecimal; empty when there is no leaf.
        spki_der: the leaf's public key; empty when there is none to check with.
        is_unprovisioned: the chain says that a node made it for itself.
        is_revocation_checked: a list of every CA of the chain was there.
        revocations_as_of_utc_us: when the oldest of those lists was made.
    """

    is_trusted: bool
    reason: str
    name: NodeName | None = None
    usage: KeyUsage | None = None
    serial: str = ""
    spki_der: bytes = b""
    is_unprovisioned: bool = False
    is_revocation_checked: bool = False
    revocations_as_of_utc_us: int | None = None


def trust_anchors(certificates_pem: bytes, revocations_pem: bytes = b"") -> TrustAnchors:
    """The anchors out of PEM files (several may be joined).

    Raises:
        KeyRefused: no certificate, one that is no CA, or something that cannot be read.
    """
    try:
        certificates = tuple(certificates_in(certificates_pem))
        for certificate in certificates:
            if not is_authority(certificate.extensions):
                raise KeyRefused(
                    what="not the certificate of a CA",
                    which=certificate.subject.rfc4514_string(),
                    remedy="name the root's certificate (ca.pem of roeh keys root)",
                )
    except UNPARSABLE as error:
        raise KeyRefused(
            what=f"cannot be read ({error})",
            which="a trust anchor",
            remedy="name a PEM file with the root's certificate",
        ) from error
    if not certificates:
        raise KeyRefused(
            what="no certificate in it",
            which="the trust anchors",
            remedy="name a PEM file with the root's certificate",
        )
    return TrustAnchors(certificates, revocation_lists(revocations_pem))


def judge_chain(
    chain_pem: bytes,
    usage: KeyUsage | None,
    *,
    anchors: TrustAnchors,
    signed: SigningTime,
    witness: Witness | None = None,
    node: NodeName | None = None,
) -> ChainVerdict:
    """Judge the chain that came with a signature.

    The time of signing is the signer's word. It decides about validity, but not about
    revocation: who stole a key can set a clock back. So a signature by a revoked
    certificate counts only where a witness saw it before the revocation.

    Args:
        chain_pem: leaf first; the root may be there and changes nothing.
        usage: what the key must be for; None takes any, as for other makers' cameras.
        anchors: what the reader believes.
        signed: when the signer says that it signed.
        witness: the earliest time at which somebody else had seen the signature.
        node: the node that it has to be of, where the reader knows.

    Returns:
        The verdict; malformed chains are verdicts too and raise nothing.
    """
    if len(chain_pem) > MAX_CHAIN_BYTES:
        return ChainVerdict(is_trusted=False, reason=f"chain of {len(chain_pem)} bytes")
    try:
        chain = certificates_in(chain_pem)
        known = _leaf_facts(chain)
        wrong = known.reason or _wrong_leaf(chain[0], usage) or _wrong_name(known.name, node)
        if wrong:
            return msgspec.structs.replace(known, reason=wrong)
        path = _path_to_anchor(chain, anchors)
        if path is None:
            return msgspec.structs.replace(known, reason=_no_path(known, chain))
        revocation = anchors.revocations.judge(path)
        known = msgspec.structs.replace(
            known,
            reason=wrong_path(path, EXTENDED_KEY_USAGES[usage] if usage else ())
            or wrong_time(path, signed)
            or revocation.wrong,
            is_revocation_checked=revocation.is_complete,
            revocations_as_of_utc_us=revocation.as_of_utc_us,
        )
        if known.reason:
            return known
        believed = f"{_named(path[-1])} vouches for {_named(path[0])}"
        return _with_revocation(known, believed, revocation, witness)
    except UNPARSABLE as error:
        return ChainVerdict(is_trusted=False, reason=f"chain cannot be read: {error}")


def _leaf_facts(chain: list[x509.Certificate]) -> ChainVerdict:
    """What the chain says of itself, believed or not; with a reason when it is not usable."""
    if not 1 <= len(chain) <= MAX_CERTIFICATES:
        return ChainVerdict(is_trusted=False, reason=f"chain of {len(chain)} certificates")
    leaf = chain[0]
    public_key = leaf.public_key()
    if not is_p256(public_key):
        return ChainVerdict(is_trusted=False, reason="the signer's key is not ECDSA P-256")
    return ChainVerdict(
        is_trusted=False,
        reason="",
        name=node_name_of(leaf.subject),
        usage=usage_of(leaf.extensions),
        serial=f"{leaf.serial_number:x}",
        spki_der=spki_der(public_key),
        is_unprovisioned=any(is_unprovisioned(certificate) for certificate in chain),
    )


def _with_revocation(
    known: ChainVerdict, believed: str, revocation: Revocation, witness: Witness | None
) -> ChainVerdict:
    """The verdict on a good path, after what the revocation lists say of it."""
    revoked_us = revocation.revoked_at_utc_us
    if revoked_us is None:
        note = "" if revocation.is_complete else "; revocation NOT CHECKED"
        return msgspec.structs.replace(known, is_trusted=True, reason=believed + note)
    revoked = f"{revocation.revoked} was revoked as of {as_text(revoked_us)}"
    if witness is None:
        reason = f"{revoked}, and nobody but the signer says that this was signed before"
        return msgspec.structs.replace(known, reason=reason)
    seen = f"{witness.source} saw it at {as_text(witness.t_utc_us)}"
    if witness.t_utc_us + witness.error_us >= revoked_us:
        return msgspec.structs.replace(known, reason=f"{revoked}, and {seen}, not before")
    return msgspec.structs.replace(
        known, is_trusted=True, reason=f"{believed}; {revoked}, but {seen}"
    )


def _path_to_anchor(
    chain: list[x509.Certificate], anchors: TrustAnchors
) -> tuple[x509.Certificate, ...] | None:
    """Leaf, CAs, anchor: each signed by the next; None when no anchor is reached."""
    path = [chain[0]]
    for candidate in [*chain[1:], None]:
        for anchor in anchors.certificates:
            if is_issued_by(path[-1], anchor):
                return (*path, anchor)
        if candidate is None or not is_issued_by(path[-1], candidate):
            return None
        path.append(candidate)
    return None


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether a certificate names this issuer and is signed by its key.

    Raises:
        ValueError, TypeError, ...: see UNPARSABLE.
    """
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    return True


def _no_path(known: ChainVerdict, chain: list[x509.Certificate]) -> str:
    if known.is_unprovisioned:
        return "the node made this key for itself (unprovisioned): nobody vouches for it"
    return f"no trust anchor vouches for {_named(chain[-1])}"


def _wrong_leaf(leaf: x509.Certificate, usage: KeyUsage | None) -> str:
    extensions = leaf.extensions
    if is_authority(extensions):
        return f"{_named(leaf)} is a CA and may not sign this"
    if usage is not None and usage_of(extensions) is not usage:
        return f"{_named(leaf)} is not for {usage.value}"
    return wrong_leaf(leaf)


def wrong_leaf(leaf: x509.Certificate) -> str:
    """What keeps a certificate's key from signing; empty when nothing does."""
    try:
        if not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature:
            return f"{_named(leaf)} is not for signatures"
    except x509.ExtensionNotFound:
        return f"{_named(leaf)} does not say what it is for"
    return ""


def _wrong_name(found: NodeName | None, wanted: NodeName | None) -> str:
    if wanted is None or found == wanted:
        return ""
    return f"the certificate is for {found or 'no node'}, not for {wanted}"


def wrong_path(path: tuple[x509.Certificate, ...], wanted: Collection[str]) -> str:
    """What is wrong with a path's certificates; empty when nothing is.

    Args:
        path: leaf, CAs, anchor, each known to be signed by the next.
        wanted: the leaf's extended key usages, which bound what each CA may vouch for.
    """
    for below, certificate in enumerate(path):
        unknown = [e.oid for e in certificate.extensions if e.critical and e.oid not in _UNDERSTOOD]
        if unknown:
            return f"{_named(certificate)} demands what is not understood ({unknown[0]})"
        algorithm = certificate.signature_hash_algorithm
        if algorithm is None or algorithm.name not in _HASHES:
            return f"{_named(certificate)} is signed with a weak hash"
        if below and (wrong := _wrong_authority(certificate, below - 1, set(wanted))):
            return wrong
    return ""


def _wrong_authority(certificate: x509.Certificate, below: int, wanted: set[str]) -> str:
    """What keeps a CA with `below` CAs under it from vouching; empty when nothing does."""
    extensions = certificate.extensions
    if not is_authority(extensions):
        return f"{_named(certificate)} is no CA"
    constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    if constraints.path_length is not None and constraints.path_length < below:
        return f"{_named(certificate)} may not have {below} CAs below it"
    try:
        allowed = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ""
    if not wanted <= {oid.dotted_string for oid in allowed}:
        return f"{_named(certificate)} is not a CA for this use"
    return ""


def is_authority(extensions: x509.Extensions) -> bool:
    """Whether a certificate may sign certificates."""
    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
        key_usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return constraints.ca and key_usage.key_cert_sign


def wrong_time(path: tuple[x509.Certificate, ...], signed: SigningTime) -> str:
    """Which certificate surely did not count when it was signed; empty when all may have."""
    for certificate in path:
        start_us = microseconds(certificate.not_valid_before_utc)
        end_us = microseconds(certificate.not_valid_after_utc)
        if not contains(start_us, end_us, signed.t_utc_us, signed.error_us):
            return (
                f"{_named(certificate)} counts from {as_text(start_us)} to {as_text(end_us)}, "
                f"and it was signed at {as_text(signed.t_utc_us)}"
            )
    return ""


def _named(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or f"serial {certificate.serial_number:x}"
