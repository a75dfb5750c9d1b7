"""The desk's own alarms, kept in step with what holds: called by ingest in its transactions."""

from __future__ import annotations

from collections.abc import Sequence

from roeh.core.clock import Clock
from roeh.core.config import DeskConfig
from roeh.core.types import Alert
from roeh.desk.alarms.choice import SHELVING_IS_OVER
from roeh.desk.alarms.desk_findings import (
    certificate_findings,
    clock_findings,
    deaf_findings,
    leap_findings,
)
from roeh.desk.alarms.desk_work import record_step
from roeh.desk.alarms.facts import new_losses, read_facts, witness_finding
from roeh.desk.alarms.intake import take_alerts
from roeh.desk.alarms.own import (
    INCIDENTS,
    PRIORITIES,
    Finding,
    OwnKind,
    changes,
    findings_of,
)
from roeh.desk.alarms.rows import AlarmRow, alarms_where, keep_standing, own_alarm_id
from roeh.desk.alarms.states import DESK, ConditionOver, as_of, take
from roeh.desk.audit.log import AuditAction, AuditLog
from roeh.desk.commit_hook import DeskFacts
from roeh.desk.operators import the_desk
from roeh.desk.pole import Pole
from roeh.desk.store import Transaction

#: How often conditions are looked at: a condition is alarmed this late at the most.
_LOOK_EVERY_US = 5_000_000
_MAX_PER_TRANSACTION = 500
#: Of one kind and pole: further ones are counted and not alarmed.
_MAX_OPEN_INCIDENTS = 20
#: More conditions than poles can have.
_MAX_HELD = 1_000_000

_INSERT = (
    "INSERT INTO alarm (id, site, node, kind, is_own, subject, rule, zone, label, priority,"
    " phase, detail, messages, state, version, changed_by, t_changed_utc_us, is_kept,"
    " t_first_utc_us, t_last_utc_us, t_opened_utc_us, t_over_utc_us)"
    " VALUES (?, ?, ?, ?, 1, ?, '', '', '', ?, 'raised', ?, 0, 'new', 0, ?, ?, 0, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO NOTHING"
)


