"""The table that the suite prints last."""

from __future__ import annotations

import msgspec

from roeh.core.errors import one_line
from tests.chaos.plan import RunPlan

_NAMED = 5


class RunOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One run, counted. `missing`, `twice` and `foreign` are ids of alerts."""

    plan: RunPlan
    accepted: int
    kills: int
    cuts: int
    missing: tuple[str, ...]
    twice: tuple[str, ...]
    foreign: tuple[str, ...]
    pictures_missing: int
    duplicates: int
    still_waiting: int
    duration_s: float
    said: str

    @property
    def is_good(self) -> bool:
        """Every accepted alert is there exactly once; or, where some must be lost, some were."""
        if self.accepted != self.plan.alerts or self.twice or self.foreign:
            return False
        if self.plan.must_lose:
            return bool(self.missing)
        return not self.missing and not self.pictures_missing and self.still_waiting == 0


_HEADER = (
    "run         ack     loss  kills cuts  alerts  missing  pictures missing  duplicates"
    "  waiting      s  verdict"
)


def table(outcomes):
    """Its lines."""
    return [_HEADER, *(_row(outcome) for outcome in outcomes)]


def complaints(outcomes):
    """What is wrong, with what the parts said last."""
    lines = []
    for outcome in outcomes:
        if not outcome.is_good:
            for word, ids in (
                ("missing", outcome.missing),
                ("twice", outcome.twice),
                ("never accepted", outcome.foreign),
            ):
                lines += [f"{outcome.plan.name}: {word}: {one}" for one in ids[:_NAMED]]
            lines += [one_line(line) for line in outcome.said.splitlines()]
    return lines


def _row(outcome):
    plan = outcome.plan
    verdict = "good" if outcome.is_good else "BAD"
    if plan.must_lose:
        verdict = "loses, as it must" if outcome.is_good else "BAD: it had to lose some"
    return (
        f"{plan.name:11} {plan.acknowledged.value:7} {plan.loss_percent:3} %"
        f" {outcome.kills:6} {outcome.cuts:4} {outcome.accepted:7} {len(outcome.missing):8}"
        f" {outcome.pictures_missing:17} {outcome.duplicates:11} {outcome.still_waiting:8}"
        f" {outcome.duration_s:6.0f}  {verdict}"
    )
