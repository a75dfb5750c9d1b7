"""The table of budgets, read once, and whether a figure keeps to it. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

TABLE = Path(__file__).parent / "budgets.toml"

Of = Literal[
    "cpu_percent",
    "memory_mib",
    "log_mib_per_hour",
    "restarts",
    "boot_s",
    "first_alert_s",
    "temperature_c",
    "power_w",
]
#: What only a board has to measure with.
OF_A_BOARD: frozenset[Of] = frozenset({"temperature_c", "power_w"})
#: What is measured from switching it on.
OF_BOOTING: frozenset[Of] = frozenset({"boot_s", "first_alert_s"})
BOARDS = ("virtual", "emulated", "pi4", "pi5", "orin")
#: No boards: a container, and a machine whose processor is imitated.
NO_BOARDS = ("virtual", "emulated")


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one board may take.

    Attributes:
        budget: in the figure's unit.
        tolerance: a share of the budget.
        measured: whether it stands on a measurement of that board.
    """

    budget: float
    tolerance: float
    measured: bool = False

    @property
    def limit(self) -> float:
        """More than this fails."""
        return self.budget * (1.0 + self.tolerance)


class Take(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a figure comes from: a process, or `all` of them."""

    process: Literal["capture", "detect", "evidence", "publish", "retrieve", "all"]
    of: Of


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One figure of a pole, and its budgets by board."""

    name: str
    unit: str
    take: Take
    boards: dict[Literal["virtual", "emulated", "pi4", "pi5", "orin"], Budget]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    figures: tuple[Figure, ...]


def read_table(path: Path = TABLE) -> tuple[Figure, ...]:
    """Every figure.

    Raises:
        msgspec.ValidationError: the table holds something else.
    """
    return msgspec.toml.decode(path.read_bytes(), type=_Table).figures


def excess(figure: Figure, board: str, measured: float) -> str:
    """What is wrong with a measured figure, in a sentence; empty where it keeps to its budget.

    Raises:
        KeyError: the figure has no budget for that board.
    """
    budget = {str(name): one for name, one in figure.boards.items()}[board]
    if measured <= budget.limit:
        return ""
    return (
        f"{figure.name}: {measured:.1f} {figure.unit} on {board}, more than {budget.budget:g}"
        f" and {budget.tolerance:.0%} ({budget.limit:.1f})"
    )
