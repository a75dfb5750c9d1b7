"""CPU time by stage, for the bench and the health report."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from roeh.core.clock import thread_cpu_ns

STAGES = (
    "convert", "motion", "remap", "inference", "locate", "track", "observe", "rules", "thumbnail",
)  # fmt: skip


class StageTimes:
    """Cumulative CPU time of one thread in each stage of analysis, and how often it ran."""

    def __init__(self) -> None:
        self._cpu_ns = dict.fromkeys(STAGES, 0)
        self._runs = dict.fromkeys(STAGES, 0)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside towards a stage."""
        start_ns = thread_cpu_ns()
        try:
            yield
        finally:
            self._cpu_ns[name] += thread_cpu_ns() - start_ns
            self._runs[name] += 1

    def counters(self) -> dict[str, float]:
        """`cpu_<stage>_s` and `runs_<stage>` of every stage."""
        counted: dict[str, float] = {}
        for name in STAGES:
            counted[f"cpu_{name}_s"] = self._cpu_ns[name] / 1e9
            counted[f"runs_{name}"] = self._runs[name]
        return counted
