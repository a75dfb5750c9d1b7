"""The interval of a counted share (E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212)."""

from __future__ import annotations

import math

import msgspec

#: Of the normal distribution: 95 % lie within.
_Z_95 = 1.959963984540054


class Share(msgspec.Struct, frozen=True):
    """So many of so many."""

    right: int
    of: int

    @property
    def value(self) -> float:
        return self.right / self.of if self.of else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % score interval; all of [0, 1] where nothing was counted."""
        if self.of == 0:
            return 0.0, 1.0
        n, p, z2 = self.of, self.right / self.of, _Z_95**2
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = _Z_95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}]" if self.of else "-"
