"""Roots in one pass are those of the whole tree, at every size."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from roeh.ledger.merkle import root
from roeh.verify.roots import Roots
from tests.trees import Tree


@given(st.integers(min_value=0, max_value=200))
def test_each_root_is_the_trees(count):
    tree, roots = Tree(), Roots(range(count + 1))
    for leaf in range(count):
        hashed = hashlib.sha256(b"%d" % leaf).digest()
        tree.append(hashed)
        roots.append(hashed)
    assert [roots.at(size) for size in range(count + 1)] == [
        root(size, tree.read) for size in range(count + 1)
    ]
    assert roots.root() == root(count, tree.read)
    assert roots.at(count + 1) is None
