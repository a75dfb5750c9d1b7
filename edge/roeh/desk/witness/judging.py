"""What a checkpoint is, beside the trees that were seen before. Pure.

Who judges has verified that the ledger's key signed the checkpoint: whatever is found here,
the holder of that key has said it.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec

from roeh.ledger.merkle import is_consistent
from roeh.ledger.note import parse_checkpoint, parse_note


class Tree(msgspec.Struct, frozen=True):
    """A tree that the ledger's key signed: how many records, and its root."""

    size: int
    root: bytes


class Proof(msgspec.Struct, frozen=True):
    """What came to show that a tree continues that of `from_size` records."""

    from_size: int
    hashes: tuple[bytes, ...]


class Finding(enum.Enum):
    """What a signed checkpoint is to a witness."""

    FIRST = "nothing was seen of this ledger before"
    CONTINUES = "it continues the tree that was seen last"
    SAME = "it is the tree that was seen last"
    OTHER_PROOF = "it is larger, and nothing that came with it reaches the tree seen last"
    OLD_NEWS = "it is a tree that was seen before the last one"
    TWO_ROOTS = "two trees of one size with two roots are signed"
    NOT_CONTINUED = "it is larger and its proof does not lead from the tree seen last"
    SHRUNK = "it is smaller than the tree seen last, and was not seen before"


#: What no honest ledger ever shows: there are two histories, or one was cut.
CONTRADICTIONS = frozenset({Finding.TWO_ROOTS, Finding.NOT_CONTINUED, Finding.SHRUNK})


class Judgement(msgspec.Struct, frozen=True):
    """A finding, and the tree that it is against where there is one."""

    finding: Finding
    against: Tree | None = None


def judge(claimed: Tree, proof: Proof, *, last: Tree | None, signed: Sequence[Tree]) -> Judgement:
    """Judge a checkpoint that was sent to be cosigned.

    Args:
        claimed: the tree that the ledger's key signed.
        proof: what came with it; itself signed by nobody.
        last: the tree that was seen last.
        signed: trees that the ledger's key signed, as far as they were seen: those of the
            claimed size, and perhaps others.
    """
    other = _contradicting(claimed, signed if last is None else (*signed, last))
    if other is not None:
        return Judgement(Finding.TWO_ROOTS, other)
    if last is None:
        return Judgement(Finding.FIRST)
    if claimed.size > last.size:
        return Judgement(_of_larger(claimed, proof, last), last)
    if claimed.size == last.size:
        return Judgement(Finding.SAME, last)
    return Judgement(Finding.OLD_NEWS if claimed in signed else Finding.SHRUNK, last)


def judge_riding(claimed: Tree, signed: Sequence[Tree]) -> Tree | None:
    """The tree that a checkpoint in a heartbeat or an alert contradicts, if it does.

    Those come without a proof, and an alert's may be as old as the alert: only another root
    of the same size says anything.
    """
    return _contradicting(claimed, signed)


def tree_of(written: str) -> Tree:
    """The tree of a checkpoint's note.

    Raises:
        EvidenceRefused: it is not one.
    """
    checkpoint = parse_checkpoint(parse_note(written).text)
    return Tree(checkpoint.size, checkpoint.root)


def _contradicting(claimed: Tree, signed: Sequence[Tree]) -> Tree | None:
    return next(
        (tree for tree in signed if tree.size == claimed.size and tree.root != claimed.root),
        None,
    )


def _of_larger(claimed: Tree, proof: Proof, last: Tree) -> Finding:
    if proof.from_size != last.size:
        return Finding.OTHER_PROOF
    if is_consistent(last.size, last.root, claimed.size, claimed.root, proof.hashes):
        return Finding.CONTINUES
    return Finding.NOT_CONTINUED
