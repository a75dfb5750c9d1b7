"""The ledger's tree: RFC 6962 section 2.1 hashes and proofs, as functions over stored nodes.

A node (level, position) is the root over the leaves [position << level, (position + 1) <<
level); level 0 holds the leaf hashes. Only nodes over complete stretches are ever stored:
they never change, so a tree of any earlier size can be read from the same nodes. The tree
of n leaves splits at the largest power of two below n.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import msgspec

HASH_BYTES = 32
#: Root of the tree without leaves (RFC 6962 section 2.1).
EMPTY_ROOT = hashlib.sha256(b"").digest()

NodeReader = Callable[[int, int], bytes]
"""(level, position) -> hash of a node that is stored; raises KeyError when it is not."""


class TreeNode(msgspec.Struct, frozen=True):
    """A node over the complete stretch of leaves that `level` and `position` tell."""

    level: int
    position: int
    hash: bytes


def leaf_hash(record: bytes) -> bytes:
    """Hash of a leaf: SHA-256(0x00 || record)."""
    return hashlib.sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def nodes_completed_by(leaf: int, hash_of_leaf: bytes, read: NodeReader) -> list[TreeNode]:
    """What to store when leaf number `leaf` is appended: itself and each node it completes.

    Raises:
        KeyError: a node to its left is not stored.
    """
    node = TreeNode(0, leaf, hash_of_leaf)
    completed = [node]
    while node.position & 1:
        left = read(node.level, node.position - 1)
        node = TreeNode(node.level + 1, node.position >> 1, node_hash(left, node.hash))
        completed.append(node)
    return completed


def root(size: int, read: NodeReader) -> bytes:
    """Root of the tree of the first `size` leaves.

    Raises:
        KeyError: the tree is not stored to that size.
    """
    return _stretch(0, size, read) if size else EMPTY_ROOT


def inclusion_proof(leaf: int, size: int, read: NodeReader) -> tuple[bytes, ...]:
    """The hashes which lead from leaf `leaf` to the root of the tree of `size` leaves.

    RFC 6962 section 2.1.1, the lowest first.

    Raises:
        ValueError: there is no such leaf in it.
        KeyError: the tree is not stored to that size.
    """
    if not 0 <= leaf < size:
        raise ValueError(f"leaf {leaf} is not in a tree of {size} leaves")
    path: list[bytes] = []
    first, end = 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        if leaf < middle:
            path.append(_stretch(middle, end, read))
            end = middle
        else:
            path.append(_stretch(first, middle, read))
            first = middle
    return tuple(reversed(path))


def consistency_proof(old_size: int, new_size: int, read: NodeReader) -> tuple[bytes, ...]:
    """The hashes which show that the tree of `new_size` leaves begins with that of `old_size`.

    RFC 6962 section 2.1.2; empty when the sizes are equal or the old tree is.

    Raises:
        ValueError: the new tree is smaller.
        KeyError: the tree is not stored to that size.
    """
    if not 0 <= old_size <= new_size:
        raise ValueError(f"a tree of {new_size} leaves does not continue one of {old_size}")
    if old_size in (0, new_size):
        return ()
    path: list[bytes] = []
    first, end = 0, new_size
    while end != old_size:
        middle = first + _split(end - first)
        if old_size <= middle:
            path.append(_stretch(middle, end, read))
            end = middle
        else:
            path.append(_stretch(first, middle, read))
            first = middle
    # The reader knows the old root, so it is left out when it is one node (first == 0).
    if first:
        path.append(_stretch(first, end, read))
    return tuple(reversed(path))


def root_by_inclusion(
    leaf: int, size: int, hash_of_leaf: bytes, proof: Sequence[bytes]
) -> bytes | None:
    """The root which the proof leads to (RFC 9162 section 2.1.3.2); None: no such proof."""
    if not 0 <= leaf < size:
        return None
    found = hash_of_leaf
    position, last = leaf, size - 1
    for sibling in proof:
        if last == 0 or len(sibling) != HASH_BYTES:
            return None
        if position & 1 or position == last:
            found = node_hash(sibling, found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        position, last = position >> 1, last >> 1
    return found if last == 0 else None


def is_included(
    leaf: int, size: int, hash_of_leaf: bytes, proof: Sequence[bytes], root_hash: bytes
) -> bool:
    """Whether the proof shows that this leaf is in the tree with that root."""
    return root_by_inclusion(leaf, size, hash_of_leaf, proof) == root_hash


def is_consistent(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the proof shows that the new tree begins with the old one.

    RFC 9162 section 2.1.4.2. Every tree begins with the empty one.
    """
    if not 0 <= old_size <= new_size or any(len(step) != HASH_BYTES for step in proof):
        return False
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    if old_size == new_size:
        return not proof and old_root == new_root
    is_whole = old_size & (old_size - 1) == 0
    steps = [old_root, *proof] if is_whole else list(proof)
    return bool(steps) and _roots_by_consistency(old_size, new_size, steps) == (old_root, new_root)


def _split(leaves: int) -> int:
    """The largest power of two below `leaves`, which is 2 or more."""
    return 1 << (leaves - 1).bit_length() - 1


def _stretch(first: int, end: int, read: NodeReader) -> bytes:
    """Root over [first, end); `first` is a multiple of the power of two that covers it."""
    # Complete pieces from left to right, each smaller than the one before.
    pieces: list[bytes] = []
    while first < end:
        level = (end - first).bit_length() - 1
        pieces.append(read(level, first >> level))
        first += 1 << level
    found = pieces.pop()
    while pieces:
        found = node_hash(pieces.pop(), found)
    return found


def _roots_by_consistency(
    old_size: int, new_size: int, steps: Sequence[bytes]
) -> tuple[bytes, bytes] | None:
    """Old and new root that the steps lead to; None: no proof has this shape."""
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return None
        if position & 1 or position == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, step)
        position, last = position >> 1, last >> 1
    return (old, new) if last == 0 else None
