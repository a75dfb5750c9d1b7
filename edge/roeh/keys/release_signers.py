"""Who may sign releases: a CA under a root for that alone, and the certificates it makes."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from roeh.keys.certificates import Authority, Validity, authority_under, leaf_for

#: The organisational unit of keys that were made on the spot, for trials.
TRIAL: Final = "TRIAL"
SIGNER_DAYS: Final = 2 * 365

_CODE_SIGNING = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])


def release_authority(
    subject: x509.Name,
    private_key: ec.EllipticCurvePrivateKey,
    root: Authority,
    validity: Validity,
) -> Authority:
    """A CA under a root for those who sign releases, and for nothing else."""
    return authority_under(subject, private_key, root, validity, _CODE_SIGNING)


def release_signer_certificate(
    name: str,
    public_key: ec.EllipticCurvePublicKey,
    issuer: Authority,
    validity: Validity,
    *,
    for_trials: bool = False,
) -> x509.Certificate:
    """The certificate of one who signs releases."""
    words = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if for_trials:
        words.insert(0, x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, TRIAL))
    return leaf_for(x509.Name(words), public_key, _CODE_SIGNING, issuer, validity)


def is_for_releases(certificate: x509.Certificate) -> bool:
    """Whether a certificate, of a CA or of a signer, is for code signing and nothing else."""
    try:
        stated = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return set(stated) == set(_CODE_SIGNING)


def is_trial(certificate: x509.Certificate) -> bool:
    """Whether it says of itself that it was made on the spot, for trials."""
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return any(unit.value == TRIAL for unit in units)
