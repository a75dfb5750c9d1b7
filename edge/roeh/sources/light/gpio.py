"""Filter and lamps on the lines of a GPIO chip: the only place that knows gpiod.

Imported where such lines are configured: an environment without gpiod runs everything else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import TracebackType

import gpiod
from gpiod.line import Direction, Value

from roeh.core.config import IrCutSection
from roeh.core.errors import CameraMissing
from roeh.sources.light.ir_cut import IrCutFailed, line_levels

_CONSUMER = "roeh"

RequestLines = Callable[..., gpiod.LineRequest]


class GpioIrCut:
    """Filter and lamps on lines of a GPIO chip.

    Args:
        section: which lines, and what they mean.
        camera_id: whose they are, for messages.
        request: asks the kernel for lines.
    """

    def __init__(
        self,
        section: IrCutSection,
        camera_id: str,
        request: RequestLines = gpiod.request_lines,
    ) -> None:
        self._request = request
        self._section = section
        self._camera_id = camera_id
        self._lines: gpiod.LineRequest | None = None

    def __enter__(self) -> GpioIrCut:
        """Take hold of the lines, as by day.

        Raises:
            CameraMissing: they are not there, or another has them.
        """
        section = self._section
        try:
            self._lines = self._request(
                section.chip,
                consumer=_CONSUMER,
                config={
                    line: gpiod.LineSettings(direction=Direction.OUTPUT, output_value=value)
                    for line, value in _values(section, is_night=False).items()
                },
            )
        except (OSError, ValueError) as error:
            raise CameraMissing(
                what=f"the lines of the infrared filter cannot be had: {_reason(error)}",
                which=f"sensor {self._camera_id}: light.ir_cut, {section.chip}, lines "
                f"{', '.join(str(line) for line in line_levels(section, is_night=False))}",
                remedy="compare chip and lines with `gpioinfo`, and let roeh's user into the "
                "group gpio",
            ) from None
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        lines, self._lines = self._lines, None
        if lines is None:
            return
        # Most chips keep a level that nobody holds: no lamp burns for nobody.
        with contextlib.suppress(OSError):
            lines.set_values(_values(self._section, is_night=False))
        lines.release()

    def switch(self, *, is_night: bool) -> None:
        """Set the filter and the lamps.

        Raises:
            IrCutFailed: the chip went away.
        """
        if self._lines is None:
            raise RuntimeError("lines are set before they are held")
        try:
            self._lines.set_values(_values(self._section, is_night=is_night))
        except OSError as error:
            raise IrCutFailed(f"the infrared filter does not switch: {_reason(error)}") from None


def _values(section: IrCutSection, *, is_night: bool) -> dict[int | str, Value]:
    return {
        line: Value.ACTIVE if is_high else Value.INACTIVE
        for line, is_high in line_levels(section, is_night=is_night).items()
    }


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
