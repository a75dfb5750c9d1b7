"""The roots of a ledger's tree at the sizes that checkpoints name, in one pass and little memory.

Of a tree of n leaves only the roots of its complete stretches are kept, one for each set
bit of n: a ledger of years takes no more than one of minutes. Pure.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from roeh.ledger.merkle import EMPTY_ROOT, node_hash


class KnownRoots(Protocol):
    """What is known of a tree."""

    @property
    def size(self) -> int:
        """How many leaves it has."""
        ...

    def at(self, size: int) -> bytes | None:
        """The root over the first `size` leaves; None where it is not known."""
        ...


class Roots:
    """Takes leaf hashes in order.

    Args:
        sizes: at which the root is wanted.

    Attributes:
        size: how many leaves were taken.
    """

    def __init__(self, sizes: Collection[int] = ()) -> None:
        self.size = 0
        self._wanted = frozenset(sizes)
        self._found: dict[int, bytes] = {0: EMPTY_ROOT}
        # Roots of complete stretches from left to right, each larger than the next.
        self._stretches: list[bytes] = []

    def append(self, hash_of_leaf: bytes) -> None:
        """The next leaf."""
        stretch = hash_of_leaf
        # Each set bit at the end of the size is a stretch that this leaf completes.
        rest = self.size
        while rest & 1:
            stretch = node_hash(self._stretches.pop(), stretch)
            rest >>= 1
        self._stretches.append(stretch)
        self.size += 1
        if self.size in self._wanted:
            self._found[self.size] = self.root()

    def root(self) -> bytes:
        """The root over all leaves so far (RFC 6962 section 2.1)."""
        if not self._stretches:
            return EMPTY_ROOT
        found = self._stretches[-1]
        for left in reversed(self._stretches[:-1]):
            found = node_hash(left, found)
        return found

    def at(self, size: int) -> bytes | None:
        """The root over the first `size` leaves; None where it was not wanted or is not there."""
        return self._found.get(size)
