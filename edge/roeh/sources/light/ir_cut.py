"""What switches the infrared filter and the lamps, whatever drives their lines."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from roeh.core.config import IrCutSection


class IrCut(Protocol):
    """What switches between day and night. A context manager: left, the lines are free."""

    def __enter__(self) -> IrCut:
        """Take hold of the lines, as by day.

        Raises:
            CameraMissing: they are not there, or another has them.
        """

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let them go, as by day."""

    def switch(self, *, is_night: bool) -> None:
        """Set the filter and the lamps.

        Raises:
            IrCutFailed: the chip went away.
        """


class IrCutFailed(Exception):
    """The lines cannot be set; the text is one line for a person."""


def line_levels(section: IrCutSection, *, is_night: bool) -> dict[int, bool]:
    """Which line is to be high."""
    high_by_day = not section.filter_low_by_day
    levels = {section.filter_line: high_by_day != is_night}
    if section.lamp_line >= 0:
        levels[section.lamp_line] = is_night
    return levels
