"""The offline side: directories of the root and of the CAs below it; no network is needed.

    <dir>/ca.pem        the CA's certificate; a CA under a root has root.pem beside it
    <dir>/ca.key        its private key: PKCS#8, encrypted with a passphrase, or plain
    <dir>/broker-ca.pem a service CA's certificate as clients of a broker take it
    <dir>/issued/       every certificate that it signed, by serial number
    <dir>/revoked.pem   its revocation list, to hand to whoever verifies

A certificate is recorded in `issued` before it is handed out, and a request that was signed
before gets the same certificate again: every command may be repeated after an interruption.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.errors import KeyRefused
from roeh.keys.certificates import (
    Authority,
    Validity,
    certificate_pem,
    is_service_authority,
    leaf_certificate,
    node_name_of,
    node_subject,
    spki_der,
    usage_of,
)
from roeh.keys.instants import instant, microseconds
from roeh.keys.key_files import Passphrase, check_pair, read_key_file
from roeh.keys.key_pem import (
    UNPARSABLE,
    certificates_in,
    is_p256,
)
from roeh.keys.person_certificates import AuthorityClass, person_authority_class
from roeh.keys.release_signers import is_for_releases
from roeh.keys.requests import checked, requests_in
from roeh.keys.revocation import make_list, revocation_lists
from roeh.keys.safe_files import (
    read_public,
    replace_public,
)
from roeh.keys.signer import KeyUsage, NodeName

CERTIFICATE_FILE = "ca.pem"
KEY_FILE = "ca.key"
ROOT_FILE = "root.pem"
BROKER_CA_FILE = "broker-ca.pem"
LIST_FILE = "revoked.pem"

LEAF_DAYS = 3 * 365
#: How long a list may be believed to be the newest.
LIST_DAYS = 400

_ISSUED = "issued"


class AuthorityKind(enum.Enum):
    """What a CA is there for; the value is for people."""

    ROOT = "root"
    NODE = "node CA"
    SERVICE = "service CA"
    POLICE = "police CA"
    STAFF = "staff CA"
    RELEASE = "release CA"


def kind_under_root(certificate: x509.Certificate) -> AuthorityKind:
    """What a CA below a root is there for, by its extended key usages."""
    if is_service_authority(certificate):
        return AuthorityKind.SERVICE
    if is_for_releases(certificate):
        return AuthorityKind.RELEASE
    authority_class = person_authority_class(certificate)
    if authority_class is AuthorityClass.POLICE:
        return AuthorityKind.POLICE
    if authority_class is AuthorityClass.STAFF:
        return AuthorityKind.STAFF
    return AuthorityKind.NODE


#: What a request asks for: a certificate for whom, for what, over which key.
Wanted = tuple[NodeName, KeyUsage, ec.EllipticCurvePublicKey]


class Issued(msgspec.Struct, frozen=True):
    """A certificate of a CA, for people: what it is for, and how to name it."""

    name: NodeName
    usage: KeyUsage
    serial: str
    until_utc_us: int
    was_there: bool


class Listed(msgspec.Struct, frozen=True):
    """A certificate that a CA signed, for people."""

    subject: str
    serial: str
    until_utc_us: int
    is_revoked: bool


def issued_in(directory: Path) -> list[Listed]:
    """What the CA of a directory has signed; its key is not needed.

    Raises:
        KeyRefused: no CA's directory, or a file of it cannot be read.
    """
    only_certificate(directory / CERTIFICATE_FILE)
    path = directory / LIST_FILE
    lists = revocation_lists(read_public(path) if path.exists() else b"").lists
    certificates = [only_certificate(path) for path in sorted((directory / _ISSUED).glob("*.pem"))]
    return [
        Listed(
            subject=certificate.subject.rfc4514_string(),
            serial=f"{certificate.serial_number:x}",
            until_utc_us=microseconds(certificate.not_valid_after_utc),
            is_revoked=any(
                item.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
                for item in lists
            ),
        )
        for certificate in certificates
    ]


class AuthorityDirectory:
    """One CA's directory, opened with its key.

    Raises:
        KeyRefused: it is no CA's directory, its key is unsafe or the passphrase is wrong.
    """

    def __init__(self, directory: Path, passphrase: Passphrase) -> None:
        self.directory = directory
        certificate = only_certificate(directory / CERTIFICATE_FILE)
        self.authority = Authority(certificate, _private_key(directory, certificate, passphrase))

    @property
    def certificate(self) -> x509.Certificate:
        """The CA's own certificate."""
        return self.authority.certificate

    def kind(self) -> AuthorityKind:
        """What it is there for."""
        if not (self.directory / ROOT_FILE).exists():
            return AuthorityKind.ROOT
        return kind_under_root(self.certificate)

    def record(self, certificate: x509.Certificate) -> None:
        """Keep a certificate that this CA signed; nothing new when it is there."""
        folder = self.directory / _ISSUED
        folder.mkdir(exist_ok=True)
        path = folder / f"{certificate.serial_number:x}.pem"
        if not path.exists():
            replace_public(path, certificate_pem(certificate))

    def issued(self) -> Iterator[x509.Certificate]:
        """Every certificate that this CA signed."""
        for path in sorted((self.directory / _ISSUED).glob("*.pem")):
            yield only_certificate(path)

    def sign(self, requests_pem: bytes, days: int, clock: Clock) -> tuple[bytes, list[Issued]]:
        """Sign the requests of nodes, each for its one usage.

        Returns:
            What the node installs (the certificates, the node CA's and the root's; PEM), and
            what it holds.

        Raises:
            KeyRefused: a request that is not signed by its key, on another curve, for no
                usage of ours, naming no node, or of a key certified for something else.
                Then nothing is signed.
        """
        requests = self.wanted(requests_pem)
        before = self._by_key()
        certificates, issued = [], []
        for name, usage, public_key in requests:
            found = before.get(spki_der(public_key))
            certificate = found or leaf_certificate(
                node_subject(name, usage.value),
                public_key,
                usage,
                self.authority,
                self.validity(days, clock),
            )
            self.record(certificate)
            certificates.append(certificate)
            issued.append(
                Issued(
                    name=name,
                    usage=usage,
                    serial=f"{certificate.serial_number:x}",
                    until_utc_us=microseconds(certificate.not_valid_after_utc),
                    was_there=found is not None,
                )
            )
        root = only_certificate(self.directory / ROOT_FILE)
        return certificate_pem(*certificates, self.certificate, root), issued

    def wanted(self, requests_pem: bytes) -> list[Wanted]:
        """What requests ask for, when this CA would sign all of them; nothing is signed.

        Raises:
            KeyRefused: as `sign`.
        """
        if (kind := self.kind()) is not AuthorityKind.NODE:
            raise KeyRefused(
                what=f"a {kind.value} signs no nodes",
                which=str(self.directory),
                remedy="make a node CA: roeh keys ca DIR --root ROOT",
            )
        requests = [checked(request) for request in requests_in(requests_pem)]
        before = self._by_key()
        for name, usage, public_key in requests:
            _check_not_another(before.get(spki_der(public_key)), name, usage)
            if usage is KeyUsage.TLS:
                _check_unique(before.values(), name)
        return requests

    def _by_key(self) -> dict[bytes, x509.Certificate]:
        return {spki_der(_p256(item.public_key())): item for item in self.issued()}

    def revoke(
        self,
        serial: str | None,
        clock: Clock,
        *,
        reason: x509.ReasonFlags = x509.ReasonFlags.unspecified,
        compromised_since: datetime.datetime | None = None,
    ) -> Path:
        """Write the revocation list anew, with one more certificate when a serial is given.

        A certificate stays revoked as of the time it was first revoked.

        Raises:
            KeyRefused: this CA signed no certificate of that serial number.
            OutputRefused: the list cannot be written.
        """
        entries, number = self._revoked(self.directory / LIST_FILE)
        now = _now(clock)
        if serial is not None:
            wanted = self._serial(serial)
            if wanted not in {entry.serial_number for entry in entries}:
                entries.append(_entry(wanted, now, reason, compromised_since))
        return self._write_list(entries, number + 1, now)

    def revoke_pole(
        self,
        name: NodeName,
        clock: Clock,
        *,
        reason: x509.ReasonFlags = x509.ReasonFlags.unspecified,
        compromised_since: datetime.datetime | None = None,
    ) -> list[str]:
        """Revoke every certificate of a pole that has not ended, in one list.

        Returns:
            The serial numbers that were revoked now. None: they were already, and the list is
            as it was.

        Raises:
            KeyRefused: this CA signed none for a pole of that name.
            OutputRefused: the list cannot be written.
        """
        of_pole = [item for item in self.issued() if node_name_of(item.subject) == name]
        if not of_pole:
            raise KeyRefused(
                what="this CA signed no certificate for it",
                which=str(name),
                remedy=f"see roeh keys issued --ca {self.directory}",
            )
        entries, number = self._revoked(self.directory / LIST_FILE)
        known = {entry.serial_number for entry in entries}
        now = _now(clock)
        serials = [
            item.serial_number
            for item in of_pole
            if item.serial_number not in known and item.not_valid_after_utc > now
        ]
        if serials:
            entries += [_entry(serial, now, reason, compromised_since) for serial in serials]
            self._write_list(entries, number + 1, now)
        return [f"{serial:x}" for serial in serials]

    def _write_list(
        self, entries: list[x509.RevokedCertificate], number: int, now: datetime.datetime
    ) -> Path:
        path = self.directory / LIST_FILE
        made = make_list(
            self.authority,
            entries,
            number=number,
            validity=Validity(now, now + datetime.timedelta(days=LIST_DAYS)),
        )
        replace_public(path, made.public_bytes(serialization.Encoding.PEM))
        return path

    def revoked_serials(self) -> frozenset[int]:
        """The serial numbers of what this CA has revoked.

        Raises:
            KeyRefused: the list that is there is not this CA's.
        """
        entries, _ = self._revoked(self.directory / LIST_FILE)
        return frozenset(entry.serial_number for entry in entries)

    def _revoked(self, path: Path) -> tuple[list[x509.RevokedCertificate], int]:
        """The entries of the list so far, and its number."""
        if not path.exists():
            return [], 0
        try:
            present = x509.load_pem_x509_crl(read_public(path))
            genuine = present.is_signature_valid(_p256(self.certificate.public_key()))
            number = present.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        except (*UNPARSABLE, x509.ExtensionNotFound):
            genuine, number = False, 0
        if not genuine:
            raise KeyRefused(
                what="not this CA's revocation list",
                which=str(path),
                remedy="restore the last one that was handed out; it must not be begun anew",
            )
        return list(present), number

    def _serial(self, text: str) -> int:
        known = {certificate.serial_number for certificate in self.issued()}
        try:
            serial = int(text.replace(":", ""), 16)
        except ValueError:
            serial = 0
        if serial not in known:
            raise KeyRefused(
                what="this CA signed no certificate of that serial number",
                which=text,
                remedy=f"roeh keys show on the node, or ls {self.directory / _ISSUED}",
            )
        return serial

    def validity(self, days: int, clock: Clock) -> Validity:
        """From today on, but not longer than the CA itself."""
        validity = from_today(days, clock)
        return Validity(
            max(validity.not_before, self.certificate.not_valid_before_utc),
            min(validity.not_after, self.certificate.not_valid_after_utc),
        )


