"""Who sits at the client: a certificate, and a key in a file or on a card."""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from roeh.access.people import person_in
from roeh.core.errors import KeyRefused, one_line
from roeh.core.retrieval import Person
from roeh.keys.certificates import certificate_pem
from roeh.keys.key_pem import PKCS8_LABEL, UNPARSABLE, certificates_in, is_p256, pem_blocks
from roeh.keys.persons import open_person_key
from roeh.keys.safe_files import read_public
from roeh.police.card import card_key


class Card(msgspec.Struct, frozen=True):
    """Where a key is that never leaves its card: PKCS#11 module, token's and key's labels."""

    module: Path
    token: str
    label: str


class SigningPerson(msgspec.Struct, frozen=True):
    """Somebody who can sign.

    Attributes:
        person: as their certificate says.
        chain_pem: their certificate, then its CA's.
        sign: ECDSA P-256 over SHA-256 of its argument, as DER.
    """

    person: Person
    chain_pem: bytes
    sign: Callable[[bytes], bytes]


def key_passphrase(key: Path, file: Path | None) -> bytes:
    """The passphrase of a key file, asked for when it needs one; empty: it is plain.

    Raises:
        KeyRefused: it is needed and nobody can be asked, or the file is no key or not safe.
    """
    if any(label == PKCS8_LABEL for label, _ in pem_blocks(read_public(key))):
        return b""
    return _secret(f"Passphrase for {key}: ", file, "--passphrase-file")


def card_pin(card: Card, file: Path | None) -> str:
    """The card's PIN, from a file's first line or the terminal.

    Raises:
        KeyRefused: there is neither, or it is not text.
    """
    try:
        return _secret(f"PIN for {card.token}: ", file, "--pin-file").decode()
    except UnicodeDecodeError:
        raise KeyRefused(what="not text", which="the PIN", remedy="type it again") from None


def file_person(certificate: Path, key: Path, passphrase: bytes) -> SigningPerson:
    """A person with a key file.

    Raises:
        KeyRefused: a file cannot be read, the passphrase is wrong, the key is of another
            curve, or not the certificate's.
        AccessRefused: it is no person's certificate.
    """
    key_of = open_person_key(key, certificate, lambda _path: passphrase)
    leaf = certificates_in(key_of.chain_pem)[0]
    return SigningPerson(person=person_in(leaf), chain_pem=key_of.chain_pem, sign=key_of.sign)


@contextlib.contextmanager
def card_person(card: Card, pin: str, certificate: Path | None) -> Iterator[SigningPerson]:
    """A person with a card, while it is open.

    Args:
        card: where the key is.
        pin: the card's.
        certificate: the person's with its CA's; None: the card holds both.

    Raises:
        KeyRefused: the card refuses, or there is no certificate of its key.
        AccessRefused: it is no person's certificate.
    """
    with card_key(card.module, card.token, card.label, pin) as key:
        chain = list(key.chain) if certificate is None else read_chain(certificate)
        if len(chain) < 2:
            raise KeyRefused(
                what="no certificate of that label with its CA's",
                which=f"{card.label} on {card.token}",
                remedy="name a file with both: --card-cert FILE",
            )
        _check_card(key.sign, chain[0], f"{card.label} on {card.token}")
        yield SigningPerson(
            person=person_in(chain[0]), chain_pem=certificate_pem(*chain), sign=key.sign
        )


def read_chain(path: Path) -> list[x509.Certificate]:
    """A person's certificate, then its CA's.

    Raises:
        KeyRefused: the file cannot be read, or holds none.
    """
    try:
        chain = certificates_in(read_public(path))
    except UNPARSABLE:
        chain = []
    if not chain:
        raise KeyRefused(
            what="no certificate in it",
            which=str(path),
            remedy="name the person's certificate with its CA's, PEM",
        )
    return chain


def _check_card(sign: Callable[[bytes], bytes], leaf: x509.Certificate, which: str) -> None:
    """Refuse a card whose key is not the certificate's, before anything is agreed to."""
    public_key = leaf.public_key()
    if not is_p256(public_key):
        raise _not_together(which)
    message = os.urandom(32)
    try:
        public_key.verify(sign(message), message, ec.ECDSA(hashes.SHA256()))
    except Exception as error:
        if isinstance(error, KeyRefused):
            raise
        raise _not_together(which) from error


def _secret(question: str, file: Path | None, option: str) -> bytes:
    if file is not None:
        lines = read_public(file).splitlines()
        return lines[0] if lines else b""
    if not sys.stdin.isatty():
        raise KeyRefused(
            what="needed, and there is no terminal to ask for it",
            which=one_line(question.strip(": ")),
            remedy=f"give it in a file: {option}",
        )
    return getpass.getpass(question).encode()


def _not_together(which: str) -> KeyRefused:
    return KeyRefused(
        what="key and certificate do not belong together, or are not ECDSA P-256",
        which=which,
        remedy="name the key that the certificate was made for",
    )
