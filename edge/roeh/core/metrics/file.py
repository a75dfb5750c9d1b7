"""A process's file of metrics, for a node exporter's textfile collector.

It never stops a process: a directory that cannot be written to is one line in the log.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from roeh import __version__
from roeh.core.clock import NS_PER_S, Clock, process_cpu_ns
from roeh.core.config import DeskConfig, NodeConfig
from roeh.core.log import log_for
from roeh.core.metrics.table import CONDITIONS
from roeh.core.metrics.text import exposition

_MODE = 0o644
_LOG = log_for("metrics")


class MetricsFile:
    """`<directory>/roeh_<process>.prom`, written anew now and then; whole at any time.

    Args:
        directory: there already; where the collector looks.
        process: its name in the table.
        labels: for every line: site and node.
        interval_s: the least time between two.
        clock: says when.
    """

    def __init__(
        self,
        directory: Path,
        process: str,
        labels: Mapping[str, str],
        interval_s: float,
        clock: Clock,
    ) -> None:
        self.path = directory / f"roeh_{process}.prom"
        self._process = process
        self._labels = {**labels, "process": process}
        self._interval_ns = round(interval_s * NS_PER_S)
        self._clock = clock
        self._due_ns = clock.mono_ns()
        self._is_well = True

    @property
    def due_ns(self) -> int:
        """When the next is due, monotonic."""
        return self._due_ns

    def write_if_due(self, condition: str, counters: Mapping[str, float]) -> bool:
        """Write it when it is time; whether it was.

        Args:
            condition: the process's: "ok", "degraded", ...
            counters: as in its report.
        """
        now_ns = self._clock.mono_ns()
        if now_ns < self._due_ns:
            return False
        self._due_ns = now_ns + self._interval_ns
        self.write(condition, counters)
        return True

    def write(self, condition: str, counters: Mapping[str, float]) -> None:
        """Write it now."""
        common = {f"condition_{name}": float(name == condition) for name in CONDITIONS}
        common["cpu_process_s"] = process_cpu_ns() / NS_PER_S
        common["written_utc_s"] = self._clock.read().t_utc_ns / NS_PER_S
        common[f"version_{__version__}"] = 1.0
        text = exposition(self._process, {**common, **counters}, self._labels)
        # The collector reads what ends in .prom.
        fresh = self.path.with_name(f".{self.path.name}.new")
        try:
            _write_new(fresh, text)
            fresh.replace(self.path)
        except OSError as error:
            if self._is_well:
                _LOG.warning(
                    "metrics cannot be written to %s (%s): check metrics.dir",
                    self.path,
                    error.strerror,
                )
            self._is_well = False
        else:
            self._is_well = True


def _write_new(path: Path, text: str) -> None:
    """A file that was not there: processes of several users write to one directory.

    What one of them put there may be a link to a file of another's.
    """
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor has no path
        file.write(text)
        os.fchmod(descriptor, _MODE)


def node_metrics(config: NodeConfig, process: str, clock: Clock) -> MetricsFile | None:
    """The file of a node's process; None when none is wanted."""
    section = config.metrics
    if not section.dir:
        return None
    labels = {"site": config.node.site, "node": config.node.name}
    return MetricsFile(Path(section.dir), process, labels, section.interval_s, clock)


def desk_metrics(config: DeskConfig, process: str, clock: Clock) -> MetricsFile | None:
    """The file of a part of a desk; None when none is wanted."""
    section = config.metrics
    if not section.dir:
        return None
    labels = {"site": "desk", "node": config.name}
    return MetricsFile(Path(section.dir), process, labels, section.interval_s, clock)
