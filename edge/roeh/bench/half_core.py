"""A node under a CPU quota of half a core: what it still does, and what it says it gave up."""

from __future__ import annotations

from pathlib import Path

import msgspec

from roeh.bench.processes import family
from roeh.bench.quota import cpu_quota
from roeh.core.clock import NS_PER_S, NS_PER_US, Clock
from roeh.core.config import NodeConfig
from roeh.core.errors import SourceStopped
from roeh.core.peers import NodeStatus, Role
from roeh.core.types import AlertPhase, ProcessReport
from roeh.demo.broker import choose_broker
from roeh.demo.control_room import Arrival, ControlRoom
from roeh.demo.node import DemoNode, report_of
from roeh.demo.scene import on_this_machine
from roeh.verify.checking import Beliefs, verify
from roeh.verify.report import Check

HALF_A_CORE = 0.5
_START_TIMEOUT_S = 60.0
_SPARE_S = 120.0
_POLL_S = 0.1


class UnderQuota(msgspec.Struct, frozen=True):
    """What a node did while it was held to a quota.

    Attributes:
        duration_s: so long.
        intact: the recording verified.
        gaps: in it, of all its time.
        dropped: groups of pictures that were lost on the way to evidence.
        high_alerts: raised in that time, of priority 7 and above.
        frames_per_s: analysed, between the first and the last report of detect.
        said: what detect told of itself at the end.
    """

    duration_s: float
    intact: bool
    gaps: int
    dropped: int
    high_alerts: int
    frames_per_s: float
    said: str


def measure_under_quota(
    scene: NodeConfig,
    directory: Path,
    clock: Clock,
    *,
    duration_s: float,
    cores: float = HALF_A_CORE,
) -> UnderQuota:
    """Start a node, hold it to the quota for a while, end it and verify what it recorded.

    Raises:
        RuntimeMissing: no control group can be made here.
        SourceStopped: it never looked at a picture.
    """
    broker = choose_broker(clock)
    broker.start()
    arrivals: list[Arrival] = []
    room = ControlRoom(broker.port, clock, on_arrival=arrivals.append)
    config = on_this_machine(
        scene, directory, broker_port=broker.port, duration_s=duration_s + _SPARE_S
    )
    node = DemoNode(config, directory, clock)
    try:
        room.open()
        node.start()
        _analysing(node, clock)
        with cpu_quota(family(node.pid), cores):
            before, first = len(arrivals), _detect(_status(node, clock))
            clock.wait(duration_s)
            status = _status(node, clock)
            during = arrivals[before:]
    finally:
        node.stop()
        room.close()
        broker.stop()
    report = verify(Path(config.paths.data_dir), Beliefs(), clock)
    capture, last = report_of(status, Role.CAPTURE), _detect(status)
    frames = last.counters["frames_analysed"] - first.counters["frames_analysed"]
    return UnderQuota(
        duration_s=duration_s,
        intact=all(one.check is not Check.FAIL for one in report.conclusions),
        gaps=0 if report.ledger is None else report.ledger.gaps,
        dropped=0
        if capture is None
        else round(
            sum(
                value
                for name, value in capture.counters.items()
                if name.startswith("gops_dropped_")
            )
        ),
        high_alerts=sum(
            arrival.alert.phase is AlertPhase.RAISED and arrival.alert.priority >= 7
            for arrival in during
        ),
        frames_per_s=frames * NS_PER_S / NS_PER_US / max(last.t_mono_us - first.t_mono_us, 1),
        said=f"{last.state}: {last.detail}",
    )


def _analysing(node: DemoNode, clock: Clock) -> None:
    deadline_ns = clock.mono_ns() + round(_START_TIMEOUT_S * NS_PER_S)
    while clock.mono_ns() < deadline_ns and node.exit_status is None:
        status = node.status()
        detect = None if status is None else report_of(status, Role.DETECT)
        if detect is not None and detect.counters.get("frames_analysed", 0) > 0:
            return
        clock.wait(_POLL_S)
    raise SourceStopped(
        what="no picture was analysed",
        which="the node of the bench",
        remedy="read its lines above",
    )


def _status(node: DemoNode, clock: Clock) -> NodeStatus:
    """Evidence answers late while the quota is used up."""
    while True:
        status = node.status()
        if status is not None:
            return status
        clock.wait(_POLL_S)


def _detect(status: NodeStatus) -> ProcessReport:
    report = report_of(status, Role.DETECT)
    assert report is not None, "detect had told of a picture"
    return report
