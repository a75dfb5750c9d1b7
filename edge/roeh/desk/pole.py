"""A pole by its name, as every part of the desk speaks of it."""

from __future__ import annotations

import msgspec


class Pole(msgspec.Struct, frozen=True, order=True):
    """Which pole."""

    site: str
    node: str

    def __str__(self) -> str:
        return f"{self.site}/{self.node}"
