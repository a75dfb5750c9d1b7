"""One mistake: whose, where, what, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Mistake:
    """A thing in the inventory that cannot be meant.

    Attributes:
        host: the inventory's name of it.
        field: the variable, and the place in it.
        what: what is wrong.
        remedy: what to do.
    """

    host: str
    field: str
    what: str
    remedy: str

    def line(self) -> str:
        """As it is shown: on one line."""
        return f"{self.host}: {self.field}: {self.what}; {self.remedy}"
