"""Reading what comes signed from outside: bounded, canonical, of one type. Without IO."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from cryptography import x509

from roeh.access.refusals import refused
from roeh.core.errors import KeyRefused, MessageRefused
from roeh.keys.chain import trust_anchors
from roeh.keys.cms import SignedContent, read_signed
from roeh.ledger.canonical import canonical_struct

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


def read_object(signed: bytes, word: str) -> SignedContent:
    """A signed object with its content inside; refused with `word`."""
    try:
        return read_signed(signed)
    except KeyRefused as error:
        raise refused(word, error.what) from error


def canonical_content(content: bytes, kind: type[_Struct], word: str) -> _Struct:
    """What canonical JSON says; refused with `word`.

    Only the one way to write it (RFC 8785) is taken, so that nobody reads it differently: no
    name twice, nothing that is not understood.
    """
    try:
        read = msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise refused(word, str(error)[:300]) from error
    if canonical_bytes(read, word) != content:
        raise refused(word, "not written as canonical JSON (RFC 8785), or more than is understood")
    return read


def canonical_bytes(struct: msgspec.Struct, word: str) -> bytes:
    """The one way to write it; refused with `word` where there is none."""
    try:
        return canonical_struct(struct)
    except MessageRefused as error:
        raise refused(word, error.what) from error


def one_authority(pem: bytes) -> x509.Certificate:
    """The one CA of a PEM file.

    Raises:
        KeyRefused: none, more, or no CA.
    """
    certificates = trust_anchors(pem).certificates
    if len(certificates) != 1:
        raise KeyRefused(
            what=f"{len(certificates)} certificates where one CA's is wanted",
            which="a CA's certificate",
            remedy="name ca.pem of one CA",
        )
    return certificates[0]
