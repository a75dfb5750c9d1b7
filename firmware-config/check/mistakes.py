"""What is wrong with a file, in one line."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Mistake(msgspec.Struct, frozen=True, order=True):
    """One mistake in one file.

    Attributes:
        path: the file.
        line: where, from 1; 0 when it is the whole file (something is missing).
        key: the setting, as the schema names it.
        what: what is wrong.
        remedy: what to write.
    """

    path: Path
    line: int
    key: str
    what: str
    remedy: str

    def __str__(self) -> str:
        """`file:line: key: what: remedy`."""
        place = f"{self.path}:{self.line}" if self.line else str(self.path)
        return f"{place}: {self.key}: {self.what}: {self.remedy}"
