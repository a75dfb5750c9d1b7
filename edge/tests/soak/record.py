"""What the ledger says of the one camera of a soak, and the verifier's word on all of it."""

from __future__ import annotations

import json

from roeh.core.clock import SystemClock
from roeh.verify.checking import Beliefs, verify
from roeh.verify.commands import read_anchors
from roeh.verify.report import Check
from tests.soak.judging import Stretch


def stretches_of(soaked) -> list[Stretch]:
    """Segments and gaps of the camera in order, also those that the ring has let go."""
    found = []
    for part in sorted((soaked.directory / "data" / "ledger").glob("*.jsonl")):
        for line in part.read_text(encoding="utf-8").splitlines():
            body = json.loads(line)["body"]
            if body["kind"] == "segment":
                found.append(
                    _stretch(soaked, body["t_first_mono_us"], body["t_end_mono_us"],
                             body["end_reason"], is_gap=False)
                )  # fmt: skip
            elif body["kind"] == "gap":
                found.append(
                    _stretch(soaked, body["from_mono_us"], body["to_mono_us"],
                             body["reason"], is_gap=True)
                )  # fmt: skip
    return sorted(found, key=lambda one: (one.from_s, one.to_s))


def _stretch(soaked, from_us: int, to_us: int, reason: str, *, is_gap: bool) -> Stretch:
    return Stretch(soaked.clock.s_of(from_us), soaked.clock.s_of(to_us), reason, is_gap)


def verifier_complaints(soaked) -> list[str]:
    """What the offline verifier finds wrong, trusting the node's own root."""
    place = soaked.directory / "data"
    anchors = read_anchors(sorted(place.glob("keys/set-*/anchors.pem")), [])
    report = verify(place, Beliefs(anchors=anchors), SystemClock())
    return [
        f"{conclusion.aspect.value}: {reason}"
        for conclusion in report.conclusions
        if conclusion.check is Check.FAIL
        for reason in conclusion.reasons
    ]
