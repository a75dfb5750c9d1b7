"""Files of private keys that people keep: PKCS#8, with a passphrase or plain (mode 0600)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from roeh.core.errors import KeyRefused
from roeh.keys.key_pem import PKCS8_LABEL, UNPARSABLE, is_p256, pem_blocks
from roeh.keys.safe_files import opened_directory, read_private, read_public

#: Asks for the passphrase of a key; called only when it is encrypted. Gets what it opens.
Passphrase = Callable[[Path], bytes]

_ENCRYPTED_LABEL = "ENCRYPTED PRIVATE KEY"


def key_file_content(private_key: ec.EllipticCurvePrivateKey, passphrase: bytes | None) -> bytes:
    """A private key as PKCS#8 (PEM); encrypted unless the passphrase is None."""
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        protection = serialization.BestAvailableEncryption(passphrase)
    return private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    )


def read_key_file(
    path: Path, passphrase: Passphrase, opens: Path | None = None
) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """The private key of a file, and all that is in the file.

    Args:
        path: PEM with one private key; certificates may stand after it.
        passphrase: asked when the key is encrypted.
        opens: what the person is told that the passphrase is for; None: the file.

    Raises:
        KeyRefused: no such file, not one P-256 key, plain and readable for others, or the
            passphrase is wrong.
    """
    content = read_public(path)
    keys = [
        block for label, block in pem_blocks(content) if label in (PKCS8_LABEL, _ENCRYPTED_LABEL)
    ]
    # An encrypted key may lie on a stick whose file system knows no owners.
    is_plain = any(label == PKCS8_LABEL for label, _ in pem_blocks(content))
    if is_plain:
        with opened_directory(path.parent) as descriptor:
            content = read_private(descriptor, path, os.geteuid())
    if len(keys) != 1:
        raise KeyRefused(
            what=f"holds {len(keys)} private keys (PKCS#8) where one is wanted",
            which=str(path),
            remedy="name the file that roeh keys made, or restore it",
        )
    try:
        private_key = serialization.load_pem_private_key(
            keys[0], None if is_plain else passphrase(opens or path)
        )
    except UNPARSABLE as error:
        raise KeyRefused(
            what="the private key cannot be read, or the passphrase is wrong",
            which=str(path),
            remedy="try again, or restore it",
        ) from error
    if not isinstance(private_key, ec.EllipticCurvePrivateKey) or not is_p256(
        private_key.public_key()
    ):
        raise KeyRefused(
            what="the private key is not on the curve P-256",
            which=str(path),
            remedy="make a new key",
        )
    return private_key, content


def check_pair(
    private_key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate, which: Path
) -> None:
    """Refuse a certificate that is another key's.

    Raises:
        KeyRefused: the keys differ.
    """
    if private_key.public_key() != certificate.public_key():
        raise KeyRefused(
            what="key and certificate do not belong together",
            which=str(which),
            remedy="name the certificate made for this key, or restore the file",
        )
