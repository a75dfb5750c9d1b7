"""The desk's own keys: one acknowledges, one commands, one signs the audit's checkpoints.

Each signs one kind of thing and no other. They lie in paths.keys_dir, a file each, of the
user that the desk runs as and of nobody else.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from roeh.core.config import DeskConfig
from roeh.core.errors import DeskFailed, KeyRefused
from roeh.keys.home_file import PemSigner, unprovisioned_set
from roeh.keys.key_pem import parse_entry
from roeh.keys.safe_files import check_directory, opened_directory, read_private, write_durably
from roeh.keys.signer import KeyUsage, NodeName
from roeh.transport.signed import DeskKey, StatementKind, sign_statement

ACK_FILE = "ack.key.pem"
COMMAND_FILE = "command.key.pem"
AUDIT_FILE = "audit.pem"
_DIRECTORY_MODE = 0o700
#: The site of what the desk itself keeps a ledger of; no pole's site may be called so.
AUDIT_SITE = "desk"


class StatementSigner:
    """Signs statements of one kind."""

    def __init__(self, kind: StatementKind, name: str, key: ed25519.Ed25519PrivateKey) -> None:
        self._kind = kind
        self._key = key
        self.verifier = DeskKey(name, key.public_key().public_bytes_raw())

    def sign(self, addressee: str, body: bytes) -> bytes:
        """A statement for this pole ("site/node"); `body` is JSON on one line."""
        return sign_statement(self._kind, addressee, body, name=self.verifier.name, key=self._key)

    def secret_name(self, name: str) -> str:
        """`name` with 128 bits behind it that only who has the key can tell; always the same."""
        # Ed25519 gives one signature for one text, and no statement begins like this one.
        secret = self._key.sign(f"secret name\n{name}".encode())
        return f"{name}-{hashlib.sha256(secret).hexdigest()[:32]}"


def keys_dir(config: DeskConfig) -> Path:
    """Where the keys are."""
    return Path(config.paths.keys_dir or f"{config.paths.data_dir}/keys")


def make_desk_keys(config: DeskConfig) -> None:
    """Make the keys that are not there; what is there stays.

    Raises:
        KeyRefused: the directory is not this user's alone.
        DeskFailed: they cannot be written.
    """
    path = keys_dir(config)
    with _writable(path):
        path.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    with opened_directory(path) as directory:
        owner_uid = os.fstat(directory).st_uid
        check_directory(directory, path, owner_uid)
        for file in (ACK_FILE, COMMAND_FILE, AUDIT_FILE):
            # Looked at first: an audit's key takes certificates to make.
            with contextlib.suppress(FileExistsError), _writable(path / file):
                if not (path / file).exists():
                    write_durably(directory, file, _new_content(file, config), owner_uid)
        with _writable(path):
            os.fsync(directory)


def open_ack_key(config: DeskConfig) -> StatementSigner:
    """What signs acknowledgements.

    Raises:
        KeyRefused: it is not there, cannot be read, or is not its owner's alone.
    """
    name = f"{config.name}-ack"
    return StatementSigner(StatementKind.ACK, name, _ed25519(config, ACK_FILE))


def open_command_key(config: DeskConfig) -> StatementSigner:
    """What signs commands.

    Raises:
        KeyRefused: likewise.
    """
    name = f"{config.name}-command"
    return StatementSigner(StatementKind.COMMAND, name, _ed25519(config, COMMAND_FILE))


def open_audit_key(config: DeskConfig) -> PemSigner:
    """What signs checkpoints of the audit, with certificates that it made for itself.

    Raises:
        KeyRefused: likewise.
    """
    path = keys_dir(config) / AUDIT_FILE
    entry = parse_entry(_content(config, AUDIT_FILE), KeyUsage.LOG, str(path))
    return PemSigner(entry, home="file", which=str(path))


def _new_content(file: str, config: DeskConfig) -> bytes:
    if file == AUDIT_FILE:
        name = NodeName(AUDIT_SITE, config.name)
        return unprovisioned_set(name)[f"{KeyUsage.LOG.value}.pem"]
    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _ed25519(config: DeskConfig, file: str) -> ed25519.Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(_content(config, file), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise KeyRefused(
            what="not an Ed25519 key",
            which=str(keys_dir(config) / file),
            remedy="put back the copy; a new key has to be made known to every pole",
        )
    return key


def _content(config: DeskConfig, file: str) -> bytes:
    path = keys_dir(config)
    try:
        with opened_directory(path) as directory:
            owner_uid = os.fstat(directory).st_uid
            check_directory(directory, path, owner_uid)
            return read_private(directory, path / file, owner_uid)
    except (FileNotFoundError, KeyRefused) as error:
        if isinstance(error, KeyRefused) and path.exists():
            raise
        raise KeyRefused(
            what="the desk has no keys yet",
            which=str(path / file),
            remedy="make them with roeh desk keys",
        ) from None


@contextlib.contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise DeskFailed(
            what=f"cannot be written ({error.strerror})",
            which=str(path),
            remedy="check paths.keys_dir, its owner and its medium",
        ) from None
