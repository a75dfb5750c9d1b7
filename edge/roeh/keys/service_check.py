"""What a broker is set up with, checked before anything relies on it: CAs, lists, its own key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.errors import KeyRefused
from roeh.keys.authority import only_certificate
from roeh.keys.certificates import is_service_authority
from roeh.keys.instants import as_text, microseconds
from roeh.keys.key_pem import UNPARSABLE, certificates_in, is_p256
from roeh.keys.revocation import is_signed_by, revocation_lists
from roeh.keys.safe_files import read_public
from roeh.keys.service_names import ServiceKind, ServiceName
from roeh.keys.services import service_of


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """A service's key with its certificates (PEM), as `roeh keys service` wrote it."""

    name: ServiceName
    content: bytes
    until_utc_us: int


@dataclass(frozen=True, slots=True)
class CaWithList:
    """A CA and its newest revocation list.

    Attributes:
        number: of the list; each new one has a higher.
        until_utc_us: after this a broker takes nobody's certificate of this CA any more.
    """

    certificate: x509.Certificate
    list_pem: bytes
    number: int
    revoked: int
    until_utc_us: int

    @property
    def name(self) -> str:
        """The CA's name, for people."""
        return self.certificate.subject.rfc4514_string()


def node_ca(path: Path) -> x509.Certificate:
    """The certificate of a node CA.

    Raises:
        KeyRefused: it is something else.
    """
    return _ca(path, is_service=False)


def service_ca(path: Path) -> x509.Certificate:
    """The certificate of a service CA.

    Raises:
        KeyRefused: it is something else.
    """
    return _ca(path, is_service=True)


def with_list(
    certificate: x509.Certificate, lists: Sequence[x509.CertificateRevocationList]
) -> CaWithList:
    """A CA with the newest of its lists.

    Raises:
        KeyRefused: there is none, or it is forged.
    """
    name = certificate.subject.rfc4514_string()
    own = [
        item for item in lists if item.issuer == certificate.subject and _number(item) is not None
    ]
    if not own:
        raise KeyRefused(
            what="no revocation list",
            which=name,
            remedy="make it, even an empty one: roeh keys revoke --ca DIR; give --revoked FILE",
        )
    newest = max(own, key=lambda item: _number(item) or 0)
    if not is_signed_by(newest, certificate):
        raise KeyRefused(
            what="its revocation list is not signed by it",
            which=name,
            remedy="fetch it again from the key keeper",
        )
    return CaWithList(
        certificate=certificate,
        list_pem=newest.public_bytes(serialization.Encoding.PEM),
        number=_number(newest) or 0,
        revoked=len(newest),
        until_utc_us=microseconds(newest.next_update_utc) if newest.next_update_utc else 0,
    )


def check_counts(authority: CaWithList, clock: Clock) -> None:
    """Refuse a list that has ended: a broker would refuse everybody.

    Raises:
        KeyRefused: it has.
    """
    if authority.until_utc_us <= clock.read().t_utc_ns // NS_PER_US:
        raise KeyRefused(
            what=f"its revocation list ended {as_text(authority.until_utc_us)}",
            which=authority.name,
            remedy="fetch a new one: roeh keys revoke --ca DIR",
        )


def lists_in(paths: Sequence[Path]) -> tuple[x509.CertificateRevocationList, ...]:
    """The revocation lists of these files.

    Raises:
        KeyRefused: one cannot be read.
    """
    return revocation_lists(b"".join(read_public(path) for path in paths)).lists


def service_file(
    path: Path, kind: ServiceKind, authority: x509.Certificate, clock: Clock
) -> ServiceFile:
    """A service's key and certificate, when they can be used.

    Raises:
        KeyRefused: another kind's, another CA's, not belonging together, or over.
    """
    content = read_public(path)
    try:
        leaf = certificates_in(content)[0]
        name = service_of(leaf)
        private_key = serialization.load_pem_private_key(content, password=None)
        leaf.verify_directly_issued_by(authority)
    except Exception as error:
        raise KeyRefused(
            what=f"not a key with its certificate of this service CA ({type(error).__name__})",
            which=str(path),
            remedy="name what roeh keys service wrote, under the same CA",
        ) from error
    until_us = microseconds(leaf.not_valid_after_utc)
    if name is None or name.kind is not kind:
        wrong = f"it is for {name or 'no service'}, not for a {kind.value}"
    elif not is_p256(leaf.public_key()) or private_key.public_key() != leaf.public_key():
        wrong = "key and certificate do not belong together"
    elif until_us <= clock.read().t_utc_ns // NS_PER_US:
        wrong = f"the certificate ended {as_text(until_us)}"
    else:
        return ServiceFile(name, content, until_us)
    raise KeyRefused(
        what=wrong,
        which=str(path),
        remedy=f"make it: roeh keys service NAME --kind {kind.value} --renew",
    )


def _ca(path: Path, *, is_service: bool) -> x509.Certificate:
    certificate = only_certificate(path)
    if (
        certificate.subject == certificate.issuer
        or is_service_authority(certificate) is not is_service
    ):
        wanted = "service" if is_service else "node"
        raise KeyRefused(
            what=f"not the certificate of a {wanted} CA",
            which=str(path),
            remedy=f"name ca.pem of the {wanted} CA's directory",
        )
    return certificate


def _number(item: x509.CertificateRevocationList) -> int | None:
    try:
        return item.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (*UNPARSABLE, x509.ExtensionNotFound):
        return None
