"""Filter and lamps on the lines of a GPIO chip."""

from __future__ import annotations

from types import TracebackType

from roeh.core.config import IrCutSection
from roeh.sources.gpio import GpioLines, LinesFailed, RequestLines, request_lines
from roeh.sources.light.ir_cut import IrCutFailed, line_levels


class GpioIrCut:
    """Filter and lamps on lines of a GPIO chip.

    Args:
        section: which lines, and what they mean.
        camera_id: whose they are, for messages.
        request: asks the kernel for lines.
    """

    def __init__(
        self, section: IrCutSection, camera_id: str, request: RequestLines = request_lines
    ) -> None:
        self._request = request
        self._section = section
        self._camera_id = camera_id
        self._lines: GpioLines | None = None

    def __enter__(self) -> GpioIrCut:
        """Take hold of the lines, as by day.

        Raises:
            CameraMissing: they are not there, or another has them.
        """
        by_day = line_levels(self._section, is_night=False)
        what = f"sensor {self._camera_id}: light.ir_cut"
        self._lines = GpioLines(self._section.chip, by_day, what, self._request)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        lines, self._lines = self._lines, None
        if lines is not None:
            # No lamp burns for nobody.
            lines.release(line_levels(self._section, is_night=False))

    def switch(self, *, is_night: bool) -> None:
        """Set the filter and the lamps.

        Raises:
            IrCutFailed: the chip went away.
        """
        if self._lines is None:
            raise RuntimeError("lines are set before they are held")
        try:
            self._lines.set(line_levels(self._section, is_night=is_night))
        except LinesFailed as error:
            raise IrCutFailed(f"the infrared filter does not switch: {error}") from None