class AlarmHook:
    """A CommitHook: alerts become alarms, and conditions the desk's own."""

    def __init__(self, config: DeskConfig, audit: AuditLog, clock: Clock) -> None:
        self._settings = config.ingest
        self._audit = audit
        self._clock = clock
        self._look_due_us = 0

    def on_alerts(self, transaction: Transaction, alerts: Sequence[Alert], now_utc_us: int) -> None:
        """Open or continue the alarms of these."""
        take_alerts(transaction, alerts, now_utc_us)

    def on_two_payloads(
        self, transaction: Transaction, pole: Pole, message_id: str, now_utc_us: int
    ) -> None:
        """An incident: a pole says two things under one name, or somebody else does."""
        if _open_incidents(transaction, OwnKind.TWO_PAYLOADS, pole) >= _MAX_OPEN_INCIDENTS:
            return
        finding = Finding(
            kind=OwnKind.TWO_PAYLOADS,
            site=pole.site,
            node=pole.node,
            words=f"two different messages under the id {message_id}; the first is kept",
            priority=PRIORITIES[OwnKind.TWO_PAYLOADS],
            key=message_id,
        )
        self._raise(transaction, finding, now_utc_us)

    def on_count_again(
        self, transaction: Transaction, pole: Pole, seq: int, now_utc_us: int
    ) -> None:
        """An incident, one until a person closed it: alerts that overtake tell it again."""
        if _open_incidents(transaction, OwnKind.COUNT_AGAIN, pole):
            return
        finding = Finding(
            kind=OwnKind.COUNT_AGAIN,
            site=pole.site,
            node=pole.node,
            words=f"it counts its alerts from #{seq} again: installed anew, its database put back,"
            " or another speaks under its name; all that it says is stored",
            priority=PRIORITIES[OwnKind.COUNT_AGAIN],
            key=f"{now_utc_us}",
        )
        self._raise(transaction, finding, now_utc_us)

    def on_witness_alarm(self, transaction: Transaction, row: int, now_utc_us: int) -> None:
        """An incident: a witness saw a ledger that is not one history."""
        self._raise(transaction, witness_finding(transaction, row), now_utc_us)

    def on_time(self, transaction: Transaction, desk: DeskFacts, now_utc_us: int) -> None:
        """Shelvings end; conditions are raised and are over."""
        self._end_shelvings(transaction, now_utc_us)
        # A clock that was set back must not put this off for as long.
        if self._look_due_us - _LOOK_EVERY_US <= now_utc_us < self._look_due_us:
            return
        self._look_due_us = now_utc_us + _LOOK_EVERY_US
        self._look(transaction, desk, now_utc_us)

    def _look(self, transaction: Transaction, desk: DeskFacts, now_utc_us: int) -> None:
        facts = read_facts(transaction, self._settings, desk, now_utc_us)
        found = [finding for one in facts for finding in findings_of(one)]
        found += clock_findings(self._clock.read())
        found += certificate_findings(desk, now_utc_us)
        found += leap_findings(transaction)
        found += deaf_findings(transaction, self._settings, desk, now_utc_us)
        held = alarms_where(transaction, "is_own = 1 AND t_over_utc_us IS NULL", (), _MAX_HELD)
        by_subject = {(OwnKind(one.kind), one.site, one.node, one.subject): one for one in held}
        news = changes(frozenset(by_subject), tuple(found))
        for finding in (*new_losses(transaction), *news.raised):
            self._raise(transaction, finding, now_utc_us)
        for subject in news.over:
            self._over(transaction, by_subject[subject], now_utc_us)
        for finding in found:
            known = by_subject.get(finding.subject)
            if known is not None and (known.detail, known.priority) != (
                finding.words,
                max(known.priority, finding.priority),
            ):
                transaction.execute(
                    "UPDATE alarm SET detail = ?, priority = ?, t_last_utc_us = ? WHERE id = ?",
                    (finding.words, max(known.priority, finding.priority), now_utc_us, known.id),
                )

    def _raise(self, transaction: Transaction, finding: Finding, now_utc_us: int) -> None:
        # An incident is over as soon as it happened, and is the same whenever it is told.
        is_incident = finding.kind in INCIDENTS
        since_us = None if is_incident else now_utc_us
        alarm_id = own_alarm_id(
            finding.kind.value, finding.site, finding.node, finding.key, since_us
        )
        row = (
            alarm_id,
            finding.site,
            finding.node,
            finding.kind.value,
            finding.key,
            finding.priority,
            finding.words,
            DESK,
            now_utc_us,
            now_utc_us,
            now_utc_us,
            now_utc_us,
            now_utc_us if is_incident else None,
        )
        if transaction.insert_new(_INSERT, [row]) == [True]:
            where = f"{finding.site}/{finding.node} " if finding.site else ""
            self._audit.append(
                transaction,
                the_desk(),
                AuditAction.ALARM_RAISED,
                alarm_id,
                detail=f"{where}{finding.kind.value}: {finding.words}",
            )

    def _over(self, transaction: Transaction, alarm: AlarmRow, now_utc_us: int) -> None:
        transaction.execute(
            "UPDATE alarm SET t_over_utc_us = ?, phase = 'cleared', t_last_utc_us = ? WHERE id = ?",
            (now_utc_us, now_utc_us, alarm.id),
        )
        taken = take(
            alarm.standing, ConditionOver(), by=DESK, now_utc_us=now_utc_us, which=alarm.short_id
        )
        if taken.steps:
            keep_standing(transaction, alarm, taken.standing)
        for step in taken.steps:
            record_step(transaction, self._audit, alarm, step, the_desk())

    def _end_shelvings(self, transaction: Transaction, now_utc_us: int) -> None:
        due = alarms_where(
            transaction,
            SHELVING_IS_OVER,
            (now_utc_us, now_utc_us),
            _MAX_PER_TRANSACTION,
        )
        for alarm in due:
            taken = as_of(alarm.standing, now_utc_us)
            keep_standing(transaction, alarm, taken.standing)
            for step in taken.steps:
                record_step(transaction, self._audit, alarm, step, the_desk())


def _open_incidents(transaction: Transaction, kind: OwnKind, pole: Pole) -> int:
    """How many of this kind of a pole nobody has closed."""
    ((count,),) = transaction.values(
        "SELECT COUNT(*) FROM alarm WHERE state <> 'closed' AND kind = ? AND site = ? AND node = ?",
        (kind.value, pole.site, pole.node),
    )
    assert isinstance(count, int)
    return count
