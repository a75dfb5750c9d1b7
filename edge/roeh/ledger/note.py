"""Checkpoints of the ledger: C2SP tlog-checkpoint in a signed note, and cosignatures on it.

Specifications: c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature.
The node's line has signature type 0x02: ECDSA over SHA-256 of the note's text, in DER, by a
P-256 key (which TPMs hold; none holds Ed25519). Its key id is, other than that of all later
types, SHA-256(SubjectPublicKeyInfo in DER)[:4], without the key's name. A witness's line has
type 0x04, cosignature/v1: Ed25519 over the text and the time at which it was seen.

Pure: no file is read, no time asked for.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import re
from collections.abc import Callable, Sequence

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from roeh.core.errors import EvidenceRefused, KeyRefused
from roeh.ledger.merkle import HASH_BYTES
from roeh.ledger.verifier_keys import (
    KEY_ID_BYTES,
    VerifierKey,
    is_key_name,
    parse_verifier_key,
)

#: What is refused before it is looked at; a note with 16 signatures of any type is smaller.
MAX_NOTE_BYTES = 256 * 1024
MAX_SIGNATURES = 100

_COSIGNATURE_TYPE = b"\x04"
_TIMESTAMP_BYTES = 8
_COSIGNATURE_BYTES = _TIMESTAMP_BYTES + 64
_MAX_TIMESTAMP_S = 2**63 - 1

_LINE_BEGINS = "— "
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class NoteSignature(msgspec.Struct, frozen=True):
    """One signature line. Name and key id together name the key and its type."""

    name: str
    key_id: bytes
    signature: bytes


class Note(msgspec.Struct, frozen=True):
    """A signed note. `text` is what is signed, its last newline included."""

    text: str
    signatures: tuple[NoteSignature, ...]


class Checkpoint(msgspec.Struct, frozen=True):
    """The text of a checkpoint: the ledger's name, and its tree at one size."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


class SignatureState(enum.Enum):
    """What the lines of one key say about a note."""

    VALID = "valid"
    WRONG = "wrong"
    ABSENT = "absent"


class WitnessKey(msgspec.Struct, frozen=True):
    """A witness's name and Ed25519 public key (32 bytes)."""

    name: str
    public_key: bytes


class Cosignature(msgspec.Struct, frozen=True):
    """What one witness says. `t_utc_s`: when it had seen this tree; None unless valid."""

    witness: str
    state: SignatureState
    t_utc_s: int | None


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """The note text of a checkpoint."""
    root = base64.b64encode(checkpoint.root).decode("ascii")
    lines = (checkpoint.origin, str(checkpoint.size), root, *checkpoint.extensions)
    return "".join(f"{line}\n" for line in lines)


def sign_note(text: str, *, name: str, spki_der: bytes, sign: Callable[[bytes], bytes]) -> str:
    """The text with the signature line of a P-256 key.

    Args:
        text: ends with a newline.
        name: of the key; a checkpoint's is its origin.
        spki_der: its public key, SubjectPublicKeyInfo in DER.
        sign: gives the DER of an ECDSA signature with SHA-256 over a message.

    Raises:
        EvidenceRefused: text or name cannot stand in a note.
    """
    signature = NoteSignature(name, ecdsa_key_id(spki_der), sign(text.encode("utf-8")))
    written = f"{text}\n{signature_line(signature)}"
    if parse_note(written) != Note(text, (signature,)):
        raise _malformed("the text or the key's name cannot stand in one")
    return written


def signature_line(signature: NoteSignature) -> str:
    """The line of a signature, its newline included."""
    encoded = base64.b64encode(signature.key_id + signature.signature).decode("ascii")
    return f"{_LINE_BEGINS}{signature.name} {encoded}\n"


def add_signature_line(written: str, line: str) -> str:
    """A note with one more signature line, such as a witness's; the same one is there once.

    Raises:
        EvidenceRefused: the note or the line is malformed.
    """
    line = line if line.endswith("\n") else f"{line}\n"
    note = parse_note(written)
    if _parse_line(line.removesuffix("\n")) in note.signatures:
        return written
    parse_note(written + line)
    return written + line


