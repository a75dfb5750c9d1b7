"""A ledger's tree from its leaves alone."""

from roeh.ledger.merkle import nodes_completed_by


class Tree:
    """A tree in memory, where the product has a database or one pass."""

    def __init__(self):
        self._levels = [[]]

    @property
    def size(self):
        """How many leaves it has."""
        return len(self._levels[0])

    def append(self, hash_of_leaf):
        """Take in the next leaf."""
        for node in nodes_completed_by(self.size, hash_of_leaf, self.read):
            if node.level == len(self._levels):
                self._levels.append([])
            self._levels[node.level].append(node.hash)

    def read(self, level, position):
        """A node, as `NodeReader` says."""
        if level >= len(self._levels) or position >= len(self._levels[level]):
            raise KeyError((level, position))
        return self._levels[level][position]
