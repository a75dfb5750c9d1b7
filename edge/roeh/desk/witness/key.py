"""The witness's own keys: one for cosignatures, one for its alarms, at home in its state.

Nothing that a cosignature's key signs can be read as an alarm, nor the other way round: the
note's types differ, and so do the keys.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from roeh.core.errors import KeyRefused, StorageFailed
from roeh.keys.safe_files import check_directory, opened_directory, read_private, write_durably
from roeh.ledger.note import WitnessKey, cosignature_line, witness_verifier_key
from roeh.transport.signed import DeskKey, StatementKind, sign_statement

COSIGN_FILE = "cosign.key.pem"
ALARM_FILE = "alarm.key.pem"
_DIRECTORY_MODE = 0o700


class WitnessKeys:
    """What a witness signs with.

    Args:
        name: of the witness; its alarms are signed as `<name>-alarm`.
        cosign: for cosignatures alone.
        alarm: for alarms alone.
    """

    def __init__(
        self, name: str, cosign: ed25519.Ed25519PrivateKey, alarm: ed25519.Ed25519PrivateKey
    ) -> None:
        self.name = name
        self._cosign = cosign
        self._alarm = alarm

    @property
    def witness(self) -> WitnessKey:
        """Who a pole and a verifier have to know."""
        return WitnessKey(self.name, self._cosign.public_key().public_bytes_raw())

    @property
    def alarm(self) -> DeskKey:
        """Who a control room has to know."""
        return DeskKey(f"{self.name}-alarm", self._alarm.public_key().public_bytes_raw())

    @property
    def verifier_key(self) -> str:
        """The line `witness ...` of a pole's desk.keys_file, without its first word."""
        return witness_verifier_key(self.witness)

    def cosignature(self, text: str, t_utc_s: int) -> str:
        """The line that says when this text of a checkpoint had been seen."""
        return cosignature_line(text, t_utc_s, name=self.name, key=self._cosign)

    def alarm_statement(self, body: bytes) -> bytes:
        """What this witness is alarmed by, signed."""
        return sign_statement(
            StatementKind.ALARM, self.name, body, name=self.alarm.name, key=self._alarm
        )


def make_witness_keys(state_dir: Path, name: str) -> WitnessKeys:
    """The keys in `state_dir`; those that are not there are made.

    Raises:
        KeyRefused: the directory or a key in it is not this user's alone.
        StorageFailed: they cannot be written.
    """
    try:
        state_dir.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(state_dir, error) from None
    with opened_directory(state_dir) as directory:
        owner_uid = os.fstat(directory).st_uid
        check_directory(directory, state_dir, owner_uid)
        try:
            for file in (COSIGN_FILE, ALARM_FILE):
                _make_key(directory, file, owner_uid)
            os.fsync(directory)
        except OSError as error:
            raise _unwritable(state_dir, error) from None
    return read_witness_keys(state_dir, name)


def read_witness_keys(state_dir: Path, name: str) -> WitnessKeys:
    """The keys in `state_dir`.

    Raises:
        KeyRefused: one is not there, cannot be read, or is not its owner's alone.
    """
    if not state_dir.exists():
        raise _not_made(state_dir)
    with opened_directory(state_dir) as directory:
        owner_uid = os.fstat(directory).st_uid
        check_directory(directory, state_dir, owner_uid)
        cosign, alarm = (
            _key(directory, state_dir / file, owner_uid) for file in (COSIGN_FILE, ALARM_FILE)
        )
    return WitnessKeys(name, cosign, alarm)


def _make_key(directory: int, file: str, owner_uid: int) -> None:
    """A key where there is none; a power cut leaves it whole or not there."""
    making = f"{file}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(making, dir_fd=directory)
    write_durably(directory, making, _new_key(), owner_uid)
    with contextlib.suppress(FileExistsError):
        # A link, and no renaming: it never takes the place of a key that is there.
        os.link(making, file, src_dir_fd=directory, dst_dir_fd=directory)
    os.unlink(making, dir_fd=directory)


def _new_key() -> bytes:
    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _key(directory: int, path: Path, owner_uid: int) -> ed25519.Ed25519PrivateKey:
    try:
        content = read_private(directory, path, owner_uid)
        key = serialization.load_pem_private_key(content, password=None)
    except FileNotFoundError:
        raise _not_made(path) from None
    except KeyRefused as error:
        raise KeyRefused(
            what=error.what,
            which=error.which,
            remedy="make it its owner's alone (mode 600); if others read it, move it away, make a"
            " new one with roeh desk keys --witness, and give that to poles and desk",
        ) from None
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise KeyRefused(
            what="not an Ed25519 key",
            which=str(path),
            remedy="put back the copy; a new key has to be made known to every pole",
        )
    return key


def _not_made(path: Path) -> KeyRefused:
    return KeyRefused(
        what="the witness has no key yet",
        which=str(path),
        remedy="make it with roeh desk keys --witness",
    )


def _unwritable(path: Path, error: OSError) -> StorageFailed:
    return StorageFailed(
        what=f"cannot be written ({error.strerror})",
        which=str(path),
        remedy="check witness.state_dir and its medium",
    )
