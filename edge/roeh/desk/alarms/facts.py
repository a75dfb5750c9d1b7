"""What the database says of each pole, for the desk's own alarms and for `roeh desk poles`."""

from __future__ import annotations

import msgspec

from roeh.core.config import IngestSection
from roeh.core.orders import SeqRange
from roeh.desk.alarms.own import PRIORITIES, Finding, OwnKind, PoleFacts, ranges_text
from roeh.desk.commit_hook import DeskFacts
from roeh.desk.pole_columns import certificate_days, complaints
from roeh.desk.silence import stale_after_s
from roeh.desk.store import Transaction
from roeh.transport.messages import HealthMessage

_US_PER_S = 1_000_000
_REFUSED_SEEN = "statements_refused_seen"
_REFUSED_GREW = "statements_refused_grew_utc_us"
_LOST_CURSOR = "alarms/lost"
_WORDS_OF_WITNESS = 200


class PoleRow(msgspec.Struct, frozen=True):
    """What ingest keeps of a pole.

    Attributes:
        online: as its newest state says; None: it never told.
        health_payload: its newest health message, as it came.
        is_silent: for too long it was not heard, and has not been since.
    """

    site: str
    node: str
    online: int | None
    health_payload: bytes | None
    t_heard_utc_us: int
    is_silent: int

    @property
    def health(self) -> HealthMessage | None:
        """Its newest health message; None before the first."""
        if self.health_payload is None:
            return None
        return msgspec.json.decode(self.health_payload, type=HealthMessage)


class _MissingRow(msgspec.Struct, frozen=True):
    site: str
    node: str
    first: int
    last: int


class _CounterRow(msgspec.Struct, frozen=True):
    site: str
    node: str
    name: str
    value: int


class _LostRow(msgspec.Struct, frozen=True):
    row: int
    site: str
    node: str
    first: int
    last: int
    command_id: str


class _WitnessRow(msgspec.Struct, frozen=True):
    witness: str
    origin: str
    kind: str
    sha256: str


Ranges = dict[tuple[str, str], tuple[SeqRange, ...]]


def read_poles(transaction: Transaction) -> list[PoleRow]:
    """Every pole ever heard, by name."""
    return transaction.select(
        PoleRow,
        "SELECT site, node, online, health_payload, t_heard_utc_us, is_silent FROM pole"
        " ORDER BY site, node",
    )


def read_missing(transaction: Transaction, since_before_utc_us: int) -> Ranges:
    """What is missing of each pole (site, node), and was so before that time."""
    rows = transaction.select(
        _MissingRow,
        "SELECT site, node, first, last FROM seq_missing WHERE t_since_utc_us <= ?"
        " ORDER BY site, node, first",
        (since_before_utc_us,),
    )
    found: dict[tuple[str, str], list[SeqRange]] = {}
    for row in rows:
        found.setdefault((row.site, row.node), []).append(SeqRange(row.first, row.last))
    return {pole: tuple(ranges) for pole, ranges in found.items()}


def read_facts(
    transaction: Transaction, settings: IngestSection, desk: DeskFacts, now_utc_us: int
) -> list[PoleFacts]:
    """What is known of each pole now.

    Writes down which poles are silent, and when a count of refused statements grew.

    Args:
        transaction: writes.
        settings: how long an alert may be missing before that is alarmed: until it was asked
            for, and again.
        desk: nothing is unheard for longer than it listens.
        now_utc_us: the desk's clock.
    """
    grace_us = round((settings.missing_after_s + settings.resend_every_s) * _US_PER_S)
    missing = read_missing(transaction, now_utc_us - grace_us)
    counters = _counters(transaction)
    facts: list[PoleFacts] = []
    for pole in read_poles(transaction):
        health = pole.health
        refused = 0 if health is None else health.statements_refused
        grew_us = _when_grew(transaction, pole, refused, counters, now_utc_us)
        stale_s = stale_after_s(
            None if health is None else health.heartbeat_s, settings.stale_after_s
        )
        is_silent = bool(pole.is_silent) or _falls_silent(pole, stale_s, desk, now_utc_us)
        if is_silent and not pole.is_silent:
            transaction.execute(
                "UPDATE pole SET is_silent = 1 WHERE site = ? AND node = ?", (pole.site, pole.node)
            )
        facts.append(
            PoleFacts(
                site=pole.site,
                node=pole.node,
                is_silent=is_silent,
                stale_after_us=round(stale_s * _US_PER_S),
                condition="" if health is None else health.condition,
                complaints="" if health is None else complaints(health),
                clock_synchronised=health is None or health.clock.synchronised,
                missing=missing.get((pole.site, pole.node), ()),
                certificate_days=None if health is None else certificate_days(health),
                statements_refused=refused,
                refused_age_us=None if grew_us is None else max(0, now_utc_us - grew_us),
            )
        )
    return facts


