"""The tree is that of RFC 6962, by figures that other implementations publish."""

import hashlib

import pytest

from roeh.ledger import merkle
from tests.trees import Tree

# Leaves and figures of the reference tree that the Certificate Transparency
# implementations share (merkle_tree_test.cc; also in transparency-dev/merkle).
LEAVES = [
    bytes.fromhex(text)
    for text in [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.fixture
def tree():
    tree = Tree()
    for leaf in LEAVES:
        tree.append(merkle.leaf_hash(leaf))
    return tree


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_of_the_reference_tree(tree, size):
    assert merkle.root(size, tree.read).hex() == ROOTS[size]


@pytest.mark.parametrize(
    ("leaf", "size", "proof"),
    [
        (0, 1, []),
        (
            0,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            3,
            ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
        ),
        (
            1,
            5,
            [
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_inclusion_proofs_are_those_of_the_reference_tree(tree, leaf, size, proof):
    assert [step.hex() for step in merkle.inclusion_proof(leaf, size, tree.read)] == proof


@pytest.mark.parametrize(
    ("old", "new", "proof"),
    [
        (1, 1, []),
        (
            1,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_consistency_proofs_are_those_of_the_reference_tree(tree, old, new, proof):
    assert [step.hex() for step in merkle.consistency_proof(old, new, tree.read)] == proof


def test_a_leaf_is_never_an_inner_node():
    left, right = merkle.leaf_hash(b"a"), merkle.leaf_hash(b"b")

    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)
    assert merkle.leaf_hash(b"a") == hashlib.sha256(b"\x00a").digest()
    assert merkle.node_hash(left, right) == hashlib.sha256(b"\x01" + left + right).digest()


def test_appending_stores_complete_stretches_only():
    tree = Tree()
    stored = {}
    for number in range(6):
        completed = merkle.nodes_completed_by(number, bytes([number]) * 32, tree.read)
        stored[number] = [(node.level, node.position) for node in completed]
        tree.append(bytes([number]) * 32)

    assert stored == {
        0: [(0, 0)],
        1: [(0, 1), (1, 0)],
        2: [(0, 2)],
        3: [(0, 3), (1, 1), (2, 0)],
        4: [(0, 4)],
        5: [(0, 5), (1, 2)],
    }


@pytest.mark.parametrize("leaf", [-1, 8, 9])
def test_no_inclusion_proof_for_what_is_not_in_the_tree(tree, leaf):
    with pytest.raises(ValueError, match="not in a tree of 8"):
        merkle.inclusion_proof(leaf, 8, tree.read)
    assert not merkle.is_included(leaf, 8, bytes(32), [bytes(32)] * 3, bytes(32))


def test_no_consistency_proof_towards_a_smaller_tree(tree):
    with pytest.raises(ValueError, match="does not continue"):
        merkle.consistency_proof(8, 7, tree.read)
    assert not merkle.is_consistent(8, bytes(32), 7, bytes(32), [])


def test_a_tree_says_when_it_is_not_that_large(tree):
    with pytest.raises(KeyError):
        merkle.root(9, tree.read)


def test_only_the_empty_tree_precedes_without_a_proof(tree):
    root = merkle.root(8, tree.read)

    assert merkle.is_consistent(0, merkle.EMPTY_ROOT, 8, root, [])
    assert not merkle.is_consistent(0, bytes(32), 8, root, [])
    assert not merkle.is_consistent(0, merkle.EMPTY_ROOT, 8, root, [root])
    assert not merkle.is_consistent(1, root, 8, root, [])
