"""What a check says, and what a check is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import RoehError
from roeh.doctor.codes import Code
from roeh.doctor.machine_view import MachineView

Verdict = Literal["OK", "WARN", "FAIL"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the doctor.

    Attributes:
        check: which check it is of.
        verdict: FAIL: the node will not work; WARN: it will, with a loss that `what` names.
        code: a stable word of the table in codes.py; of what is well, the check's and "OK".
        what: is, in a sentence.
        remedy: empty only when all is well.
    """

    check: str
    verdict: Verdict
    code: str
    what: str
    remedy: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found, before it is known which check it was. No code: all is well."""

    verdict: Verdict
    what: str
    remedy: str = ""
    code: Code | None = None

    def of(self, check: str) -> Finding:
        """As a line of that check."""
        code = self.code.word if self.code is not None else ok_word(check)
        return Finding(
            check=check, verdict=self.verdict, code=code, what=self.what, remedy=self.remedy
        )


def ok_word(check: str) -> str:
    """The code of what is well: `CLOCK-OK`."""
    return f"{check.upper().replace('_', '-')}-OK"


def good(what: str) -> Outcome:
    """All is well."""
    return Outcome(verdict="OK", what=what)


def doubtful(code: Code, what: str, remedy: str = "") -> Outcome:
    """The node works, and something is lost; without a remedy of its own, the code's."""
    return Outcome(verdict="WARN", code=code, what=what, remedy=remedy or code.remedy)


def bad(code: Code, what: str, remedy: str = "") -> Outcome:
    """The node will not work; without a remedy of its own, the code's."""
    return Outcome(verdict="FAIL", code=code, what=what, remedy=remedy or code.remedy)


def bad_error(code: Code, error: RoehError) -> Outcome:
    """An error that the node itself would end with."""
    return bad(code, f"{error.what}: {error.which}", error.remedy)


class MachineCheck(msgspec.Struct, frozen=True):
    """A row of the table that needs no configuration."""

    name: str
    run: Callable[[Clock], Iterator[Outcome]]


class BoardCheck(msgspec.Struct, frozen=True):
    """A row of the table that looks at what the kernel and the system tell of the board."""

    name: str
    run: Callable[[MachineView, Clock], Iterator[Outcome]]


class NodeCheck(msgspec.Struct, frozen=True):
    """A row of the table that looks at what a configuration names."""

    name: str
    run: Callable[[NodeConfig, Clock], Iterator[Outcome]]


class PoleCheck(msgspec.Struct, frozen=True):
    """A row of the table that looks at what a configuration names, and at the board."""

    name: str
    run: Callable[[NodeConfig, MachineView, Clock], Iterator[Outcome]]
