"""What an output is to who drives it."""

from __future__ import annotations

from typing import Protocol


class OutputFailed(Exception):
    """An output does not work; the text is one line for a person."""


class Output(Protocol):
    """One output. It is off when it is made. One thread uses it at a time."""

    @property
    def trouble(self) -> str:
        """What went wrong since it was let on, though it could be; a line, or empty."""

    def on(self) -> None:
        """Let it on.

        Raises:
            OutputFailed: it does not work.
        """

    def off(self) -> None:
        """Let it off, whatever it was.

        Raises:
            OutputFailed: it may still be on.
        """

    def close(self) -> None:
        """Let it off, and let go of it."""
