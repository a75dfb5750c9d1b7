"""What the pole raised beside what the control room got."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from roeh.core.config import NodeConfig
from roeh.core.delivery import OutboxKind
from roeh.core.paths import node_database
from roeh.core.peers import NodeStatus, Role
from roeh.core.types import Alert, AlertPhase
from roeh.demo.control_room import Arrival
from roeh.demo.exported import ExportedEvidence
from roeh.demo.node import report_of
from roeh.demo.recorded import RecordedEvidence
from roeh.ledger.alerts import read_alerts
from roeh.ledger.database import open_database
from roeh.ledger.outbox import Outbox


class DemoCounts(msgspec.Struct, frozen=True):
    """The demo's last line.

    Attributes:
        alerts_raised: durable on the pole.
        alerts_delivered: of those, committed in the desk's database.
        alerts_lost: of those, neither committed there nor waiting on the pole.
        messages: raised alerts with their updates and clears.
        messages_lost: of those, neither committed nor waiting.
        messages_waiting: of those, waiting on the pole: the demo was cut short.
        delay_median_ms: of raised alerts, from the instant of the picture to the subscriber.
        rule_delay_median_ms: likewise, from the instant the rule came true.
        camera_delay_ms: the part of the first that the drawn or decoded picture took until
            it was offered to detection, on average; a real camera has its own.
        evidence: what was recorded, and the verifier's word on it; None when nothing was.
        witnessed_records: of the pole's ledger, that the witness has seen and signed.
        exported: what two officers took from the pole; None when there was nothing to take.
    """

    scene: str
    broker: str
    alerts_raised: int
    alerts_delivered: int
    alerts_lost: int
    messages: int
    messages_lost: int
    messages_waiting: int
    thumbnails_delivered: int
    delay_median_ms: float | None
    delay_p95_ms: float | None
    rule_delay_median_ms: float | None
    rule_delay_p95_ms: float | None
    camera_delay_ms: float | None
    picture: str
    evidence: RecordedEvidence | None
    witnessed_records: int
    exported: ExportedEvidence | None


class StoredAlerts(msgspec.Struct, frozen=True):
    """What node.db holds: every alert message, and the ids of those that wait."""

    alerts: Sequence[Alert]
    waiting_ids: frozenset[str]

    @classmethod
    def of(cls, config: NodeConfig) -> StoredAlerts:
        """Read them; the node has ended."""
        database = open_database(node_database(config))
        try:
            alerts = read_alerts(database)
            outbox = Outbox(database, max_bytes=config.outbox.max_bytes)
            waiting = outbox.take(len(alerts) * len(OutboxKind), ())
        finally:
            database.close()
        waiting_ids = (item.alert_id for item in waiting if item.kind is OutboxKind.ALERT)
        return cls(alerts, frozenset(waiting_ids))

    @property
    def sent_ids(self) -> frozenset[str]:
        """Those that left the pole."""
        return frozenset(alert.id for alert in self.alerts) - self.waiting_ids


def count(
    stored: StoredAlerts,
    arrivals: dict[str, Arrival],
    committed_ids: frozenset[str],
    *,
    scene: str,
    broker: str,
    thumbnails: int,
    camera_delay_ms: float | None,
    picture: str,
    evidence: RecordedEvidence | None,
    witnessed_records: int,
    exported: ExportedEvidence | None,
) -> DemoCounts:
    """Compare what is durable on the pole with what is in the desk's database."""
    raised = [alert for alert in stored.alerts if alert.phase is AlertPhase.RAISED]
    first = [a for a in arrivals.values() if a.alert.phase is AlertPhase.RAISED]
    delays_ms = [arrival.delay_us / 1000 for arrival in first]
    rule_delays_ms = [arrival.rule_delay_us / 1000 for arrival in first]

    def lost(alerts: Iterable[Alert]) -> int:
        return sum(
            alert.id not in committed_ids and alert.id not in stored.waiting_ids for alert in alerts
        )

    return DemoCounts(
        scene=scene,
        broker=broker,
        alerts_raised=len(raised),
        alerts_delivered=sum(alert.id in committed_ids for alert in raised),
        alerts_lost=lost(raised),
        messages=len(stored.alerts),
        messages_lost=lost(stored.alerts),
        messages_waiting=sum(
            alert.id not in committed_ids and alert.id in stored.waiting_ids
            for alert in stored.alerts
        ),
        thumbnails_delivered=thumbnails,
        delay_median_ms=_quantile(delays_ms, 0.5),
        delay_p95_ms=_quantile(delays_ms, 0.95),
        rule_delay_median_ms=_quantile(rule_delays_ms, 0.5),
        rule_delay_p95_ms=_quantile(rule_delays_ms, 0.95),
        camera_delay_ms=camera_delay_ms,
        picture=picture,
        evidence=evidence,
        witnessed_records=witnessed_records,
        exported=exported,
    )


def camera_delay_ms(status: NodeStatus | None) -> float | None:
    """From the instant of a picture until it was offered to detection, on average."""
    capture = None if status is None else report_of(status, Role.CAPTURE)
    if capture is None:
        return None

    def total(prefix: str) -> float:
        return sum(v for name, v in capture.counters.items() if name.startswith(prefix))

    offered = total("frames_offered_")
    return round(total("age_offered_") / offered * 1000, 1) if offered else None


def _quantile(values: list[float], share: float) -> float | None:
    if not values:
        return None
    return round(sorted(values)[min(len(values) - 1, int(share * len(values)))], 1)
