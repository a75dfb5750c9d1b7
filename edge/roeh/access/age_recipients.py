"""Public keys of age, as a person pastes them: Bech32 (BIP 173) with its checksum. Without IO.

A key that was mistyped would encrypt a bundle for nobody.
"""

from __future__ import annotations

_PREFIX = "age"
_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_CHARS = 6
_KEY_BYTES = 32
#: 256 bits in groups of 5, the last filled up with zeros.
_KEY_CHARS = 52
_FILL_BITS = _KEY_CHARS * 5 - _KEY_BYTES * 8


def is_age_recipient(text: str) -> bool:
    """Whether a text is the public key of an X25519 identity of age, typed without a mistake."""
    head, _, tail = text.partition("1")
    if head != _PREFIX or len(tail) != _KEY_CHARS + _CHECKSUM_CHARS:
        return False
    if any(character not in _ALPHABET for character in tail):
        return False
    values = [_ALPHABET.index(character) for character in tail]
    expanded = [ord(c) >> 5 for c in head] + [0] + [ord(c) & 31 for c in head]
    fill = values[_KEY_CHARS - 1] & ((1 << _FILL_BITS) - 1)
    return _polymod(expanded + values) == 1 and fill == 0


def _polymod(values: list[int]) -> int:
    """The checksum's remainder; 1 when it is right."""
    remainder = 1
    for value in values:
        top = remainder >> 25
        remainder = (remainder & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate(_GENERATOR):
            if top >> bit & 1:
                remainder ^= term
    return remainder
