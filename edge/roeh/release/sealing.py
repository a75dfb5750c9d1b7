"""What a release is signed with: a signer's file, or a key for trials made on the spot."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from roeh.core.clock import NS_PER_US, Clock
from roeh.keys.authority import from_today
from roeh.keys.certificates import (
    authority_name,
    certificate_pem,
    new_private_key,
    root_authority,
)
from roeh.keys.cms import sign_detached
from roeh.keys.key_files import Passphrase, check_pair, key_file_content, read_key_file
from roeh.keys.key_pem import certificates_in
from roeh.keys.release_signers import (
    SIGNER_DAYS,
    TRIAL,
    release_authority,
    release_signer_certificate,
)
from roeh.keys.safe_files import replace_private, replace_public

#: Whom a machine believes, as it goes to /etc/roeh.
RELEASE_CA_FILE: Final = "release-ca.pem"
_SIGNER_FILE: Final = "signer.pem"


@dataclass(frozen=True, slots=True)
class Seal:
    """A release signer's key with its certificate and the release CA's."""

    private_key: ec.EllipticCurvePrivateKey
    chain_pem: bytes

    def authority_pem(self) -> bytes:
        """The release CA's certificate: whom a machine has to believe."""
        return certificate_pem(*certificates_in(self.chain_pem)[1:])

    def signature(self, content: bytes, clock: Clock) -> bytes:
        """CMS over the content, detached, DER."""
        return sign_detached(
            content,
            chain_pem=self.chain_pem,
            sign=lambda message: self.private_key.sign(message, ec.ECDSA(hashes.SHA256())),
            t_utc_us=clock.read().t_utc_ns // NS_PER_US,
        )


def open_seal(path: Path, passphrase: Passphrase) -> Seal:
    """The seal out of a signer's file: private key, then certificates.

    Raises:
        KeyRefused: not such a file, or the passphrase is wrong.
    """
    private_key, content = read_key_file(path, passphrase)
    certificates = certificates_in(content)
    check_pair(private_key, certificates[0], path)
    return Seal(private_key, certificate_pem(*certificates))


def trial_seal(directory: Path, clock: Clock) -> Seal:
    """A seal for trials, made where there is none yet.

    `release-ca.pem` beside it is what a machine has to believe to take what it signs. The keys
    of the CAs above it are not kept.
    """
    signer = directory / _SIGNER_FILE
    if not signer.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        validity = from_today(SIGNER_DAYS, clock)
        root = root_authority(authority_name(f"{TRIAL} root"), new_private_key(), validity)
        authority = release_authority(
            authority_name(f"{TRIAL} release CA"), new_private_key(), root, validity
        )
        private_key = new_private_key()
        certificate = release_signer_certificate(
            "trial signer", private_key.public_key(), authority, validity, for_trials=True
        )
        replace_public(directory / RELEASE_CA_FILE, certificate_pem(authority.certificate))
        content = key_file_content(private_key, None)
        chain = certificate_pem(certificate, authority.certificate)
        replace_private(signer, content + chain, os.geteuid())
    return open_seal(signer, _no_passphrase)


def _no_passphrase(_path: Path) -> bytes:
    return b""