def _falls_silent(pole: PoleRow, stale_s: float, desk: DeskFacts, now_utc_us: int) -> bool:
    if not desk.is_listening:
        return False
    # A time that is still to come was written before the clock was set back.
    heard_us = pole.t_heard_utc_us if pole.t_heard_utc_us <= now_utc_us else 0
    return now_utc_us - max(heard_us, desk.since_utc_us) > stale_s * _US_PER_S


def new_losses(transaction: Transaction) -> list[Finding]:
    """Alerts lost by record since this was last called; the transaction writes."""
    ((done,),) = transaction.values("SELECT MAX(row) FROM cursor WHERE name = ?", (_LOST_CURSOR,))
    rows = transaction.select(
        _LostRow,
        "SELECT row, site, node, first, last, command_id FROM seq_lost WHERE row > ? ORDER BY row",
        (done or 0,),
    )
    if rows:
        transaction.execute(
            "INSERT INTO cursor (name, row) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET row = excluded.row",
            (_LOST_CURSOR, rows[-1].row),
        )
    # An answer is one incident. What is found again later splits its rows, under its id.
    answers: dict[tuple[str, str, str], list[SeqRange]] = {}
    for row in rows:
        lost = answers.setdefault((row.site, row.node, row.command_id), [])
        lost.append(SeqRange(row.first, row.last))
    return [
        Finding(
            kind=OwnKind.ALERTS_LOST,
            site=site,
            node=node,
            words=f"alerts {ranges_text(tuple(lost))} are lost: the pole has them no more",
            priority=PRIORITIES[OwnKind.ALERTS_LOST],
            key=command_id,
        )
        for (site, node, command_id), lost in answers.items()
    ]


def witness_finding(transaction: Transaction, row: int) -> Finding:
    """What a row of witness_alarm says."""
    (told,) = transaction.select(
        _WitnessRow,
        "SELECT witness, origin, kind, sha256 FROM witness_alarm WHERE row = ?",
        (row,),
    )
    site, _, node = told.origin.removeprefix("roeh/").partition("/")
    words = f"witness {told.witness}: {told.kind} of {told.origin}; nothing is cosigned any more"
    return Finding(
        kind=OwnKind.HISTORY_FORKED,
        site=site,
        node=node,
        words=words[:_WORDS_OF_WITNESS],
        priority=PRIORITIES[OwnKind.HISTORY_FORKED],
        key=told.sha256,
    )


_Counters = dict[tuple[str, str, str], int]


def _counters(transaction: Transaction) -> _Counters:
    rows = transaction.select(
        _CounterRow,
        "SELECT site, node, name, value FROM counter WHERE name IN (?, ?)",
        (_REFUSED_SEEN, _REFUSED_GREW),
    )
    return {(row.site, row.node, row.name): row.value for row in rows}


def _when_grew(
    transaction: Transaction, pole: PoleRow, refused: int, counters: _Counters, now_utc_us: int
) -> int | None:
    """When the count last grew; smaller than before, it began anew."""
    seen = counters.get((pole.site, pole.node, _REFUSED_SEEN), 0)
    grew_us = counters.get((pole.site, pole.node, _REFUSED_GREW))
    if refused == seen:
        return grew_us
    _set_counter(transaction, pole, _REFUSED_SEEN, refused)
    if refused > seen:
        grew_us = now_utc_us
        _set_counter(transaction, pole, _REFUSED_GREW, now_utc_us)
    return grew_us


def _set_counter(transaction: Transaction, pole: PoleRow, name: str, value: int) -> None:
    transaction.execute(
        "INSERT INTO counter (site, node, name, value) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (site, node, name) DO UPDATE SET value = excluded.value",
        (pole.site, pole.node, name, value),
    )