def _private_key(
    directory: Path, certificate: x509.Certificate, passphrase: Passphrase
) -> ec.EllipticCurvePrivateKey:
    path = directory / KEY_FILE
    private_key, _ = read_key_file(path, passphrase, directory)
    check_pair(private_key, certificate, directory)
    return private_key


def only_certificate(path: Path) -> x509.Certificate:
    """The certificate of a file that holds one.

    Raises:
        KeyRefused: it cannot be read, or does not hold one.
    """
    try:
        certificates = certificates_in(read_public(path))
    except UNPARSABLE:
        certificates = []
    if len(certificates) != 1:
        raise KeyRefused(
            what="not one certificate", which=str(path), remedy="restore it, or name another"
        )
    return certificates[0]


def _check_not_another(
    certificate: x509.Certificate | None, name: NodeName, usage: KeyUsage
) -> None:
    """Refuse to certify one key for a second use or node."""
    if certificate is None:
        return
    if usage_of(certificate.extensions) is not usage or node_name_of(certificate.subject) != name:
        raise KeyRefused(
            what="its key has a certificate for another use or node",
            which=f"the request of {name} for {usage.value}",
            remedy="make it anew: roeh keys request",
        )


def _check_unique(issued: Iterable[x509.Certificate], name: NodeName) -> None:
    """Refuse a second pole of one name: at a broker its name alone tells what it may."""
    for certificate in issued:
        other = node_name_of(certificate.subject)
        if (
            usage_of(certificate.extensions) is KeyUsage.TLS
            and other is not None
            and other.node == name.node
            and other.site != name.site
        ):
            raise KeyRefused(
                what=f"the name is taken: this CA has certified {other}",
                which=f"the request of {name}",
                remedy="name poles differently even at different sites: they share a broker",
            )


def _p256(public_key: object) -> ec.EllipticCurvePublicKey:
    """A key that we made or checked before."""
    assert is_p256(public_key)
    return public_key


def _entry(
    serial: int,
    now: datetime.datetime,
    reason: x509.ReasonFlags,
    compromised_since: datetime.datetime | None,
) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
    if reason is not x509.ReasonFlags.unspecified:
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    if compromised_since is not None:
        builder = builder.add_extension(x509.InvalidityDate(compromised_since), critical=False)
    return builder.build()


def _now(clock: Clock) -> datetime.datetime:
    return instant(clock.read().t_utc_ns // NS_PER_US)


def from_today(days: int, clock: Clock) -> Validity:
    """From this day's first second (UTC) on, for so many days."""
    today = _now(clock).replace(hour=0, minute=0, second=0)
    return Validity(today, today + datetime.timedelta(days=days))
