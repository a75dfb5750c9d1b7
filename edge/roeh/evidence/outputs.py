"""Outputs: whether a light, a siren or a message is let on, by an alert or by an order.

Decided and put on record in the transaction of its cause; capture is told when that is committed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from roeh.core.clock import NS_PER_US, Clock
from roeh.core.config import NodeConfig, OutputSection
from roeh.core.log import log_for
from roeh.core.orders import DeterOrder, Reason
from roeh.core.outputs import MAX_OUTPUTS_ON, OutputOn, OutputsOn, TakeOutputs
from roeh.core.peers import Verb
from roeh.core.schedule import schedules_of
from roeh.core.types import Alert, AlertPhase
from roeh.evidence.answerers import Answerer
from roeh.ledger.database import NodeDatabase
from roeh.ledger.log import Log
from roeh.ledger.outputs import let_on_since, off_at_mono_us, uses_of, why_not_on
from roeh.ledger.records import OutputRecord

#: An alert that is stored later than this after it was raised lets nothing on any more.
_FRESH_US = 10_000_000
_MS_PER_S = 1000

_log = log_for("evidence")


class Outputs:
    """Decides over all outputs of a node. Safe to call from several threads.

    Args:
        config: which there are, with their limits, and the rules that let them on.
        clock: of the node.
        database: of its ledger.
        log: the ledger.
        age_us: how long the node has run.
    """

    def __init__(
        self,
        config: NodeConfig,
        clock: Clock,
        database: NodeDatabase,
        log: Log,
        age_us: Callable[[], int],
    ) -> None:
        self._clock = clock
        self._database = database
        self._log = log
        self._age_us = age_us
        self._sections = {section.name: section for section in config.outputs}
        self._schedules = schedules_of(config)
        self._of_rule = {rule.name: rule.outputs for rule in config.rules}
        self._changed = database.lock.condition()
        self._is_over = False
        self.answerers: dict[Verb, Answerer] = {Verb.OUTPUTS_TAKE: self._take}

    def on_alert(self, connection: sqlite3.Connection, alert: Alert) -> None:
        """An AlertWitness: what the rule of an alert that is raised lets on."""
        if alert.phase is not AlertPhase.RAISED:
            return
        for name in self._of_rule.get(alert.rule, ()):
            section = self._sections[name]
            refused = self._why_late(alert) or self._why_not(connection, section)
            on_ms = 0 if refused else round(section.longest_on_s * _MS_PER_S)
            self._record(connection, name, "alert", alert.raised_id, on_ms=on_ms, refused=refused)
            if refused is None:
                # Whoever waits has the lock only when this is committed.
                self._changed.notify_all()

    def why_refused(self, connection: sqlite3.Connection, order: DeterOrder) -> Reason | None:
        """Why an order is not carried out now; to let an output off is never refused."""
        if order.on_s == 0:
            return None
        section = self._sections[order.output]
        if order.on_s > section.longest_on_s:
            return Reason.OUTPUT_TOO_LONG
        return self._why_not(connection, section)

    def on_order(
        self,
        connection: sqlite3.Connection,
        command_id: str,
        order: DeterOrder,
        refused: Reason | None,
    ) -> None:
        """Put an order on record, in the transaction of its command."""
        on_ms = 0 if refused else order.on_s * _MS_PER_S
        self._record(connection, order.output, "command", command_id, on_ms=on_ms, refused=refused)

    def wake(self) -> None:
        """End every question that waits; none waits from now on."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _why_late(self, alert: Alert) -> Reason | None:
        now = self._clock.read()
        age_us = now.t_mono_ns // NS_PER_US - alert.t_mono_us
        is_fresh = alert.boot_id == now.boot_id and age_us <= _FRESH_US
        return None if is_fresh else Reason.ALERT_TOO_LATE

    def _why_not(self, connection: sqlite3.Connection, section: OutputSection) -> Reason | None:
        schedule = self._schedules.get(section.schedule)
        if schedule is not None and not schedule.holds(self._clock.read().t_utc_ns):
            return Reason.OUTPUT_OUTSIDE_HOURS
        age_us = self._age_us()
        return why_not_on(section, uses_of(connection, section.name, age_us), age_us)

    def _record(
        self,
        connection: sqlite3.Connection,
        name: str,
        cause: str,
        cause_id: str,
        *,
        on_ms: int,
        refused: Reason | None,
    ) -> None:
        record = OutputRecord(
            output=name,
            cause="alert" if cause == "alert" else "command",
            cause_id=cause_id,
            on_ms=on_ms,
            refused="" if refused is None else refused.value,
            age_us=self._age_us(),
        )
        self._log.append(connection, record)
        _log.info(
            "output %s, %s %s: %s",
            *(name, cause, cause_id),
            f"on for {on_ms} ms" if refused is None else refused.value,
        )

    def _take(self, request: TakeOutputs) -> OutputsOn:
        answer = OutputsOn((), 0)

        def found() -> bool:
            nonlocal answer
            answer = self._on_since(request.from_leaf)
            return self._is_over or bool(answer.items) or request.from_leaf is None

        with self._changed:
            self._changed.wait_for(found, request.wait_s)
        return answer

    def _on_since(self, from_leaf: int | None) -> OutputsOn:
        """What is still to be on, of what capture does not know."""
        now = self._clock.read()
        with self._database.reading() as connection:
            size = self._log.size(connection)
            if from_leaf is None:
                return OutputsOn((), size)
            records = let_on_since(connection, now.boot_id, from_leaf, MAX_OUTPUTS_ON)
        # A rebuild may have lost records that capture knows.
        next_leaf = size if len(records) < MAX_OUTPUTS_ON else records[-1].leaf + 1
        now_us = now.t_mono_ns // NS_PER_US
        items = tuple(
            OutputOn(record.body.output, off_at_mono_us(record))
            for record in records
            if isinstance(record.body, OutputRecord) and off_at_mono_us(record) > now_us
        )
        return OutputsOn(items, next_leaf)
