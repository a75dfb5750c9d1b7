"""A light or a siren on a line of a GPIO chip.

Whoever lets go of a line, or dies with it, leaves the level to the chip: a Pi's turns it into an
input (dtparam=strict_gpiod), others may keep it. So each start of capture sets it to off before
anything else, and a relay belongs on it that an input without level leaves off
(edge/docs/rules.md).
"""

from __future__ import annotations

from roeh.core.config import GpioOutput
from roeh.core.errors import CameraMissing
from roeh.sources.gpio import GpioLines, LinesFailed, RequestLines, request_lines
from roeh.sources.outputs.output import OutputFailed


class LineOutput:
    """One line, held from the start on.

    Raises:
        OutputFailed: it is not there, or another has it.
    """

    def __init__(self, section: GpioOutput, request: RequestLines = request_lines) -> None:
        self._line = section.line
        self._is_high_when_on = not section.active_low
        try:
            self._lines = GpioLines(
                section.chip, self._levels(is_on=False), f"output {section.name}", request
            )
        except CameraMissing as error:
            raise OutputFailed(str(error)) from None

    @property
    def trouble(self) -> str:
        """See Output."""
        return ""

    def on(self) -> None:
        """See Output."""
        self._set(is_on=True)

    def off(self) -> None:
        """See Output."""
        self._set(is_on=False)

    def close(self) -> None:
        """See Output."""
        self._lines.release(self._levels(is_on=False))

    def _set(self, *, is_on: bool) -> None:
        try:
            self._lines.set(self._levels(is_on=is_on))
        except LinesFailed as error:
            raise OutputFailed(f"line {self._line} cannot be set: {error}") from None

    def _levels(self, *, is_on: bool) -> dict[int, bool]:
        return {self._line: is_on == self._is_high_when_on}
