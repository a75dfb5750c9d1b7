"""How right the rules are, as `make quality` counted it: shares with their intervals."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

#: Where `make quality` leaves what it found on the seeds that nothing was tuned on.
RULE_CELLS = Path("build/quality/rules-test.json")
#: Of the normal distribution: 95 % lie within.
_Z_95 = 1.959963984540054


class Share(msgspec.Struct, frozen=True):
    """So many of so many, with the score interval of E. B. Wilson.

    J. Am. Stat. Assoc. 22 (1927) 209-212.
    """

    right: int
    of: int

    @property
    def value(self) -> float:
        """The share itself; NaN of none."""
        return self.right / self.of if self.of else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval; all of [0, 1] where nothing was counted."""
        if self.of == 0:
            return 0.0, 1.0
        n, p, z2 = self.of, self.right / self.of, _Z_95**2
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = _Z_95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}]" if self.of else "-"


class Cell(msgspec.Struct, frozen=True):
    """One kind of rule in one weather.

    Attributes:
        precision: of what was told, what was so.
        recall: of what was to be told, what was told.
        in_time: of what was told, what was within half a second of the rule's own time.
        delay_p95_s, delay_max_s: after the rule's own time.
    """

    rule_kind: str
    weather: str
    precision: Share
    recall: Share
    in_time: Share
    delay_p95_s: float
    delay_max_s: float


def read_cells(path: Path = RULE_CELLS) -> tuple[Cell, ...]:
    """What the newest run of `make quality` left; nothing where there was none."""
    if not path.is_file():
        return ()
    return msgspec.json.decode(path.read_bytes(), type=tuple[Cell, ...])


def write_cells(cells: list[Cell], path: Path) -> None:
    """Leave them for the scoreboard."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(cells), indent=1) + b"\n")


def cell_rows(cells: tuple[Cell, ...] | list[Cell]) -> list[str]:
    """A table in Markdown."""
    rows = [
        "| rule | weather | events | precision | recall | within its own time + 0.5 s"
        " | delay p95, max |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows += [
        f"| {one.rule_kind} | {one.weather} | {one.recall.of} | {one.precision} | {one.recall}"
        f" | {one.in_time} | {one.delay_p95_s:.1f}, {one.delay_max_s:.1f} s |"
        for one in cells
    ]
    return rows
