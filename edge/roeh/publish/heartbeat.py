"""When the node says how it is, and what it says."""

from __future__ import annotations

import roeh
from roeh.core.clock import NS_PER_S, NS_PER_US, ClockReading
from roeh.core.peers import NodeStatus
from roeh.core.types import ClockState
from roeh.publish.certificates import Certificates
from roeh.transport.messages import (
    MAX_ALARM_CHARS,
    MAX_ALARMS,
    STORAGE_OK,
    HealthMessage,
    NodeCondition,
    OutboxHealth,
    process_details,
    process_states,
    worst_condition,
)


class Heartbeat:
    """Due after `heartbeat_s`, and at once when a process changed its state."""

    def __init__(self, site: str, node: str, heartbeat_s: float) -> None:
        self._site = site
        self._node = node
        self._heartbeat_s = heartbeat_s
        self._said: dict[str, NodeCondition] | None = None
        self._said_ns = 0

    def begin(self) -> None:
        """A new connection: nothing was said on it."""
        self._said = None

    def beat(
        self,
        status: NodeStatus,
        reading: ClockReading,
        connection_number: int,
        certificates: Certificates,
    ) -> HealthMessage | None:
        """The message that is due now, if one is; it counts as said."""
        states = process_states(status)
        age_ns = reading.t_mono_ns - self._said_ns
        if states == self._said and age_ns < self._heartbeat_s * NS_PER_S:
            return None
        self._said, self._said_ns = states, reading.t_mono_ns
        board, now_us = status.board, reading.t_utc_ns // NS_PER_US
        days = (board.certificate_days, certificates.own_days(now_us))
        # What is left out of the JSON is the very object, not its equal.
        is_ok = status.storage_state == STORAGE_OK
        storage_state = STORAGE_OK if is_ok else status.storage_state
        return HealthMessage(
            site=self._site,
            node=self._node,
            boot_id=reading.boot_id,
            connection_number=connection_number,
            t_utc_us=now_us,
            clock=ClockState(
                synchronised=reading.synchronised, error_us=reading.utc_error_ns // NS_PER_US
            ),
            software=roeh.__version__,
            heartbeat_s=self._heartbeat_s,
            condition=worst_condition(states),
            processes=states,
            details=process_details(status),
            alerts_stored=status.alerts_stored,
            outbox=OutboxHealth(
                rows=status.outbox_rows,
                bytes=status.outbox_bytes,
                oldest_age_us=status.outbox_oldest_age_us,
                evicted=status.outbox_evicted,
                refused=status.outbox_refused,
            ),
            storage_state=storage_state,
            alarms=tuple(alarm[:MAX_ALARM_CHARS] for alarm in status.alarms[:MAX_ALARMS]),
            retention_us=board.retention_us,
            temperature_c=_rounded(board.temperature_c, 1),
            throttled=board.throttled,
            wear_percent=_rounded(board.wear_percent, 2),
            certificate_days=min((day for day in days if day is not None), default=None),
            broker_certificate_days=certificates.broker_days(now_us),
            witnessed_age_us=board.witnessed_age_us,
            statements_refused=board.statements_refused,
            checkpoint=status.checkpoint,
        )


def _rounded(figure: float | None, digits: int) -> float | None:
    return None if figure is None else round(figure, digits)
