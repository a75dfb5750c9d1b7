"""What was told beside what was to be told."""

from __future__ import annotations

import math

import msgspec

from tests.quality.play import Told
from tests.quality.scenes import Scene
from tests.quality.truth import Event

#: Told no later than so long after it came true; the goal is half a second.
IN_TIME_S = 0.5
_LATE_S = 2.0
_EARLY_S = 0.2
_NEAR_M = 2.5


class Outcome(msgspec.Struct, frozen=True):
    """How one rule did in one scene.

    Attributes:
        events: that were to be told.
        delays_s: of those that were, after they had come true; early ones count as 0.
        missed: events that were not told.
        wrong: what was told and is not so.
    """

    rule_kind: str
    events: int
    delays_s: tuple[float, ...]
    missed: tuple[Event, ...]
    wrong: tuple[Told, ...]


def judged(scene: Scene, told: tuple[Told, ...]) -> tuple[Outcome, ...]:
    """Each kind of rule that watched the scene, a node's own about its cameras too."""
    rules = [rule.name for rule in scene.config.rules] + [one.rule for one in told]
    return tuple(
        _outcome(
            kind,
            [event for event in scene.events if kind_of(event.rule) == kind],
            [one for one in told if kind_of(one.rule) == kind],
        )
        for kind in sorted({kind_of(rule) for rule in rules})
    )


def kind_of(rule: str) -> str:
    """The kind of a scene's rule: its name without a number."""
    return rule.partition("-")[0]


def _outcome(kind: str, events: list[Event], told: list[Told]) -> Outcome:
    due = sorted((event for event in events if not event.doubtful), key=lambda one: one.due_s)
    left = list(told)
    delays: list[float] = []
    missed: list[Event] = []
    for event in due:
        about = [one for one in left if _is_about(one, event)]
        match = min(about, key=lambda one: _apart_m(one, event), default=None)
        if match is None:
            missed.append(event)
            continue
        left.remove(match)
        delays.append(max(0.0, round(match.t_s - event.due_s, 3)))
    doubtful = [event for event in events if event.doubtful]
    wrong = [one for one in left if not any(_is_about(one, event) for event in doubtful)]
    return Outcome(kind, len(due), tuple(delays), tuple(missed), tuple(wrong))


def _is_about(told: Told, event: Event) -> bool:
    return (
        told.rule == event.rule
        and event.from_s - _EARLY_S <= told.t_s <= event.due_s + _LATE_S
        # Who runs is elsewhere when it is told; a place has its own rule.
        and (kind_of(told.rule) not in ("loitering", "crowd") or _apart_m(told, event) <= _NEAR_M)
    )


def _apart_m(told: Told, event: Event) -> float:
    return math.dist((told.east_m, told.north_m), (event.east_m, event.north_m))
