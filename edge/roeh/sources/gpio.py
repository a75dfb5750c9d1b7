"""Lines of a GPIO chip that are held as outputs: the only place that knows gpiod.

Imported where such lines are configured: an environment without gpiod runs everything else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

import gpiod
from gpiod.line import Direction, Value

from roeh.core.errors import CameraMissing

_CONSUMER = "roeh"

RequestLines = Callable[..., gpiod.LineRequest]

#: Asks the kernel for lines.
request_lines: RequestLines = gpiod.request_lines


class LinesFailed(Exception):
    """Lines that were held cannot be set; the text is the reason."""


class GpioLines:
    """Lines that nobody else can set meanwhile.

    Args:
        chip: the path of its device.
        levels: of each line, whether it is high at first.
        what: they belong to, for messages.
        request: asks the kernel for them.

    Raises:
        CameraMissing: they are not there, or another has them.
    """

    def __init__(
        self,
        chip: str,
        levels: Mapping[int, bool],
        what: str,
        request: RequestLines = request_lines,
    ) -> None:
        try:
            self._lines = request(
                chip,
                consumer=_CONSUMER,
                config={
                    line: gpiod.LineSettings(direction=Direction.OUTPUT, output_value=value)
                    for line, value in _values(levels).items()
                },
            )
        except (OSError, ValueError) as error:
            raise CameraMissing(
                what=f"the lines cannot be had: {_reason(error)}",
                which=f"{what}, {chip}, lines {', '.join(str(line) for line in levels)}",
                remedy="compare chip and lines with `gpioinfo`, and let roeh's user into the "
                "group gpio",
            ) from None

    def set(self, levels: Mapping[int, bool]) -> None:
        """Let these lines be high or low.

        Raises:
            LinesFailed: the chip went away.
        """
        try:
            self._lines.set_values(_values(levels))
        except OSError as error:
            raise LinesFailed(_reason(error)) from None

    def release(self, levels: Mapping[int, bool]) -> None:
        """Let them go as they are to stay: most chips keep a level that nobody holds."""
        with contextlib.suppress(OSError):
            self._lines.set_values(_values(levels))
        self._lines.release()


def _values(levels: Mapping[int, bool]) -> dict[int | str, Value]:
    return {line: Value.ACTIVE if is_high else Value.INACTIVE for line, is_high in levels.items()}


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
