"""What a pole claims: a checkpoint and its proof, taken apart, and who signed it. Pure."""

from __future__ import annotations

import base64
import binascii

import msgspec

from roeh.core.errors import EvidenceRefused
from roeh.desk.witness.judging import Proof, Tree
from roeh.keys.signer import NodeName
from roeh.ledger.note import (
    Note,
    SignatureState,
    ecdsa_key_id,
    log_signature_state,
    parse_checkpoint,
    parse_note,
    signature_line,
)

NO_PROOF = Proof(0, ())


class Claim(msgspec.Struct, frozen=True):
    """A checkpoint of a ledger; nothing of it is verified yet."""

    name: NodeName
    note: Note
    tree: Tree
    proof: Proof = NO_PROOF

    def is_signed_by(self, spki_der: bytes) -> bool:
        """Whether this P-256 key signed it."""
        state = log_signature_state(self.note, name=f"roeh/{self.name}", spki_der=spki_der)
        return state is SignatureState.VALID

    def note_by(self, spki_der: bytes) -> str:
        """The note with the line of this key alone, which signed it."""
        wanted = (f"roeh/{self.name}", ecdsa_key_id(spki_der))
        line = next(s for s in self.note.signatures if (s.name, s.key_id) == wanted)
        return f"{self.note.text}\n{signature_line(line)}"


def parse_claim(
    name: NodeName, written: str, from_size: int = 0, hashes: tuple[str, ...] = ()
) -> Claim:
    """A claim out of a message's fields.

    Args:
        name: of the node on whose topic it came.
        written: the checkpoint, a signed note.
        from_size: of the tree that the proof begins at.
        hashes: of the proof, base64.

    Raises:
        EvidenceRefused: it is not a checkpoint of this node's ledger, or not a proof.
    """
    note = parse_note(written)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != f"roeh/{name}":
        raise _refused("the checkpoint is of another ledger", checkpoint.origin)
    try:
        steps = tuple(base64.b64decode(step, validate=True) for step in hashes)
    except (binascii.Error, ValueError):
        raise _refused("its proof is not base64", checkpoint.origin) from None
    return Claim(name, note, Tree(checkpoint.size, checkpoint.root), Proof(from_size, steps))


def _refused(what: str, origin: str) -> EvidenceRefused:
    return EvidenceRefused(what=what, which=origin[:200], remedy="check who may publish there")
