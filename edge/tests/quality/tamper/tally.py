"""What was told in each trial, counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np

from roeh.bench.rule_quality import Share
from tests.quality.tamper.acts import ORDINARY, TAMPERS, MakeAct
from tests.quality.tamper.clips import Clip
from tests.quality.tamper.light import day, night
from tests.quality.tamper.trial import Camera

LIGHTS = {"day": day, "night": night}


class Outcome(msgspec.Struct, frozen=True):
    """One trial.

    Attributes:
        act: what was done, in words; "by day" or "by night" is `light`.
        wanted: what should be told; None: nothing.
        told: all that was.
        after_s: when the first was, since the act began.
    """

    seed: int
    act: str
    light: str
    wanted: str | None
    told: tuple[str, ...]
    after_s: float | None

    @property
    def is_right(self) -> bool:
        return self.told == (() if self.wanted is None else (self.wanted,))


def tried(clip: Clip, acts: Mapping[str, MakeAct] | None = None) -> Iterator[Outcome]:
    """Every act on one clip, by day and by night."""
    for name, light in LIGHTS.items():
        seeds = [clip.seed, 2, len(name)]
        camera = Camera(clip, light(np.random.default_rng(seeds)))
        for words, make in (acts or TAMPERS | ORDINARY).items():
            act = make(clip, np.random.default_rng([*seeds, 4]))
            told = camera.suffer(act)
            yield Outcome(
                seed=clip.seed,
                act=words,
                light=name,
                wanted=None if act.kind is None else act.kind.value,
                told=tuple(one.label for one in told),
                after_s=told[0].after_s if told else None,
            )


class Tally:
    """All trials so far."""

    def __init__(self) -> None:
        self._outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)

    @property
    def right_share(self) -> Share:
        """Of the tampers."""
        return _share([one for one in self._outcomes if one.wanted is not None])

    @property
    def false_alarms(self) -> int:
        """Ordinary trials in which anything was told."""
        return sum(one.wanted is None and not one.is_right for one in self._outcomes)

    def summary(self) -> str:
        ordinary = sum(one.wanted is None for one in self._outcomes)
        return f"{self.right_share} right, {self.false_alarms} of {ordinary} false"

    def table(self, acts: Sequence[str]) -> str:
        """As Markdown: each act by day and by night, then all."""
        of: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
        for one in self._outcomes:
            of[one.act, one.light].append(one)
        lines = ["| act | to be told | by day | by night | told after |", "| --- " * 5 + "|"]
        for act in acts:
            both = [one for light in LIGHTS for one in of[act, light]]
            if not both:
                continue
            delays = [one.after_s for one in both if one.is_right and one.after_s is not None]
            after = f"{np.median(delays):.1f} s, {max(delays):.1f} at most" if delays else ""
            cells = [_counted(of[act, light]) for light in LIGHTS]
            lines.append(
                f"| {act} | {both[0].wanted or 'nothing'} | {' | '.join(cells)} | {after} |"
            )
        tampers = [one for one in self._outcomes if one.wanted is not None]
        ordinary = [one for one in self._outcomes if one.wanted is None]
        lines += ["", f"Tampers: {_counted(tampers)}. Ordinary: {_counted(ordinary)}."]
        return "\n".join(lines)


def _share(outcomes: Sequence[Outcome]) -> Share:
    return Share(right=sum(one.is_right for one in outcomes), of=len(outcomes))


def _counted(outcomes: Sequence[Outcome]) -> str:
    share = _share(outcomes)
    return f"{share.right} of {share.of}: {share}"
