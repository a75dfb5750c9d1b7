"""age (age-encryption.org/v1): the only place that knows the library, which `age` checks.

Streams of any length; memory stays flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

import msgspec
import pyrage

from roeh.core.errors import BundleRefused, KeyRefused

_SECRET_BEGINS: Final = "AGE-SECRET-KEY-1"  # noqa: S105 - how any begins


class Readable(Protocol):
    """Gives bytes."""

    def read(self, size_bytes: int = -1, /) -> bytes:
        """The next of them, as many at most; none at the end."""
        ...


class Writable(Protocol):
    """Takes bytes, all that it is given."""

    def write(self, content: bytes, /) -> int | None:
        """Take these."""
        ...


class AgeIdentity(msgspec.Struct, frozen=True):
    """A key pair: who has `secret` opens what was encrypted to `recipient`."""

    secret: str
    recipient: str

    def __repr__(self) -> str:
        """Without the secret: it must not reach a log."""
        return f"AgeIdentity({self.recipient})"


def new_identity() -> AgeIdentity:
    """A key pair that nobody else has."""
    identity = pyrage.x25519.Identity.generate()
    return AgeIdentity(secret=str(identity), recipient=str(identity.to_public()))


def parse_identities(text: str) -> tuple[AgeIdentity, ...]:
    """The key pairs in a file as `age-keygen` writes it.

    Raises:
        KeyRefused: there is none, or a line is none.
    """
    lines = [line.strip() for line in text.splitlines()]
    secrets = [line for line in lines if line and not line.startswith("#")]
    if not secrets or not all(line.startswith(_SECRET_BEGINS) for line in secrets):
        raise _no_identity()
    try:
        found = [pyrage.x25519.Identity.from_str(secret) for secret in secrets]
    except pyrage.IdentityError:
        raise _no_identity() from None
    return tuple(AgeIdentity(str(one), str(one.to_public())) for one in found)


def encrypt(pieces: Iterable[bytes], sink: Writable, recipients: Sequence[str]) -> None:
    """Encrypt a stream so that each of the recipients can open it.

    Raises:
        KeyRefused: one of them is not a public key of age.
        BaseException: what `pieces` or `sink` raised.
    """
    wanted = [_recipient(recipient) for recipient in recipients]
    reader, writer = _PieceReader(iter(pieces)), _KeptError(sink)
    try:
        pyrage.encrypt_io(reader, writer, wanted)
    except Exception:
        # The library tells an error of ours in a type of its own.
        if (error := reader.error or writer.error) is not None:
            raise error from None
        raise


def decrypt(source: Readable, sink: Writable, identities: Sequence[AgeIdentity]) -> None:
    """Decrypt a stream; what was written before an error is to be thrown away.

    Raises:
        BundleRefused: none of the identities opens it, or it is damaged.
        BaseException: what `source` or `sink` raised.
    """
    keys = [pyrage.x25519.Identity.from_str(identity.secret) for identity in identities]
    reader, writer = _KeptReadError(source), _KeptError(sink)
    try:
        pyrage.decrypt_io(reader, writer, keys)
    except (pyrage.DecryptError, OSError) as error:
        if (own := reader.error or writer.error) is not None:
            raise own from None
        raise BundleRefused(
            what=f"it cannot be decrypted ({error})",
            which=f"at about byte {reader.read_bytes}",
            remedy="use the identity that it was made for; if it is that, get the bundle again",
        ) from None


class _PieceReader:
    """Pieces of any size as a file to be read; keeps what they raise."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.error: BaseException | None = None
        self._pieces = pieces
        self._left = memoryview(b"")

    def read(self, size_bytes: int = -1, /) -> bytes:
        try:
            while not self._left:
                piece = next(self._pieces, None)
                if piece is None:
                    return b""
                self._left = memoryview(piece)
        except BaseException as error:
            self.error = error
            raise
        taken = self._left if size_bytes < 0 else self._left[:size_bytes]
        self._left = self._left[len(taken) :]
        return bytes(taken)


class _KeptReadError:
    def __init__(self, source: Readable) -> None:
        self.error: BaseException | None = None
        self.read_bytes = 0
        self._source = source

    def read(self, size_bytes: int = -1, /) -> bytes:
        try:
            content = self._source.read(size_bytes)
        except BaseException as error:
            self.error = error
            raise
        self.read_bytes += len(content)
        return content


class _KeptError:
    def __init__(self, sink: Writable) -> None:
        self.error: BaseException | None = None
        self._sink = sink

    def write(self, content: bytes, /) -> int:
        try:
            self._sink.write(content)
        except BaseException as error:
            self.error = error
            raise
        return len(content)

    def flush(self) -> None:
        """The library asks for it; whoever owns the sink syncs it."""


def _recipient(text: str) -> pyrage.x25519.Recipient:
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise KeyRefused(
            what="this is not a public key of age",
            which=repr(text[:80]),
            remedy="give the line that begins with age1, as age-keygen shows it",
        ) from None


def _no_identity() -> KeyRefused:
    return KeyRefused(
        what="there is no secret key of age in it",
        which="the identity file",
        remedy=f"give a file as age-keygen writes it, with lines {_SECRET_BEGINS}...",
    )
