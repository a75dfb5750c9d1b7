"""How an export goes from being asked for to its end. Pure.

Invariants (a test goes through every pair):
    1. An end (`refused`, `failed`, `expired`) is left by nothing.
    2. Nothing is built without an approval, nothing is `ready` without a seal.
    3. One approval is counted once: only `requested` becomes `approved` by it.
    4. What was interrupted is begun again, and by the same approval.
"""

from __future__ import annotations

import enum
from typing import Final

from roeh.core.retrieval import ExportState


class Step(enum.Enum):
    """What happens to an export; the value of those on record is the record's `step`."""

    APPROVED = "approved"
    REFUSED = "refused"
    BEGUN = "begun"
    SEALED = "sealed"
    READY = "ready"
    TAKEN = "taken"
    UNTAKEN = "untaken"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    EXPIRED = "expired"


#: Left by nothing; the hold of the span ends with it.
ENDS: Final[frozenset[ExportState]] = frozenset({"refused", "failed", "expired"})

_NEXT: Final[dict[ExportState, dict[Step, ExportState]]] = {
    "requested": {
        Step.APPROVED: "approved",
        Step.REFUSED: "refused",
        Step.FAILED: "failed",
        Step.EXPIRED: "expired",
    },
    "approved": {
        Step.BEGUN: "building",
        Step.FAILED: "failed",
        Step.EXPIRED: "expired",
    },
    "building": {
        Step.BEGUN: "building",
        Step.SEALED: "building",
        Step.READY: "ready",
        Step.INTERRUPTED: "approved",
        Step.FAILED: "failed",
    },
    "ready": {
        Step.TAKEN: "taken",
        Step.UNTAKEN: "ready",
        Step.FAILED: "failed",
        Step.EXPIRED: "expired",
    },
    "taken": {
        Step.TAKEN: "taken",
        Step.UNTAKEN: "taken",
        Step.FAILED: "failed",
        Step.EXPIRED: "expired",
    },
    "refused": {},
    "failed": {},
    "expired": {},
}


def next_state(state: ExportState, step: Step) -> ExportState | None:
    """What it is after this step; None: the step is not possible."""
    return _NEXT[state].get(step)
