"""`roeh keys release-ca` and `releaser`: who may sign releases (edge/docs/releases.md)."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from roeh.core.clock import SystemClock
from roeh.core.errors import EXIT_OK, KeyRefused
from roeh.keys.asking import (
    Adder,
    add_new_passphrase,
    new_passphrase,
    passphrase_from,
    positive_days,
    say,
)
from roeh.keys.authority import AuthorityDirectory, AuthorityKind
from roeh.keys.certificates import certificate_pem, new_private_key
from roeh.keys.instants import as_text, microseconds
from roeh.keys.key_files import key_file_content
from roeh.keys.new_authority import create_release_ca
from roeh.keys.release_signers import SIGNER_DAYS, release_signer_certificate
from roeh.keys.safe_files import replace_private


def add_actions(add: Adder) -> None:
    """The actions with their options."""
    authority = add("release-ca", _release_ca, "Offline: make a CA for who signs releases.")
    authority.add_argument("dir", type=Path, metavar="DIR")
    authority.add_argument("--root", type=Path, required=True, metavar="DIR")
    authority.add_argument(
        "--name", default="Roeh release CA", help="its name, default %(default)r"
    )
    authority.add_argument("--root-passphrase-file", type=Path, metavar="FILE")
    add_new_passphrase(authority)

    signer = add("releaser", _releaser, "Offline: key and certificate of who signs releases.")
    signer.add_argument("key", type=Path, metavar="KEY.pem", help="for make release; new")
    signer.add_argument("--ca", type=Path, required=True, metavar="DIR", help="the release CA")
    signer.add_argument("--name", required=True, help="who it is")
    signer.add_argument(
        "--days", type=positive_days, default=SIGNER_DAYS, metavar="N", help="default %(default)s"
    )
    signer.add_argument("--ca-passphrase-file", type=Path, metavar="FILE")
    add_new_passphrase(signer)


def _release_ca(chosen: argparse.Namespace) -> int:
    root = AuthorityDirectory(chosen.root, passphrase_from(chosen.root_passphrase_file))
    passphrase = new_passphrase(chosen)
    is_new = create_release_ca(chosen.dir, chosen.name, root, passphrase, SystemClock())
    say(f"release CA {'made' if is_new else 'is there'}: {chosen.dir}")
    say("ca.pem in it is what machines believe releases by: their release-ca.pem")
    return EXIT_OK


def _releaser(chosen: argparse.Namespace) -> int:
    authority = AuthorityDirectory(chosen.ca, passphrase_from(chosen.ca_passphrase_file))
    if (kind := authority.kind()) is not AuthorityKind.RELEASE:
        raise KeyRefused(
            what=f"a {kind.value} makes nobody a signer of releases",
            which=str(chosen.ca),
            remedy="make a release CA: roeh keys release-ca DIR --root ROOT",
        )
    if chosen.key.exists():
        raise KeyRefused(
            what="is there already", which=str(chosen.key), remedy="name a file that is not"
        )
    passphrase = new_passphrase(chosen, chosen.key)
    private_key = new_private_key()
    certificate = release_signer_certificate(
        chosen.name,
        private_key.public_key(),
        authority.authority,
        authority.validity(chosen.days, SystemClock()),
    )
    authority.record(certificate)
    chain = certificate_pem(certificate, authority.certificate)
    content = key_file_content(private_key, passphrase) + chain
    replace_private(chosen.key, content, os.geteuid())
    until = as_text(microseconds(certificate.not_valid_after_utc))
    say(f"{chosen.key}: {chosen.name}  serial {certificate.serial_number:x}  until {until}")
    say("for make release and make bundle: --signer; a lost one: roeh keys revoke")
    return EXIT_OK
