"""What a check says, and what a check is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import RoehError

Verdict = Literal["OK", "WARN", "FAIL"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the doctor.

    `verdict` FAIL: the node will not work; WARN: it will, with a loss that `what` names.
    `remedy` is empty only when all is well.
    """

    check: str
    verdict: Verdict
    what: str
    remedy: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found, before it is known which check it was."""

    verdict: Verdict
    what: str
    remedy: str = ""


def good(what: str) -> Outcome:
    """All is well."""
    return Outcome(verdict="OK", what=what)


def doubtful(what: str, remedy: str) -> Outcome:
    """The node works, and something is lost."""
    return Outcome(verdict="WARN", what=what, remedy=remedy)


def bad(what: str, remedy: str) -> Outcome:
    """The node will not work."""
    return Outcome(verdict="FAIL", what=what, remedy=remedy)


def bad_error(error: RoehError) -> Outcome:
    """An error that the node itself would end with."""
    return bad(f"{error.what}: {error.which}", error.remedy)


class MachineCheck(msgspec.Struct, frozen=True):
    """A row of the table that needs no configuration."""

    name: str
    run: Callable[[Clock], Iterator[Outcome]]


class NodeCheck(msgspec.Struct, frozen=True):
    """A row of the table that looks at what a configuration names."""

    name: str
    run: Callable[[NodeConfig, Clock], Iterator[Outcome]]