def parse_note(written: str) -> Note:
    """Take a signed note apart; nothing of it is verified.

    Raises:
        EvidenceRefused: it is not one.
    """
    try:
        size_bytes = len(written.encode("utf-8"))
    except UnicodeEncodeError:
        raise _malformed("it is not Unicode") from None
    if size_bytes > MAX_NOTE_BYTES:
        raise _malformed(f"it takes more than {MAX_NOTE_BYTES} bytes")
    if _CONTROL.search(written):
        raise _malformed("it has a control character")
    text, blank, lines = written.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise _malformed("it has no signature lines behind an empty line")
    each = lines.removesuffix("\n").split("\n")
    if len(each) > MAX_SIGNATURES:
        raise _malformed(f"it has more than {MAX_SIGNATURES} signatures")
    return Note(f"{text}\n", tuple(_parse_line(line) for line in each))


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a note's text as a checkpoint.

    Raises:
        EvidenceRefused: it is not one.
    """
    lines = text.removesuffix("\n").split("\n")
    if not text.endswith("\n") or len(lines) < 3 or not all(lines):
        raise _malformed("its text is not a checkpoint's")
    origin, size, root, *extensions = lines
    decoded = _decoded(root)
    # One way to write it only: base64 ignores the bits it has no use for.
    if len(decoded) != HASH_BYTES or base64.b64encode(decoded).decode("ascii") != root:
        raise _malformed("the third line of its text is not a root hash")
    if not _SIZE.fullmatch(size):
        raise _malformed("the second line of its text is not a tree size")
    return Checkpoint(origin, int(size), decoded, tuple(extensions))


def ecdsa_key_id(spki_der: bytes) -> bytes:
    """Key id of an ECDSA key (signed-note, type 0x02)."""
    return hashlib.sha256(spki_der).digest()[:KEY_ID_BYTES]


def witness_key_id(witness: WitnessKey) -> bytes:
    """Key id of a witness (tlog-cosignature, type 0x04)."""
    return VerifierKey(witness.name, _COSIGNATURE_TYPE, witness.public_key).key_id


def parse_witness_key(verifier_key: str) -> WitnessKey:
    """Read `<name>+<key id, hexadecimal>+<base64 of type and key>`, as witnesses publish it.

    Raises:
        KeyRefused: it is not one of type 0x04, or its id is not its key's.
    """
    key = parse_verifier_key(verifier_key, _COSIGNATURE_TYPE)
    if key is None:
        raise KeyRefused(
            what="not the key of a witness",
            which=verifier_key,
            remedy="give <name>+<key id>+<base64>, a cosignature/v1 key as the witness shows it",
        )
    return WitnessKey(key.name, key.public_key)


def witness_verifier_key(witness: WitnessKey) -> str:
    """`<name>+<key id, hexadecimal>+<base64 of type and key>`, as witnesses publish it."""
    return str(VerifierKey(witness.name, _COSIGNATURE_TYPE, witness.public_key))


def cosignature_line(text: str, t_utc_s: int, *, name: str, key: ed25519.Ed25519PrivateKey) -> str:
    """The line with which a witness says when it had seen the tree of a checkpoint.

    Args:
        text: of the checkpoint's note.
        t_utc_s: when, in seconds since 1970; the same time gives the same line.
        name: of the witness.
        key: its key for cosignatures, and for nothing else.
    """
    witness = WitnessKey(name, key.public_key().public_bytes_raw())
    signed = t_utc_s.to_bytes(_TIMESTAMP_BYTES, "big") + key.sign(cosigned_message(text, t_utc_s))
    return signature_line(NoteSignature(name, witness_key_id(witness), signed))


def log_signature_state(note: Note, *, name: str, spki_der: bytes) -> SignatureState:
    """What the lines of this P-256 key say; one wrong line is enough for WRONG.

    Raises:
        KeyRefused: the public key is not one on P-256.
    """
    key = _p256_key(spki_der)
    signatures = _lines_of(note, name, ecdsa_key_id(spki_der))
    if not signatures:
        return SignatureState.ABSENT
    text = note.text.encode("utf-8")
    try:
        for signature in signatures:
            key.verify(signature, text, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return SignatureState.WRONG
    return SignatureState.VALID


def cosignatures(note: Note, witnesses: Sequence[WitnessKey]) -> tuple[Cosignature, ...]:
    """What each of these witnesses says about the note, which is a checkpoint."""
    return tuple(_cosignature(note, witness) for witness in witnesses)


def cosigned_message(text: str, t_utc_s: int) -> bytes:
    """What a cosignature/v1 signs."""
    return f"cosignature/v1\ntime {t_utc_s}\n{text}".encode()


def _cosignature(note: Note, witness: WitnessKey) -> Cosignature:
    lines = _lines_of(note, witness.name, witness_key_id(witness))
    if not lines:
        return Cosignature(witness.name, SignatureState.ABSENT, None)
    times = [_time_signed(note.text, line, witness) for line in lines]
    valid = [t_utc_s for t_utc_s in times if t_utc_s is not None]
    if len(valid) != len(times):
        return Cosignature(witness.name, SignatureState.WRONG, None)
    # Several are several times at which it saw this tree: the earliest anchors it.
    return Cosignature(witness.name, SignatureState.VALID, min(valid))


def _time_signed(text: str, line: bytes, witness: WitnessKey) -> int | None:
    """When the witness says that it saw the text; None when it does not say so."""
    t_utc_s = int.from_bytes(line[:_TIMESTAMP_BYTES], "big")
    if len(line) != _COSIGNATURE_BYTES or t_utc_s > _MAX_TIMESTAMP_S:
        return None
    key = ed25519.Ed25519PublicKey.from_public_bytes(witness.public_key)
    try:
        key.verify(line[_TIMESTAMP_BYTES:], cosigned_message(text, t_utc_s))
    except InvalidSignature:
        return None
    return t_utc_s


def _lines_of(note: Note, name: str, key_id: bytes) -> list[bytes]:
    return [
        signature.signature
        for signature in note.signatures
        if signature.name == name and signature.key_id == key_id
    ]


def _parse_line(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix(_LINE_BEGINS).rpartition(" ")
    decoded = _decoded(encoded)
    if not line.startswith(_LINE_BEGINS) or not is_key_name(name) or len(decoded) <= KEY_ID_BYTES:
        raise _malformed("a line behind its empty line is not a signature")
    return NoteSignature(name, decoded[:KEY_ID_BYTES], decoded[KEY_ID_BYTES:])


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise _malformed("a line of it is not base64") from None


def _p256_key(spki_der: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_der_public_key(spki_der)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyRefused(
            what="the log's key is not a P-256 public key",
            which=f"key id {ecdsa_key_id(spki_der).hex()}",
            remedy="give the key of the certificate for the log",
        )
    return key


def _malformed(why: str) -> EvidenceRefused:
    return EvidenceRefused(
        what=f"not a checkpoint in a signed note ({why})",
        which="ledger checkpoint",
        remedy="take the one that the pole sent or keeps in ledger/checkpoint",
    )
