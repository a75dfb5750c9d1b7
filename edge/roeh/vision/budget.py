"""The one place that holds what detection may take of the board.

While the board does not let detection keep up, it gives up one thing after the other, in
this order: predictable tracks are confirmed more rarely; fewer tiles a picture; observers of
low priority rules; pictures a second, halved down to one. Back in the reverse order.
Recording, signing, alerts, and what rules of priority 7 and above need are never given up.

Giving up is quick (2 s of strain, then a step each 3 s), giving back slow: 30 s of ease, and
twice as long each time that it proved too early, up to 8 minutes. So a step that was given
back may be given up again at once, but not come back within half a minute.

Pure: what the board says is handed in.
"""

from __future__ import annotations

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.config import BudgetSection, DetectSection, RuleSection

#: Rules from this priority up keep what they need.
KEPT_PRIORITY = 7
STRAINED_S = 2.0
GIVE_UP_S = 3.0
GIVE_BACK_S = 30.0
_MOST_GIVE_BACK_S = 480.0
#: A step that has to be given up again so soon came back too early.
_TOO_EARLY_S = 60.0
#: Strain: so much of the pictures skipped, of the quota's periods throttled.
_SKIPPED_SHARE = 0.1
_THROTTLED_SHARE = 0.25
#: Ease: this part of the share that is allowed, of the periods, and nothing skipped.
_EASY_SHARE = 0.75
_EASY_THROTTLED_SHARE = 0.05
#: Pictures a second are not given up below.
_LEAST_FPS = 1.0
PREDICTABLE_EVERY_S = 0.4
#: Rules whose observer looks at pixels of every picture.
_COSTLY_KINDS = ("object_left", "scuffle")
_RARELY_S = 0.8
_RARELY = "frequent looks at predictable tracks"


class Reading(msgspec.Struct, frozen=True):
    """What the board says; counters since the process began.

    Attributes:
        t_mono_ns: when.
        cpu_ns: of this process.
        frames: pictures analysed, and skipped for newer ones.
        skipped: of these, the skipped.
        periods: of the control group's quota; 0 without one.
        throttled_periods: of these, those in which the group was held back.
        board_slowed: the board holds its processor back, for heat or for power.
    """

    t_mono_ns: int
    cpu_ns: int
    frames: int
    skipped: int
    periods: int = 0
    throttled_periods: int = 0
    board_slowed: bool = False


class Allowance(msgspec.Struct, frozen=True):
    """What detection may do.

    Attributes:
        predictable_every_s: how often predictable tracks are confirmed.
        max_tiles: in one picture.
        low_observers: whether observers run for rules of low priority.
        fps: pictures a second.
        given_up: what is given up, in words, in the order in which it was.
    """

    predictable_every_s: float
    max_tiles: int
    low_observers: bool
    fps: float
    given_up: tuple[str, ...] = ()


def observer_kept(rule: RuleSection, *, low_observers: bool) -> bool:
    """Whether a rule keeps its observer of pictures."""
    is_low = rule.__struct_config__.tag in _COSTLY_KINDS and rule.priority < KEPT_PRIORITY
    return low_observers or not is_low


