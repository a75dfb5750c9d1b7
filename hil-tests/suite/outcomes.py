"""What one run of the suite found, test by test, as it is kept in `results-TIER.json`."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Literal

import msgspec


class Outcome(enum.Enum):
    """How one test went; only the first two have shown anything."""

    PASSED = "passed"
    FAILED = "failed"
    #: The tier cannot, and its environment file says why.
    INCAPABLE = "incapable"
    #: Left out by whoever started the run.
    LEFT_OUT = "left_out"
    #: It should have run: as bad as failed.
    SKIPPED = "skipped"


class Shown(msgspec.Struct, frozen=True):
    """One test's end.

    Attributes:
        name: of the test, as a sentence.
        fault: row of the table that it belongs to.
        outcome: how it went.
        reason: why it failed or was not run; empty where it passed.
        duration_s: how long it took, its preparations among it.
        measured: the figure that it measured, with its unit, or empty.
    """

    name: str
    fault: str
    outcome: Outcome
    reason: str = ""
    duration_s: float = 0.0
    measured: str = ""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run on one tier found.

    Attributes:
        tier: name of the environment file.
        commit: of the checkout, or empty.
        started: UTC, RFC 3339.
        form: `whole`, or `short` for the tests that continuous integration has time for.
        shown: in the order in which the tests ended; those that were not run among them.
        finished: whether the run came to its own end.
    """

    schema: Literal["roeh/hil-results/1"] = "roeh/hil-results/1"
    tier: str
    commit: str
    started: str
    form: Literal["whole", "short"]
    shown: tuple[Shown, ...]
    finished: bool


def results_path(directory: Path, tier: str) -> Path:
    """Where a tier's last run is kept."""
    return directory / f"results-{tier}.json"


def write_run(path: Path, run: Run) -> None:
    """Keep a run in place of the tier's last one, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(run)))
    beside.replace(path)


def read_run(path: Path) -> Run | None:
    """A tier's last run; None where there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Run)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
