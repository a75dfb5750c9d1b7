"""Who signs trust lists: one file with key, certificate and the root's certificate (mode 0600)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography import x509

from roeh.core.clock import Clock
from roeh.core.errors import KeyRefused
from roeh.keys.authority import AuthorityDirectory, AuthorityKind
from roeh.keys.certificates import authority_name, certificate_pem, new_private_key
from roeh.keys.instants import microseconds
from roeh.keys.key_files import Passphrase, check_pair, key_file_content, read_key_file
from roeh.keys.key_pem import UNPARSABLE, certificates_in
from roeh.keys.person_certificates import (
    TRUST_LIST_USAGE,
    extended_usages,
    trust_list_certificate,
)
from roeh.keys.persons import PersonKey
from roeh.keys.safe_files import read_public, replace_private

TRUST_SIGNER_DAYS = 5 * 365


class TrustSignerMade(msgspec.Struct, frozen=True):
    """A signer's certificate, for people. `was_there`: nothing was made anew."""

    serial: str
    until_utc_us: int
    was_there: bool


def make_trust_signer(
    root: AuthorityDirectory,
    file: Path,
    name: str,
    new_passphrase: Callable[[], bytes | None],
    *,
    days: int,
    clock: Clock,
) -> TrustSignerMade:
    """Make a signer of trust lists under a root; one that is there already stays.

    Raises:
        KeyRefused: no root, or a file that is something else.
        OutputRefused: the file cannot be written.
    """
    if root.kind() is not AuthorityKind.ROOT:
        raise KeyRefused(
            what=f"a {root.kind().value} makes no signer of trust lists",
            which=str(root.directory),
            remedy="name the root: --root DIR",
        )
    was_there = file.exists()
    if was_there:
        certificate = _signer_chain(read_public(file), file)[0]
    else:
        private_key = new_private_key()
        certificate = trust_list_certificate(
            authority_name(name),
            private_key.public_key(),
            root.authority,
            root.validity(days, clock),
        )
        root.record(certificate)
        content = key_file_content(private_key, new_passphrase())
        chain = certificate_pem(certificate, root.certificate)
        replace_private(file, content + chain, os.geteuid())
    return TrustSignerMade(
        serial=f"{certificate.serial_number:x}",
        until_utc_us=microseconds(certificate.not_valid_after_utc),
        was_there=was_there,
    )


def open_trust_signer(file: Path, passphrase: Passphrase) -> PersonKey:
    """What signs trust lists: the chain is the signer's certificate and the root's.

    Raises:
        KeyRefused: the file is something else, or the passphrase is wrong.
    """
    private_key, content = read_key_file(file, passphrase)
    chain = _signer_chain(content, file)
    check_pair(private_key, chain[0], file)
    return PersonKey(private_key, certificate_pem(*chain))


def _signer_chain(content: bytes, file: Path) -> list[x509.Certificate]:
    try:
        certificates = certificates_in(content)
        is_signer = len(certificates) == 2 and (
            extended_usages(certificates[0]) == {TRUST_LIST_USAGE}
        )
    except UNPARSABLE:
        is_signer = False
    if not is_signer:
        raise KeyRefused(
            what="not the file of a signer of trust lists",
            which=str(file),
            remedy="name what roeh keys trust-list signer made, or a file that is not there yet",
        )
    return certificates
