"""Roots and proofs at every size, against the definition written out plainly."""

import functools

import hypothesis
import pytest
from hypothesis import strategies

from roeh.ledger import merkle
from tests.trees import Tree

LARGEST = 130
LEAVES = [merkle.leaf_hash(str(number).encode()) for number in range(LARGEST)]


@functools.cache
def defined_root(first, end):
    """MTH of RFC 6962 section 2.1, by recursion over the leaves themselves."""
    if end - first == 1:
        return LEAVES[first]
    split = 1
    while split * 2 < end - first:
        split *= 2
    return merkle.node_hash(defined_root(first, first + split), defined_root(first + split, end))


@pytest.fixture(scope="module")
def tree():
    tree = Tree()
    for leaf in LEAVES:
        tree.append(leaf)
    return tree


def test_every_root_is_the_defined_one(tree):
    for size in range(1, LARGEST + 1):
        assert merkle.root(size, tree.read) == defined_root(0, size)


def test_every_leaf_is_proved_in_every_tree(tree):
    for size in range(1, LARGEST + 1):
        for leaf in range(size):
            proof = merkle.inclusion_proof(leaf, size, tree.read)
            found = merkle.root_by_inclusion(leaf, size, LEAVES[leaf], proof)
            assert found == defined_root(0, size)


def test_every_tree_is_proved_to_continue_every_smaller_one(tree):
    for new in range(1, LARGEST + 1):
        for old in range(1, new + 1):
            proof = merkle.consistency_proof(old, new, tree.read)
            assert merkle.is_consistent(old, defined_root(0, old), new, defined_root(0, new), proof)


@hypothesis.settings(max_examples=300)
@hypothesis.given(data=strategies.data())
def test_no_changed_inclusion_proof_holds(tree, data):
    size = data.draw(strategies.integers(1, LARGEST))
    leaf = data.draw(strategies.integers(0, size - 1))
    proof = list(merkle.inclusion_proof(leaf, size, tree.read))
    changed = data.draw(changed_proofs(proof))

    assert not merkle.is_included(leaf, size, LEAVES[leaf], changed, defined_root(0, size))


@hypothesis.settings(max_examples=200)
@hypothesis.given(data=strategies.data())
def test_a_proof_holds_for_its_own_leaf_only(tree, data):
    size = data.draw(strategies.integers(2, LARGEST))
    leaf = data.draw(strategies.integers(0, size - 1))
    other = data.draw(strategies.integers(0, size - 1).filter(lambda place: place != leaf))
    proof = merkle.inclusion_proof(leaf, size, tree.read)

    assert not merkle.is_included(leaf, size, LEAVES[other], proof, defined_root(0, size))


@hypothesis.settings(max_examples=300)
@hypothesis.given(data=strategies.data())
def test_no_changed_consistency_proof_holds(tree, data):
    new = data.draw(strategies.integers(2, LARGEST))
    old = data.draw(strategies.integers(1, new - 1))
    proof = list(merkle.consistency_proof(old, new, tree.read))
    changed = data.draw(changed_proofs(proof))

    assert not merkle.is_consistent(old, defined_root(0, old), new, defined_root(0, new), changed)


@hypothesis.settings(max_examples=200)
@hypothesis.given(data=strategies.data())
def test_a_forked_tree_continues_no_other(data):
    """One leaf below the old size is another: no proof of the fork holds for the old root."""
    new = data.draw(strategies.integers(2, 64))
    old = data.draw(strategies.integers(1, new))
    other = data.draw(strategies.integers(0, old - 1))
    fork = Tree()
    for number in range(new):
        fork.append(LEAVES[-1 if number == other else number])

    proof = merkle.consistency_proof(old, new, fork.read)

    assert not merkle.is_consistent(
        old, defined_root(0, old), new, merkle.root(new, fork.read), proof
    )


def changed_proofs(proof):
    """One bit flipped, a step added, dropped or cut short."""
    ways = [strategies.builds(lambda step: [*proof, step], strategies.sampled_from(LEAVES))]
    if proof:
        places = strategies.integers(0, len(proof) - 1)
        bits = strategies.integers(0, 255)
        ways += [
            strategies.builds(lambda at: [*proof[:at], *proof[at + 1 :]], places),
            strategies.builds(lambda at, bit: flipped(proof, at, bit), places, bits),
            strategies.builds(lambda at: [*proof[:at], proof[at][:31], *proof[at + 1 :]], places),
        ]
    return strategies.one_of(ways)


def flipped(proof, at, bit):
    number = int.from_bytes(proof[at], "big") ^ 1 << bit
    return [*proof[:at], number.to_bytes(32, "big"), *proof[at + 1 :]]
