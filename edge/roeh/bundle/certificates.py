"""Chains of the pole's keys in a bundle: one file a usage, without the root. Pure."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from roeh.bundle.layout import CERTIFICATES
from roeh.keys.certificates import usage_of


def chains_by_usage(chains_pem: str) -> dict[str, bytes]:
    """PEM by path: each leaf of that usage with the authorities that are there.

    What has no usage of ours is an authority and stands in every file, behind the leaves; a
    root is left out, since nobody believes one that comes with what it is to prove. A usage
    without a leaf has no file.
    """
    leaves: dict[str, list[x509.Certificate]] = {usage: [] for usage in CERTIFICATES}
    authorities: list[x509.Certificate] = []
    for certificate in x509.load_pem_x509_certificates(chains_pem.encode()):
        if certificate.issuer == certificate.subject:
            continue
        usage = usage_of(certificate.extensions)
        known = leaves.get("" if usage is None else usage.value, authorities)
        if certificate not in known:
            known.append(certificate)
    return {
        CERTIFICATES[usage]: b"".join(
            one.public_bytes(serialization.Encoding.PEM) for one in found + authorities
        )
        for usage, found in leaves.items()
        if found
    }
