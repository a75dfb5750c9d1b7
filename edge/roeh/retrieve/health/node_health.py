"""How the node is, in the form that the page and /health.json show. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from roeh.core.clock import NS_PER_S, NS_PER_US, ClockReading
from roeh.core.config import NodeConfig
from roeh.core.peers import NodeStatus, Role
from roeh.core.types import ClockState, ProcessReport

Condition = Literal["blind", "silent", "stopped", "degraded", "starting", "ok"]

#: The node is as well as the worst of its processes.
_WORST_FIRST: tuple[Condition, ...] = ("blind", "silent", "stopped", "degraded", "starting", "ok")

#: A process speaks every five seconds; after three times that it may be gone.
SILENT_AFTER_US = 15 * NS_PER_S // NS_PER_US

_PROCESSES = (Role.CAPTURE, Role.DETECT, Role.EVIDENCE, Role.PUBLISH, Role.RETRIEVE)


class ProcessHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One process; `last_heard_us` ago it said so, None when it never did."""

    process: str
    condition: Condition
    detail: str
    last_heard_us: int | None


class OutboxHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What waits on disk for the broker; `evicted` and `refused` only grow."""

    rows: int
    bytes: int
    oldest_age_us: int
    evicted: int
    refused: int


class NodeHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The body of /health.json while evidence answers."""

    schema: Literal["roeh/node-health/1"] = "roeh/node-health/1"
    site: str
    node: str
    software: str
    boot_id: str
    t_utc_us: int
    clock: ClockState
    condition: Condition
    processes: tuple[ProcessHealth, ...]
    alerts_stored: int
    outbox: OutboxHealth
    storage_state: str


class HealthUnknown(msgspec.Struct, frozen=True, kw_only=True):
    """The body of /health.json, with status 503, while evidence does not answer."""

    schema: Literal["roeh/node-health-unknown/1"] = "roeh/node-health-unknown/1"
    site: str
    node: str
    software: str
    what: str
    remedy: str


def node_health(
    config: NodeConfig, status: NodeStatus, now: ClockReading, software: str
) -> NodeHealth:
    """Put a status into the words of the page: every process is named, heard or not."""
    reports = {report.process: report for report in status.reports}
    processes = tuple(
        _process_health(role.value, reports.get(role.value), status.t_mono_us)
        for role in _PROCESSES
    )
    conditions = {process.condition for process in processes}
    return NodeHealth(
        site=config.node.site,
        node=config.node.name,
        software=software,
        boot_id=status.boot_id,
        t_utc_us=now.t_utc_ns // NS_PER_US,
        clock=ClockState(synchronised=now.synchronised, error_us=now.utc_error_ns // NS_PER_US),
        condition=next(condition for condition in _WORST_FIRST if condition in conditions),
        processes=processes,
        alerts_stored=status.alerts_stored,
        outbox=OutboxHealth(
            rows=status.outbox_rows,
            bytes=status.outbox_bytes,
            oldest_age_us=status.outbox_oldest_age_us,
            evicted=status.outbox_evicted,
            refused=status.outbox_refused,
        ),
        storage_state=status.storage_state,
    )


def _process_health(process: str, report: ProcessReport | None, now_us: int) -> ProcessHealth:
    if report is None:
        return ProcessHealth(
            process=process,
            condition="silent",
            detail="has said nothing since evidence started",
            last_heard_us=None,
        )
    last_heard_us = max(0, now_us - report.t_mono_us)
    if last_heard_us > SILENT_AFTER_US and report.state != "stopped":
        return ProcessHealth(
            process=process,
            condition="silent",
            detail=f"last said {report.state}" + (f": {report.detail}" if report.detail else ""),
            last_heard_us=last_heard_us,
        )
    return ProcessHealth(
        process=process,
        condition=report.state,
        detail=report.detail,
        last_heard_us=last_heard_us,
    )


def exports_waiting(status: NodeStatus) -> int:
    """Exports that were agreed to and are not built yet, as evidence counts them."""
    for report in status.reports:
        if report.process == Role.EVIDENCE.value:
            states = ("approved", "building")
            return sum(int(report.counters.get(f"exports_{state}", 0)) for state in states)
    return 0