def allowances(detect: DetectSection, rules: tuple[RuleSection, ...]) -> tuple[Allowance, ...]:
    """All that may be allowed, from everything to least; each gives up one thing more."""
    everything = Allowance(
        predictable_every_s=PREDICTABLE_EVERY_S,
        max_tiles=detect.max_tiles_per_frame,
        low_observers=True,
        fps=detect.fps,
    )
    change = msgspec.structs.replace
    steps = [everything, change(everything, predictable_every_s=_RARELY_S, given_up=(_RARELY,))]
    if detect.max_tiles_per_frame > 1:
        tiles = max(1, detect.max_tiles_per_frame // 2)
        words = (*steps[-1].given_up, f"tiles a picture ({tiles} left)")
        steps.append(change(steps[-1], max_tiles=tiles, given_up=words))
    if any(not observer_kept(rule, low_observers=False) for rule in rules):
        words = (*steps[-1].given_up, "observers of low priority rules")
        steps.append(change(steps[-1], low_observers=False, given_up=words))
    before = steps[-1].given_up
    while steps[-1].fps > _LEAST_FPS:
        fps = max(_LEAST_FPS, steps[-1].fps / 2)
        words = (*before, f"pictures ({fps:g} a second left)")
        steps.append(change(steps[-1], fps=fps, given_up=words))
    return tuple(steps)


class Budget:
    """Judges readings, one a second or so, and says what detection may do from then on.

    Args:
        settings: of the configuration.
        steps: from `allowances`.
    """

    def __init__(self, settings: BudgetSection, steps: tuple[Allowance, ...]) -> None:
        self._max_share = settings.max_share
        self._steps = steps
        # Pictures come last: a hot board alone does not cost them.
        self._last_for_heat = sum(step.fps == steps[0].fps for step in steps) - 1
        self._level = 0
        self._last: Reading | None = None
        self._strained_ns: int | None = None
        self._easy_ns: int | None = None
        self._given_up_ns = self._given_back_ns = 0
        self._give_back_s = GIVE_BACK_S

    @property
    def allowed(self) -> Allowance:
        """What detection may do now."""
        return self._steps[self._level]

    @property
    def level(self) -> int:
        """How many steps are given up."""
        return self._level

    def update(self, now: Reading) -> Allowance:
        """Judge the time since the last reading."""
        before, self._last = self._last, now
        if before is None or now.t_mono_ns <= before.t_mono_ns:
            return self.allowed
        strain, ease = self._judge(before, now)
        self._strained_ns = (self._strained_ns or before.t_mono_ns) if strain else None
        self._easy_ns = (self._easy_ns or before.t_mono_ns) if ease else None
        if self._may_give_up(now):
            self._give_up(now.t_mono_ns)
        elif self._may_give_back(now.t_mono_ns):
            self._level -= 1
            self._given_back_ns = now.t_mono_ns
        return self.allowed

    def _judge(self, before: Reading, now: Reading) -> tuple[bool, bool]:
        """Whether there was strain, and whether there was ease."""
        share = (now.cpu_ns - before.cpu_ns) / (now.t_mono_ns - before.t_mono_ns)
        skipped = _part(now.skipped - before.skipped, now.frames - before.frames)
        throttled = _part(
            now.throttled_periods - before.throttled_periods, now.periods - before.periods
        )
        over = self._max_share > 0 and share > self._max_share
        hot = now.board_slowed and self._level < self._last_for_heat
        easy = self._max_share <= 0 or share <= _EASY_SHARE * self._max_share
        return (
            over or skipped > _SKIPPED_SHARE or throttled > _THROTTLED_SHARE or hot,
            easy and not now.board_slowed and skipped <= 0 and throttled <= _EASY_THROTTLED_SHARE,
        )

    def _may_give_up(self, now: Reading) -> bool:
        return (
            self._strained_ns is not None
            and self._level < len(self._steps) - 1
            and now.t_mono_ns - self._strained_ns >= STRAINED_S * NS_PER_S
            and (not self._level or now.t_mono_ns - self._given_up_ns >= GIVE_UP_S * NS_PER_S)
        )

    def _give_up(self, t_mono_ns: int) -> None:
        came_back_early = self._given_back_ns > self._given_up_ns and (
            t_mono_ns - self._given_back_ns < _TOO_EARLY_S * NS_PER_S
        )
        if came_back_early:
            self._give_back_s = min(2 * self._give_back_s, _MOST_GIVE_BACK_S)
        elif not self._level:
            self._give_back_s = GIVE_BACK_S
        self._level += 1
        self._given_up_ns = t_mono_ns

    def _may_give_back(self, t_mono_ns: int) -> bool:
        if not self._level or self._easy_ns is None:
            return False
        since_ns = max(self._easy_ns, self._given_up_ns, self._given_back_ns)
        return t_mono_ns - since_ns >= self._give_back_s * NS_PER_S


def _part(part: int, whole: int) -> float:
    return part / whole if whole > 0 else 0.0
