"""One usage's file: the private key, its certificate, and the node CA's, in this order (PEM).

Key and certificates lie in one file so that they can only change together. The key is
PKCS#8 (home `file`, `credential`) or wrapped by a TPM ("TSS2 PRIVATE KEY"). Without IO.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeGuard

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from roeh.core.errors import KeyRefused
from roeh.keys.certificates import certificate_pem, usage_of
from roeh.keys.signer import KeyUsage

PKCS8_LABEL = "PRIVATE KEY"
TPM_LABEL = "TSS2 PRIVATE KEY"
CERTIFICATE_LABEL = "CERTIFICATE"
REQUEST_LABEL = "CERTIFICATE REQUEST"

#: What `cryptography` raises on what is no certificate, or one that says odd things.
UNPARSABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s[^-]*-----END \1-----\n?")


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A usage's key as it is kept, and the certificates that vouch for it.

    Attributes:
        key_pem: the private key's block; its label tells what can open it.
        chain: leaf, then the node CA.
    """

    usage: KeyUsage
    key_label: str
    key_pem: bytes
    chain: tuple[x509.Certificate, ...]

    @property
    def leaf(self) -> x509.Certificate:
        """The usage's own certificate."""
        return self.chain[0]

    @property
    def chain_pem(self) -> bytes:
        """Leaf and node CA as PEM."""
        return certificate_pem(*self.chain)

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The leaf's key; `parse_entry` has seen that it is P-256."""
        public_key = self.leaf.public_key()
        assert isinstance(public_key, ec.EllipticCurvePublicKey)
        return public_key


def pem_blocks(content: bytes) -> list[tuple[str, bytes]]:
    """The PEM blocks of a file: label, and the whole block."""
    return [
        (match[1].decode("ascii"), match[0] if match[0].endswith(b"\n") else match[0] + b"\n")
        for match in _BLOCK.finditer(content)
    ]


def certificates_in(content: bytes) -> list[x509.Certificate]:
    """All certificates of a PEM file, in its order.

    Raises:
        ValueError, TypeError, ...: see UNPARSABLE.
    """
    return [
        x509.load_pem_x509_certificate(block)
        for label, block in pem_blocks(content)
        if label == CERTIFICATE_LABEL
    ]


def parse_entry(content: bytes, usage: KeyUsage, which: str) -> KeyEntry:
    """A usage's file, checked as far as its certificates go.

    Args:
        content: the file.
        usage: what its certificate has to be for.
        which: how the file is named in an error.

    Raises:
        KeyRefused: no key or more than one, no chain, another curve or another usage.
    """
    keys = [block for block in pem_blocks(content) if block[0] in (PKCS8_LABEL, TPM_LABEL)]
    if len(keys) != 1:
        raise KeyRefused(
            what=f"holds {len(keys)} private keys where one is wanted",
            which=which,
            remedy="restore it, or make new keys: roeh keys rotate",
        )
    try:
        chain = tuple(certificates_in(content))
        wrong = _wrong_chain(chain, usage)
    except UNPARSABLE as error:
        raise KeyRefused(
            what=f"a certificate cannot be read ({error})",
            which=which,
            remedy="install the certificates again: roeh keys install",
        ) from error
    if wrong:
        raise KeyRefused(
            what=wrong, which=which, remedy="install its own certificate: roeh keys install"
        )
    return KeyEntry(usage=usage, key_label=keys[0][0], key_pem=keys[0][1], chain=chain)


def load_pkcs8(entry: KeyEntry, which: str) -> ec.EllipticCurvePrivateKey:
    """The private key of an entry, when it is the one that the certificate is for.

    Raises:
        KeyRefused: wrapped by a TPM, encrypted, another curve, or another key's certificate.
    """
    if entry.key_label != PKCS8_LABEL:
        raise KeyRefused(
            what="the key is wrapped by a TPM",
            which=which,
            remedy='set [keys] home = "tpm", or make new keys: roeh keys rotate',
        )
    try:
        private_key = serialization.load_pem_private_key(entry.key_pem, password=None)
    except UNPARSABLE as error:
        raise KeyRefused(
            what="the private key cannot be read",
            which=which,
            remedy="restore it (PKCS#8, not encrypted), or roeh keys rotate",
        ) from error
    if not isinstance(private_key, ec.EllipticCurvePrivateKey) or not is_p256(
        private_key.public_key()
    ):
        raise KeyRefused(
            what="the private key is not on the curve P-256",
            which=which,
            remedy="make new keys: roeh keys rotate",
        )
    check_belongs(private_key.public_key(), entry, which)
    return private_key


def check_belongs(public_key: ec.EllipticCurvePublicKey, entry: KeyEntry, which: str) -> None:
    """Refuse a certificate that is for another key.

    Raises:
        KeyRefused: the keys differ.
    """
    if public_key != entry.public_key:
        raise KeyRefused(
            what="key and certificate do not belong together",
            which=which,
            remedy="install the certificate made for this key, or roeh keys rotate",
        )


def _wrong_chain(chain: tuple[x509.Certificate, ...], usage: KeyUsage) -> str:
    """What is wrong with a leaf and its node CA; empty when nothing is."""
    if len(chain) != 2:
        return f"holds {len(chain)} certificates where its own and the node CA's are wanted"
    leaf, authority = chain
    if not is_p256(leaf.public_key()):
        return "the certificate's key is not on the curve P-256"
    if usage_of(leaf.extensions) is not usage:
        return f"the certificate is not for {usage.value}"
    try:
        leaf.verify_directly_issued_by(authority)
    except Exception as error:  # noqa: BLE001 - InvalidSignature and whatever a bad key raises
        return f"the node CA beside it did not sign the certificate ({type(error).__name__})"
    return ""


def is_p256(public_key: object) -> TypeGuard[ec.EllipticCurvePublicKey]:
    """Whether a public key is ECDSA's on the curve P-256."""
    return isinstance(public_key, ec.EllipticCurvePublicKey) and isinstance(
        public_key.curve, ec.SECP256R1
    )
