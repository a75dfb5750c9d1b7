"""An output of trials: a file that tells when it was on, and nothing else happens."""

from __future__ import annotations

from pathlib import Path

from roeh.core.config import TrialOutput
from roeh.sources.outputs.output import OutputFailed


class TrialFile:
    """A line of the file for each switch: `on` or `off`.

    Raises:
        OutputFailed: it cannot be written.
    """

    def __init__(self, section: TrialOutput) -> None:
        self._path = Path(section.file)
        self.off()

    @property
    def trouble(self) -> str:
        """See Output."""
        return ""

    def on(self) -> None:
        """See Output."""
        self._write("on")

    def off(self) -> None:
        """See Output."""
        self._write("off")

    def close(self) -> None:
        """See Output."""
        self.off()

    def _write(self, word: str) -> None:
        try:
            with self._path.open("a", encoding="ascii") as file:
                file.write(f"{word}\n")
        except OSError as error:
            raise OutputFailed(f"{self._path} cannot be written: {error.strerror}") from None
