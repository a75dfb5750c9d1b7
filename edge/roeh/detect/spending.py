"""What detection spends beside what it may: readings for the budget, and what follows from them."""

from __future__ import annotations

from roeh.core.board import read_board
from roeh.core.cgroup import read_cpu_quota
from roeh.core.clock import NS_PER_S, Clock, process_cpu_ns
from roeh.core.config import NodeConfig
from roeh.core.log import log_for
from roeh.core.types import Frame
from roeh.sources.pace import OfferPace
from roeh.vision.budget import Allowance, Budget, Reading, allowances
from roeh.vision.pipeline import Pipeline

_PERIOD_NS = NS_PER_S

_log = log_for("detect")


class Spending:
    """Holds the budget of one pipeline.

    Args:
        config: of the node.
        pipeline: told what it may do.
        clock: gives the time of readings.
    """

    def __init__(self, config: NodeConfig, pipeline: Pipeline, clock: Clock) -> None:
        self._clock = clock
        self._pipeline = pipeline
        steps = allowances(config.detect, config.rules)
        self._budget = Budget(config.budget, steps)
        self._full_fps = steps[0].fps
        self._paces: dict[str, OfferPace] = {}
        self._next_ns = self._told_level = 0
        self.saved = 0

    @property
    def level(self) -> int:
        """How many things are given up."""
        return self._budget.level

    @property
    def given_up(self) -> str:
        """What is given up, in words; empty: nothing."""
        return ", ".join(self._budget.allowed.given_up)

    def wants(self, info: Frame) -> bool:
        """Whether a picture is to be looked at."""
        if self._budget.allowed.fps >= self._full_fps:
            return True
        pace = self._paces.get(info.camera_id)
        if pace is None:
            pace = self._paces[info.camera_id] = OfferPace(self._budget.allowed.fps)
        wanted = pace.wants(info.t_mono_ns)
        self.saved += not wanted
        return wanted

    def judge(self, frames: int, skipped: int) -> None:
        """Read the board once a second, and give up or back what follows.

        Args:
            frames: offered so far.
            skipped: of these, passed over for newer ones.
        """
        now_ns = self._clock.mono_ns()
        if now_ns < self._next_ns:
            return
        self._next_ns = now_ns + _PERIOD_NS
        quota = read_cpu_quota()
        before = self._budget.allowed
        allowed = self._budget.update(
            Reading(
                t_mono_ns=now_ns,
                cpu_ns=process_cpu_ns(),
                frames=frames,
                skipped=skipped,
                periods=0 if quota is None else quota.periods,
                throttled_periods=0 if quota is None else quota.throttled_periods,
                board_slowed=bool(read_board().throttled),
            )
        )
        if allowed is not before:
            self._change(allowed)

    def _change(self, allowed: Allowance) -> None:
        self._pipeline.allow(allowed)
        self._paces.clear()
        told_level, self._told_level = self._told_level, self._budget.level
        if self._told_level > told_level:
            _log.warning("given up to hold the budget: %s", ", ".join(allowed.given_up))
        else:
            _log.info("the budget lasts; given up: %s", ", ".join(allowed.given_up) or "nothing")
