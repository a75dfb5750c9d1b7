"""Making the directory of a root or of a CA under it, whole or not at all.

It is written as `<dir>.making` and comes into being by one rename.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from roeh.core.clock import Clock
from roeh.core.errors import KeyRefused, OutputRefused
from roeh.keys.authority import (
    BROKER_CA_FILE,
    CERTIFICATE_FILE,
    KEY_FILE,
    ROOT_FILE,
    AuthorityDirectory,
    AuthorityKind,
    from_today,
    kind_under_root,
    only_certificate,
)
from roeh.keys.certificates import (
    Authority,
    Validity,
    authority_name,
    certificate_pem,
    new_private_key,
    node_authority,
    root_authority,
    service_authority,
)
from roeh.keys.key_files import key_file_content
from roeh.keys.person_certificates import AuthorityClass, person_authority
from roeh.keys.release_signers import release_authority
from roeh.keys.safe_files import opened_directory, replace_public, write_durably
from roeh.keys.trusted_pem import trusted_certificate_pem

ROOT_DAYS = 20 * 365
CA_DAYS = 10 * 365

_KINDS = {
    AuthorityClass.DEVICE: AuthorityKind.NODE,
    AuthorityClass.POLICE: AuthorityKind.POLICE,
    AuthorityClass.STAFF: AuthorityKind.STAFF,
}

_MakeAuthority = Callable[[x509.Name, ec.EllipticCurvePrivateKey, Authority, Validity], Authority]


def create_root(directory: Path, name: str, passphrase: bytes | None, clock: Clock) -> bool:
    """Make a root; False when the directory holds one already.

    Raises:
        OutputRefused: the directory cannot be made.
        KeyRefused: it is there and holds something else.
    """
    if _is_there(directory):
        return False
    private_key = new_private_key()
    root = root_authority(authority_name(name), private_key, from_today(ROOT_DAYS, clock))
    _write(
        directory, {CERTIFICATE_FILE: certificate_pem(root.certificate)}, private_key, passphrase
    )
    return True


def create_ca(
    directory: Path,
    name: str,
    root: AuthorityDirectory,
    passphrase: bytes | None,
    clock: Clock,
    *,
    authority_class: AuthorityClass = AuthorityClass.DEVICE,
) -> bool:
    """Make a CA for nodes or for persons under a root; False when the directory holds it already.

    Raises:
        OutputRefused: the directory cannot be made.
        KeyRefused: it is there and holds something else, or another root's CA.
    """

    def make(
        subject: x509.Name,
        private_key: ec.EllipticCurvePrivateKey,
        above: Authority,
        validity: Validity,
    ) -> Authority:
        if authority_class is AuthorityClass.DEVICE:
            return node_authority(subject, private_key, above, validity)
        return person_authority(subject, private_key, above, validity, authority_class)

    kind = _KINDS[authority_class]
    return _create_under(root, directory, name, passphrase, clock=clock, make=make, kind=kind)


def create_service_ca(
    directory: Path, name: str, root: AuthorityDirectory, passphrase: bytes | None, clock: Clock
) -> bool:
    """Make a service CA under a root; False when the directory holds one of that root already.

    `broker-ca.pem` in it is its certificate, marked as one to believe brokers by: with it
    a client needs no root, and believes neither a node nor another CA of that root.

    Raises:
        OutputRefused: the directory cannot be made.
        KeyRefused: it is there and holds something else, or another root's CA.
    """
    kind = AuthorityKind.SERVICE
    is_new = _create_under(
        root, directory, name, passphrase, clock=clock, make=service_authority, kind=kind
    )
    certificate = only_certificate(directory / CERTIFICATE_FILE)
    replace_public(
        directory / BROKER_CA_FILE,
        trusted_certificate_pem(certificate, ExtendedKeyUsageOID.SERVER_AUTH),
    )
    return is_new


def create_release_ca(
    directory: Path, name: str, root: AuthorityDirectory, passphrase: bytes | None, clock: Clock
) -> bool:
    """Make a release CA under a root; False when the directory holds one of that root already.

    Its `ca.pem` is what machines believe releases by: release-ca.pem there.

    Raises:
        OutputRefused: the directory cannot be made.
        KeyRefused: it is there and holds something else, or another root's CA.
    """
    kind = AuthorityKind.RELEASE
    return _create_under(
        root, directory, name, passphrase, clock=clock, make=release_authority, kind=kind
    )


def _create_under(
    root: AuthorityDirectory,
    directory: Path,
    name: str,
    passphrase: bytes | None,
    *,
    clock: Clock,
    make: _MakeAuthority,
    kind: AuthorityKind,
) -> bool:
    is_new = not _is_there(directory)
    if is_new:
        private_key = new_private_key()
        made = make(authority_name(name), private_key, root.authority, from_today(CA_DAYS, clock))
        files = {
            CERTIFICATE_FILE: certificate_pem(made.certificate),
            ROOT_FILE: certificate_pem(root.certificate),
        }
        _write(directory, files, private_key, passphrase)
    certificate = only_certificate(directory / CERTIFICATE_FILE)
    try:
        certificate.verify_directly_issued_by(root.certificate)
    except Exception as error:
        raise KeyRefused(
            what="holds a CA that this root did not sign",
            which=str(directory),
            remedy="name another directory, or the root that made it",
        ) from error
    if (found := kind_under_root(certificate)) is not kind:
        raise KeyRefused(
            what=f"holds a {found.value}, not a {kind.value}",
            which=str(directory),
            remedy="name another directory",
        )
    # Also after an interruption between making the directory and this line.
    root.record(certificate)
    return is_new


def _is_there(directory: Path) -> bool:
    if not directory.exists() or not any(directory.iterdir()):
        return False
    if (directory / CERTIFICATE_FILE).exists() and (directory / KEY_FILE).exists():
        return True
    raise KeyRefused(
        what="not empty, and no CA's directory",
        which=str(directory),
        remedy="name a directory that is not there yet",
    )


def _write(
    directory: Path,
    files: dict[str, bytes],
    private_key: ec.EllipticCurvePrivateKey,
    passphrase: bytes | None,
) -> None:
    key_pem = key_file_content(private_key, passphrase)
    making = directory.with_name(f"{directory.name}.making")
    try:
        if making.exists():
            shutil.rmtree(making)
        making.mkdir(mode=0o700, parents=True)
        with opened_directory(making) as descriptor:
            for name, content in {**files, KEY_FILE: key_pem}.items():
                write_durably(descriptor, name, content, os.geteuid())
            os.fsync(descriptor)
        making.rename(directory)
        with opened_directory(directory.parent) as descriptor:
            os.fsync(descriptor)
    except OSError as error:
        raise OutputRefused(
            what=f"cannot be written ({error.strerror})",
            which=str(directory),
            remedy="name a place that can be written to, with room",
        ) from error
