"""Who signs the report: a person's certificate and key, as the city's staff have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from roeh.access.people import person_in
from roeh.core.errors import AccessRefused, ConfigError, KeyRefused
from roeh.core.retrieval import PersonRole
from roeh.keys.key_pem import certificates_in
from roeh.keys.persons import open_person_key
from roeh.keys.safe_files import read_public


class Technician(msgspec.Struct, frozen=True):
    """Somebody who can sign; `name` as their certificate says."""

    name: str
    chain_pem: bytes
    sign: Callable[[bytes], bytes]


def technician_from(
    key: Path | None, certificate: Path | None, passphrase_file: Path | None
) -> Technician | None:
    """The technician whose key was given; None where none was.

    Raises:
        ConfigError: a certificate or a passphrase without a key.
        KeyRefused: a file cannot be read, or they do not belong together.
        AccessRefused: it is no technician's certificate.
    """
    if key is None:
        if certificate is not None or passphrase_file is not None:
            raise ConfigError(
                what="nothing to sign with", which="--certificate", remedy="give --key as well"
            )
        return None

    def passphrase(path: Path) -> bytes:
        if passphrase_file is None:
            raise KeyRefused(
                what="needs its passphrase", which=str(path), remedy="give --passphrase-file"
            )
        return read_public(passphrase_file).partition(b"\n")[0]

    opened = open_person_key(key, certificate or key, passphrase)
    person = person_in(certificates_in(opened.chain_pem)[0])
    if person.role is not PersonRole.TECHNICIAN:
        raise AccessRefused(
            what=f"the certificate is of {person.role.value}, not of a technician",
            which=str(certificate or key),
            remedy="sign with a technician's key",
        )
    return Technician(f"{person.name} ({person.number})", opened.chain_pem, opened.sign)
