"""Opening what is encrypted with age (age-encryption.org/v1), and where it is not authentic.

age authenticates each 64 KiB as it decrypts, so what comes out is what went in, up to the
first byte that is not: that place is the finding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO

import msgspec

from roeh.core.errors import BundleRefused, RuntimeMissing

MAGIC = b"age-encryption.org/v1\n"

#: What the library says when the head is whole and none of the keys opens it.
_NO_KEY = "No matching keys"


#: Of a head: some 100 bytes a key.
_MAX_HEAD_BYTES = 1 << 20
#: What a library adds so that nobody relies on there being none; it opens nothing.
_GREASE = b"-grease"


class AgeDamage(msgspec.Struct, frozen=True):
    """Where it is not authentic any more: byte of the content; None: in its head."""

    why: str
    content_offset_bytes: int | None


def decrypt(
    source: BinaryIO,
    sink: BinaryIO,
    identities: Sequence[str],
    which: str,
    on_read: Callable[[int], None] = lambda _bytes: None,
) -> AgeDamage | None:
    """Decrypt with memory of some chunks; None when all of it is authentic.

    Args:
        source: at its first byte.
        sink: takes what is authentic.
        identities: texts of key files, as age-keygen writes them.
        which: the file, for errors.
        on_read: told how many bytes came out.

    Raises:
        RuntimeMissing: the library of age is not installed.
        KeyRefused: a key file that is none.
        BundleRefused: it is for none of these keys, or it cannot be read or written.
    """
    try:
        # Only who opens an encrypted bundle needs the library behind it.
        from roeh.bundle import encryption  # noqa: PLC0415
    except ImportError as error:
        raise RuntimeMissing(
            what=f"{error.name} is not installed, and the bundle is encrypted",
            which=which,
            remedy="pip install 'roeh[verify]'; or decrypt it with `age -d` and verify the zip",
        ) from error
    keys = [key for text in identities for key in encryption.parse_identities(text)]
    counted = _Counted(sink, on_read)
    try:
        encryption.decrypt(source, counted, keys)
    except OSError as error:
        raise BundleRefused(
            what=f"cannot be decrypted ({error.strerror or error})",
            which=which,
            remedy="make room for the whole bundle where temporary files go (TMPDIR), or"
            " decrypt it with `age -d`",
        ) from error
    except BundleRefused as error:
        if _NO_KEY in error.what:
            raise BundleRefused(
                what="encrypted for none of the keys given, or its head was changed",
                which=which,
                remedy="give the recipient's key file with --identity",
            ) from error
        return AgeDamage(error.what, counted.size_bytes if counted.was_called else None)
    return None


def count_keys(source: BinaryIO) -> int:
    """How many keys a head that was found authentic says that it is for.

    Which they are it does not say. Args: source: at its first byte.
    """
    head = source.read(_MAX_HEAD_BYTES).partition(b"\n---")[0]
    stanzas = [line.split(b" ") for line in head.split(b"\n") if line.startswith(b"-> ")]
    return sum(not stanza[1].endswith(_GREASE) for stanza in stanzas)


class _Counted:
    """Counts what was authentic."""

    def __init__(self, sink: BinaryIO, on_read: Callable[[int], None]) -> None:
        self._sink = sink
        self._on_read = on_read
        self.size_bytes = 0
        self.was_called = False

    def write(self, content: bytes) -> int:
        self.was_called = True
        self._sink.write(content)
        self.size_bytes += len(content)
        self._on_read(self.size_bytes)
        return len(content)
