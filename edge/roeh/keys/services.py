"""Keys and certificates of the control room's side, made by the key keeper.

    OUT/desk.pem        private key, certificate, service CA (PEM, mode 0600)
    OUT/broker-ca.pem   by what to believe the broker

One directory is for one holder. Key and certificate lie in one file, so that they can only
change together.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from roeh.core.clock import Clock
from roeh.core.errors import KeyRefused, OutputRefused
from roeh.keys.authority import BROKER_CA_FILE, AuthorityDirectory
from roeh.keys.certificates import (
    certificate_pem,
    is_service_authority,
    new_private_key,
    service_certificate,
)
from roeh.keys.home_file import pkcs8_pem
from roeh.keys.instants import microseconds
from roeh.keys.key_pem import UNPARSABLE, certificates_in
from roeh.keys.safe_files import (
    opened_directory,
    read_public,
    replace_private,
    replace_public,
)
from roeh.keys.service_names import ServiceKind, ServiceName, parse_service_name

SERVICE_DAYS = 2 * 365


class IssuedService(msgspec.Struct, frozen=True):
    """A service's file, for people. `was_there`: nothing was made anew."""

    name: ServiceName
    path: str
    serial: str
    until_utc_us: int
    was_there: bool


def service_file(directory: Path, kind: ServiceKind) -> Path:
    """Where the key and certificate of a service lie in its holder's directory."""
    return directory / f"{kind.value}.pem"


def issue_service(
    authority: AuthorityDirectory,
    name: ServiceName,
    hosts: Sequence[str],
    out: Path,
    *,
    days: int,
    renew: bool,
    clock: Clock,
) -> IssuedService:
    """Make a service's key and certificate; what is there for it already stays.

    Args:
        authority: the service CA.
        name: whom it is for.
        hosts: a broker's names and addresses, as its clients dial them; else none.
        out: its holder's directory.
        days: how long it counts.
        renew: make a new key in place of one that is there.
        clock: of the key keeper.

    Raises:
        KeyRefused: no service CA, another service's file, or hosts that do not fit.
        OutputRefused: it cannot be written.
    """
    if not is_service_authority(authority.certificate):
        raise KeyRefused(
            what="no service CA",
            which=str(authority.directory),
            remedy="make one: roeh keys service-ca DIR --root ROOT",
        )
    if bool(hosts) is not name.is_server:
        raise KeyRefused(
            what="a broker needs its hosts, and nobody else has any",
            which=str(name),
            remedy="give --host with --kind broker, and only there",
        )
    path = service_file(out, name.kind)
    present = _present(path, name)
    _copy_broker_ca(authority, out)
    if present is not None and not renew:
        return _issued(present, name, path, was_there=True)
    private_key = new_private_key()
    certificate = service_certificate(
        name, hosts, private_key.public_key(), authority.authority, authority.validity(days, clock)
    )
    authority.record(certificate)
    content = pkcs8_pem(private_key) + certificate_pem(certificate, authority.certificate)
    replace_private(path, content, os.geteuid())
    return _issued(certificate, name, path, was_there=False)


def service_of(certificate: x509.Certificate) -> ServiceName | None:
    """The service that a certificate names; None when it names none."""
    named = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return parse_service_name(str(named[0].value)) if len(named) == 1 else None


def _present(path: Path, name: ServiceName) -> x509.Certificate | None:
    """The certificate of a file that is there, which has to be this service's."""
    if not path.exists():
        return None
    try:
        certificate = certificates_in(read_public(path))[0]
    except (*UNPARSABLE, IndexError):
        certificate = None
    if certificate is None or service_of(certificate) != name:
        raise KeyRefused(
            what=f"there is a file that is not of {name}",
            which=str(path),
            remedy="give each holder a directory of its own",
        )
    return certificate


def _copy_broker_ca(authority: AuthorityDirectory, out: Path) -> None:
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OutputRefused(
            what=f"cannot be made ({error.strerror})",
            which=str(out),
            remedy="name a place that can be written to",
        ) from error
    replace_public(out / BROKER_CA_FILE, read_public(authority.directory / BROKER_CA_FILE))
    with opened_directory(out) as descriptor:
        os.fsync(descriptor)


def _issued(
    certificate: x509.Certificate, name: ServiceName, path: Path, *, was_there: bool
) -> IssuedService:
    return IssuedService(
        name=name,
        path=str(path),
        serial=f"{certificate.serial_number:x}",
        until_utc_us=microseconds(certificate.not_valid_after_utc),
        was_there=was_there,
    )
