"""Which output a section means."""

from __future__ import annotations

from roeh.core.config import GpioOutput, OutputSection, SoundOutput
from roeh.sources.outputs.output import Output, OutputFailed
from roeh.sources.outputs.sound import SoundPlayer
from roeh.sources.outputs.trial import TrialFile


def open_output(section: OutputSection) -> Output:
    """The output of a section, off.

    Raises:
        OutputFailed: it cannot be had.
    """
    if isinstance(section, GpioOutput):
        try:
            # Here and not above: who has no such lines needs no gpiod.
            from roeh.sources.outputs.line import LineOutput
        except ImportError as error:
            raise OutputFailed(
                f"its line cannot be switched ({error}): install requirements/pi.txt"
            ) from None
        return LineOutput(section)
    return SoundPlayer(section) if isinstance(section, SoundOutput) else TrialFile(section)
