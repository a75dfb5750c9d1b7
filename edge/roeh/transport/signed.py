"""Signed statements on the way down and back: acknowledgements, commands, answers.

A statement is a C2SP signed note (c2sp.org/signed-note), as checkpoints are, of three lines:

    roeh-ack/v1
    harbour/pole-17
    {"acks": [...]}

What it is stands in its first line and for whom in its second, so that a signature for one
never passes for another. The desk signs with Ed25519 (type 0x01), a node with its P-256 log
key (type 0x02). Pure: no file is read, no time asked for.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

from roeh.core.errors import EvidenceRefused, KeyRefused, MessageRefused
from roeh.ledger.checkpoints import LogSigner
from roeh.ledger.note import (
    NoteSignature,
    SignatureState,
    log_signature_state,
    parse_note,
    sign_note,
    signature_line,
)
from roeh.ledger.verifier_keys import VerifierKey, parse_verifier_key

_ED25519_TYPE = b"\x01"
_TEXT_LINES = 3


class StatementKind(enum.Enum):
    """What a statement is: its first line."""

    ACK = "roeh-ack/v1"
    COMMAND = "roeh-cmd/v1"
    ANSWER = "roeh-rsp/v1"
    ALARM = "roeh-witness-alarm/v1"


class DeskKey(msgspec.Struct, frozen=True):
    """Name and Ed25519 public key (32 bytes) of whoever signs statements."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """signed-note, type 0x01."""
        return VerifierKey(self.name, _ED25519_TYPE, self.public_key).key_id

    @property
    def verifier_key(self) -> str:
        """`<name>+<key id, hexadecimal>+<base64 of type and key>`, as it is handed on."""
        return str(VerifierKey(self.name, _ED25519_TYPE, self.public_key))


class Statement(msgspec.Struct, frozen=True):
    """A statement whose signature was verified. `body` is its JSON."""

    signer: str
    body: bytes


def parse_desk_key(verifier_key: str) -> DeskKey:
    """Read a verifier key of type 0x01.

    Raises:
        KeyRefused: it is not one, or its id is not its key's.
    """
    key = parse_verifier_key(verifier_key, _ED25519_TYPE)
    if key is None:
        raise KeyRefused(
            what="not the key of a control room",
            which=verifier_key[:200],
            remedy="give <name>+<key id>+<base64>, as roeh desk keys shows it",
        )
    return DeskKey(key.name, key.public_key)


def sign_statement(
    kind: StatementKind,
    addressee: str,
    body: bytes,
    *,
    name: str,
    key: ed25519.Ed25519PrivateKey,
) -> bytes:
    """A statement signed by the desk.

    Args:
        kind: what it is.
        addressee: "site/node" that it is for, or from.
        body: JSON on one line.
        name: of the key.
        key: the desk's.
    """
    text = _text(kind, addressee, body)
    public_key = key.public_key().public_bytes_raw()
    signature = NoteSignature(
        name, DeskKey(name, public_key).key_id, key.sign(text.encode("utf-8"))
    )
    return f"{text}\n{signature_line(signature)}".encode()


def sign_answer(addressee: str, body: bytes, signer: LogSigner) -> bytes:
    """An answer signed by a node's log key; its name is the ledger's, `roeh/<site>/<node>`."""
    text = _text(StatementKind.ANSWER, addressee, body)
    name = f"roeh/{addressee}"
    return sign_note(text, name=name, spki_der=signer.spki_der, sign=signer.sign).encode()


def open_statement(
    raw: bytes, kind: StatementKind, addressee: str, keys: Sequence[DeskKey]
) -> Statement:
    """Verify a statement: of this kind, for this addressee, signed by one of these keys.

    Raises:
        MessageRefused: anything else; nothing of it is to be believed.
    """
    text, signatures = _taken_apart(raw, kind, addressee)
    for key in keys:
        for signature in signatures:
            if (signature.name, signature.key_id) == (key.name, key.key_id):
                _verify(key, signature.signature, text, addressee)
                return Statement(key.name, _body(text))
    raise _refused("signed by no key that is known here", addressee)


def open_answer(raw: bytes, addressee: str, spki_der: bytes) -> Statement:
    """Verify a node's answer with its log key.

    Raises:
        MessageRefused: it is not one.
    """
    text, _ = _taken_apart(raw, StatementKind.ANSWER, addressee)
    name = f"roeh/{addressee}"
    note = parse_note(raw.decode("utf-8"))
    if log_signature_state(note, name=name, spki_der=spki_der) is not SignatureState.VALID:
        raise _refused("not signed by the node's log key", addressee)
    return Statement(name, _body(text))


def _text(kind: StatementKind, addressee: str, body: bytes) -> str:
    text = f"{kind.value}\n{addressee}\n{body.decode('utf-8')}\n"
    if text.count("\n") != _TEXT_LINES:
        raise ValueError("a statement's body is one line")
    return text


def _body(text: str) -> bytes:
    return text.split("\n")[2].encode("utf-8")


def _taken_apart(
    raw: bytes, kind: StatementKind, addressee: str
) -> tuple[str, tuple[NoteSignature, ...]]:
    try:
        note = parse_note(raw.decode("utf-8"))
    except (EvidenceRefused, UnicodeDecodeError):
        raise _refused("not a signed note", addressee) from None
    lines = note.text.removesuffix("\n").split("\n")
    if len(lines) != _TEXT_LINES or lines[:2] != [kind.value, addressee]:
        raise _refused(f"not a {kind.value} for {addressee}", addressee)
    return note.text, note.signatures


def _verify(key: DeskKey, signature: bytes, text: str, addressee: str) -> None:
    public_key = ed25519.Ed25519PublicKey.from_public_bytes(key.public_key)
    try:
        public_key.verify(signature, text.encode("utf-8"))
    except InvalidSignature:
        raise _refused(f"the signature of {key.name} is wrong", addressee) from None


def _refused(what: str, addressee: str) -> MessageRefused:
    return MessageRefused(
        what=what,
        which=f"a signed statement for {addressee}",
        remedy="check who may publish there, and desk.keys_file",
    )
