"""Tokens of enrolment, and the authenticator that a pole puts beside its requests. Without IO.

A token is 160 random bits that the control room makes for one pole on one board. The pole
proves that it has it, and never shows it: beside its requests stands an HMAC-SHA256 (RFC
2104) over them, the pole's name and the board's serial number, under a key made from the
token. The control room keeps that key and not the token, until it is used.

    -----BEGIN CERTIFICATE REQUEST-----     one a usage
    -----BEGIN ROEH ENROLMENT-----          JSON: Enrolment
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from roeh.core.board_serial import SERIAL
from roeh.core.errors import KeyRefused, TokenRefused
from roeh.keys.key_pem import pem_blocks
from roeh.keys.requests import NAME, requests_in
from roeh.keys.signer import NodeName

ENROLMENT_LABEL = "ROEH ENROLMENT"

TOKEN_BYTES = 20
_GROUP = 4
_LINE = 64
_ID_DIGITS = 12
_MAC_DIGITS = 64


class Token:
    """What is printed once, and typed or copied at the pole."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def new(cls) -> Token:
        """A fresh one out of the system's randomness."""
        return cls(secrets.token_bytes(TOKEN_BYTES))

    @classmethod
    def parsed(cls, text: str, which: str) -> Token:
        """As a person or a file says it; capitals, spaces and hyphens make no difference.

        Args:
            text: the token.
            which: how its place is named in an error.

        Raises:
            TokenRefused: it is none.
        """
        letters = "".join(text.split()).replace("-", "").upper()
        try:
            secret = base64.b32decode(letters.encode("ascii"))
        except (UnicodeEncodeError, binascii.Error):
            secret = b""
        if len(secret) != TOKEN_BYTES:
            raise TokenRefused(
                what="no token of enrolment",
                which=which,
                remedy="copy all of it, as roeh keys token printed it",
            )
        return cls(secret)

    @property
    def text(self) -> str:
        """As it is printed: eight groups of four."""
        letters = base64.b32encode(self._secret).decode("ascii").lower()
        return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))

    @property
    def id(self) -> str:
        """By what it is named in lists; tells nothing of the token."""
        return self._derived(b"id").hex()[:_ID_DIGITS]

    @property
    def key(self) -> bytes:
        """What authenticates requests; the token cannot be told from it."""
        return self._derived(b"authenticator")

    def _derived(self, purpose: bytes) -> bytes:
        return hmac.digest(self._secret, b"roeh enrolment v1 " + purpose, hashlib.sha256)


class Enrolment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands beside a pole's requests.

    Attributes:
        token: the id of the token.
        serial: of the board, as it was read there.
        mac: the authenticator, hexadecimal.
    """

    token: str
    site: str
    node: str
    serial: str
    mac: str

    @property
    def name(self) -> NodeName:
        """The pole."""
        return NodeName(site=self.site, node=self.node)


class EnrolmentRequest(msgspec.Struct, frozen=True):
    """A file as `roeh keys request --token-file` writes it.

    Attributes:
        requests_pem: the requests alone.
        statement: the bytes that the authenticator is over.
    """

    enrolment: Enrolment
    requests_pem: bytes
    statement: bytes

    @property
    def digest(self) -> str:
        """Names this request and no other: SHA-256, hexadecimal."""
        return hashlib.sha256(self.statement).hexdigest()

    def is_authentic(self, key: bytes) -> bool:
        """Whether somebody with the token made it, in a time that tells nothing."""
        return hmac.compare_digest(_mac(key, self.statement), self.enrolment.mac)


def enrolment_request(token: Token, name: NodeName, serial: str, requests_pem: bytes) -> bytes:
    """A pole's requests and, after them, its proof that it has a token (PEM)."""
    statement = _statement(name, serial, requests_in(requests_pem))
    enrolment = Enrolment(
        token=token.id,
        site=name.site,
        node=name.node,
        serial=serial,
        mac=_mac(token.key, statement),
    )
    body = base64.b64encode(msgspec.json.encode(enrolment)).decode("ascii")
    lines = "\n".join(body[at : at + _LINE] for at in range(0, len(body), _LINE))
    block = f"-----BEGIN {ENROLMENT_LABEL}-----\n{lines}\n-----END {ENROLMENT_LABEL}-----\n"
    return requests_pem + block.encode("ascii")


def parse_enrolment_request(content: bytes) -> EnrolmentRequest:
    """A file of requests with its enrolment; the authenticator is not judged yet.

    Raises:
        KeyRefused: no request that can be read, or not one enrolment beside them.
    """
    requests = requests_in(content)
    blocks = [block for label, block in pem_blocks(content) if label == ENROLMENT_LABEL]
    enrolment = _parsed(blocks[0]) if len(blocks) == 1 else None
    if enrolment is None:
        raise KeyRefused(
            what="no enrolment beside them",
            which="the requests",
            remedy="make them with a token: roeh keys request --token-file FILE",
        )
    return EnrolmentRequest(
        enrolment=enrolment,
        requests_pem=b"".join(item.public_bytes(serialization.Encoding.PEM) for item in requests),
        statement=_statement(enrolment.name, enrolment.serial, requests),
    )


def _parsed(block: bytes) -> Enrolment | None:
    """An enrolment whose words can be names, serial numbers and digests; else None."""
    body = b"".join(block.splitlines()[1:-1])
    try:
        found = msgspec.json.decode(base64.b64decode(body, validate=True), type=Enrolment)
    except (binascii.Error, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    is_whole = (
        NAME.fullmatch(found.site)
        and NAME.fullmatch(found.node)
        and SERIAL.fullmatch(found.serial)
        and is_token_id(found.token)
        and _is_hexadecimal(found.mac, _MAC_DIGITS)
    )
    return found if is_whole else None


def is_token_id(text: str) -> bool:
    """Whether a text can be the id of a token, and so of its file."""
    return _is_hexadecimal(text, _ID_DIGITS)


def _is_hexadecimal(text: str, digits: int) -> bool:
    return len(text) == digits and not set(text) - set("0123456789abcdef")


def _statement(
    name: NodeName, serial: str, requests: list[x509.CertificateSigningRequest]
) -> bytes:
    """What is authenticated, a line each; no name and no serial number holds a line's end."""
    digests = [
        hashlib.sha256(item.public_bytes(serialization.Encoding.DER)).hexdigest()
        for item in requests
    ]
    lines = ["roeh enrolment v1", name.site, name.node, serial, *digests]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _mac(key: bytes, statement: bytes) -> str:
    return hmac.digest(key, statement, hashlib.sha256).hex()
