"""Verifier keys of C2SP signed-note: how an Ed25519 key of any type is named and handed on.

`<name>+<key id, hexadecimal>+<base64 of type and key>`; the id is
SHA-256(name, newline, type, key)[:4], so that one key used for two things has two ids. Pure.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec

KEY_ID_BYTES = 4

_ED25519_KEY_BYTES = 32


class VerifierKey(msgspec.Struct, frozen=True):
    """Name, signature type (one byte) and Ed25519 public key (32 bytes)."""

    name: str
    signature_type: bytes
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """As signature lines have it."""
        named = self.name.encode("utf-8") + b"\n" + self.signature_type + self.public_key
        return hashlib.sha256(named).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        """As it is handed on."""
        typed = base64.b64encode(self.signature_type + self.public_key).decode("ascii")
        return f"{self.name}+{self.key_id.hex()}+{typed}"


def parse_verifier_key(written: str, signature_type: bytes) -> VerifierKey | None:
    """Read one of this type; None when it is not one, or its id is not its key's."""
    name, _, rest = written.partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        typed = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    key = VerifierKey(name, typed[:1], typed[1:])
    is_one = (
        key.signature_type == signature_type
        and len(key.public_key) == _ED25519_KEY_BYTES
        and is_key_name(name)
        and key_id == key.key_id.hex()
    )
    return key if is_one else None


def is_key_name(name: str) -> bool:
    """Whether a key may be called so."""
    return bool(name) and "+" not in name and not any(sign.isspace() for sign in name)
