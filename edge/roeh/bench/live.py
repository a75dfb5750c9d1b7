"""One clip through the whole node, every process and a broker, at the clip's own pace."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import msgspec

from roeh.bench.processes import cpu_s, family, pss_bytes
from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import SourceStopped
from roeh.core.types import AlertPhase
from roeh.demo.broker import choose_broker
from roeh.demo.control_room import Arrival, ControlRoom
from roeh.demo.node import DemoNode
from roeh.demo.scene import on_this_machine
from roeh.vision.stages import STAGES

_WARM_UP_S = 4.0
#: The footage runs on for so long, lest capture ends before the last sample.
_SPARE_S = 60.0
_FIRST_FRAME_TIMEOUT_S = 30.0
_POLL_S = 0.02


class LiveFigures(msgspec.Struct, frozen=True):
    """What a clip cost, per second of camera, in steady state.

    Attributes:
        cpu_s_per_s: all processes of the node together.
        decode_s_per_s: reading and decoding in capture.
        stages_s_per_s: each stage of detection.
        inferences_per_s: that the schedule asked for.
        model: that was used.
        pss_bytes: of all processes of the node.
        first_frame_s: from starting the node to the first picture analysed.
        delays_ms: from the instant a rule came true to the subscriber.
    """

    cpu_s_per_s: float
    decode_s_per_s: float
    offer_s_per_s: float
    stages_s_per_s: dict[str, float]
    inferences_per_s: float
    pss_bytes: int
    first_frame_s: float
    delays_ms: tuple[float, ...]


def measure_live(
    scene: NodeConfig, directory: Path, clock: Clock, *, duration_s: float
) -> LiveFigures:
    """Run a node on a scene and measure it.

    Raises:
        SourceStopped: no picture was ever analysed.
    """
    broker = choose_broker(clock)
    broker.start()
    arrivals: list[Arrival] = []
    room = ControlRoom(broker.port, clock, on_arrival=arrivals.append)
    config = on_this_machine(
        scene, directory, broker_port=broker.port, duration_s=_WARM_UP_S + duration_s + _SPARE_S
    )
    node = DemoNode(config, directory, clock)
    try:
        room.open()
        started_ns = clock.mono_ns()
        node.start()
        first_frame_s = _first_frame_ns(node, clock) / NS_PER_S - started_ns / NS_PER_S
        clock.wait(_WARM_UP_S)
        pids = family(node.pid)
        before = _Sample.take(node, pids, clock)
        clock.wait(duration_s)
        after = _Sample.take(node, pids, clock)
        pss = pss_bytes(pids)
    finally:
        node.stop()
        room.close()
        broker.stop()
    return _figures(before, after, pss, first_frame_s, arrivals)


class _Sample(msgspec.Struct, frozen=True):
    t_mono_ns: int
    cpu_s: float
    counters: dict[str, float]

    @classmethod
    def take(cls, node: DemoNode, pids: list[int], clock: Clock) -> _Sample:
        """Counters are of the newest reports, which may be seconds old: wait for fresh ones."""
        asked_us = clock.mono_ns() // NS_PER_US
        while True:
            status = node.status()
            if status is not None:
                reports = {report.process: report for report in status.reports}
                if all(
                    role in reports and reports[role].t_mono_us > asked_us
                    for role in ("capture", "detect")
                ):
                    break
            clock.wait(_POLL_S)
        counters = {
            f"{role}.{name}": value
            for role in ("capture", "detect")
            for name, value in reports[role].counters.items()
        }
        counters["capture.t_mono_us"] = reports["capture"].t_mono_us
        counters["detect.t_mono_us"] = reports["detect"].t_mono_us
        return cls(t_mono_ns=clock.mono_ns(), cpu_s=cpu_s(pids), counters=counters)


def _figures(
    before: _Sample,
    after: _Sample,
    pss: int,
    first_frame_s: float,
    arrivals: list[Arrival],
) -> LiveFigures:
    def rate(name: str) -> float:
        process = name.split(".", maxsplit=1)[0]
        clock_name = f"{process}.t_mono_us"
        elapsed_s = (after.counters[clock_name] - before.counters[clock_name]) / 1e6
        return (after.counters[name] - before.counters[name]) / elapsed_s

    def summed(prefix: str) -> float:
        return sum(rate(name) for name in before.counters if name.startswith(prefix))

    elapsed_s = (after.t_mono_ns - before.t_mono_ns) / NS_PER_S
    return LiveFigures(
        cpu_s_per_s=(after.cpu_s - before.cpu_s) / elapsed_s,
        decode_s_per_s=summed("capture.cpu_source_"),
        offer_s_per_s=summed("capture.cpu_offer_"),
        stages_s_per_s={stage: rate(f"detect.cpu_{stage}_s") for stage in STAGES},
        inferences_per_s=rate("detect.runs_inference"),
        pss_bytes=pss,
        first_frame_s=first_frame_s,
        delays_ms=tuple(
            arrival.rule_delay_us / 1000
            for arrival in arrivals
            if arrival.alert.phase is AlertPhase.RAISED
        ),
    )


def _first_frame_ns(node: DemoNode, clock: Clock) -> int:
    deadline_ns = clock.mono_ns() + int(_FIRST_FRAME_TIMEOUT_S * NS_PER_S)
    while clock.mono_ns() < deadline_ns and node.exit_status is None:
        counters = _detect_counters(node)
        first_s = counters.get("first_frame_mono_s", 0.0)
        if first_s > 0:
            return int(first_s * NS_PER_S)
        clock.wait(_POLL_S, threading.Event())
    raise SourceStopped(
        what="no picture was analysed",
        which="the node of the bench",
        remedy="read its lines above",
    )


def _detect_counters(node: DemoNode) -> Mapping[str, float]:
    status = node.status()
    if status is None:
        return {}
    return next((r.counters for r in status.reports if r.process == "detect"), {})
