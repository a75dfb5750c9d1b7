"""Home `credential`: keys that systemd gives to evidence's unit alone (LoadCredential=).

systemd puts them into memory that no other unit sees, and on disk they may be encrypted
to the machine or its TPM (systemd-creds). In the process they are plain again: as good
as the file against a thief of the disk who lacks the machine, no better against root.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from roeh.core.errors import KeyRefused
from roeh.keys.home_file import PemSigner, pkcs8_with_request
from roeh.keys.key_pem import KeyEntry, parse_entry
from roeh.keys.safe_files import MAX_FILE_BYTES, opened_directory, read_bounded
from roeh.keys.signer import KeyUsage, NodeName

#: Where systemd says that a unit's credentials are (systemd.exec(5)).
DIRECTORY_VARIABLE = "CREDENTIALS_DIRECTORY"


class CredentialHome:
    """Keys out of the unit's credentials directory.

    Args:
        directory: what $CREDENTIALS_DIRECTORY says; empty when systemd gave none.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def entry(self, usage: KeyUsage) -> tuple[KeyEntry, str]:
        """A usage's key and certificates, and how they are named in an error."""
        name = f"{usage.value}.pem"
        if not self._directory:
            raise KeyRefused(
                what="systemd gave this process no credentials",
                which=f"[keys] home = credential, {name}",
                remedy=f"LoadCredential={name}:... in evidence's unit (edge/docs/keys.md)",
            )
        path = Path(self._directory) / name
        return parse_entry(_read(path), usage, str(path)), str(path)

    def signer(self, entry: KeyEntry, which: str) -> PemSigner:
        """What signs with it."""
        return PemSigner(entry, home="credential", which=which)

    def new_key(self, name: NodeName, usage: KeyUsage) -> bytes:
        """A new key's block, then its request; it waits in the key directory."""
        return pkcs8_with_request(name, usage)


def _read(path: Path) -> bytes:
    """A credential, refused when others may read it.

    systemd sets owner and mode, at times by an access list whose mask reads as the group's
    rights; so the group's rights say nothing here.
    """
    with opened_directory(path.parent) as directory:
        try:
            descriptor = os.open(
                path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory
            )
        except OSError as error:
            raise KeyRefused(
                what=f"credential cannot be read ({error.strerror})",
                which=str(path),
                remedy=f"LoadCredential={path.name}:... in evidence's unit",
            ) from error
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        mode = os.fstat(descriptor).st_mode
        if mode & 0o007:
            raise KeyRefused(
                what=f"others may read it (mode {stat.S_IMODE(mode):04o})",
                which=str(path),
                remedy="let systemd make the credentials directory; do not set it by hand",
            )
        return read_bounded(file.read(MAX_FILE_BYTES + 1), path)
