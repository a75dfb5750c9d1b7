"""What is wrong with the desk itself: its clock, its certificates, its hearing."""

from __future__ import annotations

from roeh.core.clock import ClockReading
from roeh.core.config import IngestSection
from roeh.core.moments import utc_text
from roeh.desk.alarms.own import (
    CERTIFICATE_DAYS,
    PRIORITIES,
    Finding,
    OwnKind,
    certificate_priority,
    certificate_words,
)
from roeh.desk.commit_hook import DeskFacts
from roeh.desk.ingest.expiry import doubted
from roeh.desk.ingest.expiry_time import DOUBT_US
from roeh.desk.store import Transaction

_US_PER_S = 1_000_000
_US_PER_DAY = 86_400 * _US_PER_S


def clock_findings(now: ClockReading) -> tuple[Finding, ...]:
    """Of the desk's own clock, by which everything here is written down."""
    if now.synchronised:
        return ()
    words = "the desk's own clock is not synchronised: times in alarms and audit are doubtful"
    return (_of_desk(OwnKind.CLOCK_UNSYNCHRONISED, words),)


def certificate_findings(desk: DeskFacts, now_utc_us: int) -> tuple[Finding, ...]:
    """Of the certificates with which the desk's parts come to the broker, and of the broker's."""
    found = []
    for one in desk.certificates:
        days = max(0, one.ends_utc_us - now_utc_us) // _US_PER_DAY
        if days <= CERTIFICATE_DAYS:
            words = certificate_words(f"the certificate of the service {one.service}", days)
            found.append(
                Finding(
                    OwnKind.CERTIFICATE_ENDS, "", "", words, certificate_priority(days), one.service
                )
            )
    return tuple(found)


def leap_findings(transaction: Transaction) -> tuple[Finding, ...]:
    """The clock went on by more than a day while nobody looked: expiry waits."""
    doubt = doubted(transaction)
    if doubt is None:
        return ()
    until = utc_text(doubt.since_utc_us + DOUBT_US)
    words = (
        f"the desk's clock went on by more than a day: nothing expires before {until};"
        " if it is wrong, put it right before then"
    )
    return (_of_desk(OwnKind.CLOCK_LEAPT, words),)


def deaf_findings(
    transaction: Transaction, settings: IngestSection, desk: DeskFacts, now_utc_us: int
) -> tuple[Finding, ...]:
    """The broker is away from this desk, and no other that shares the database hears a pole."""
    stale_us = round(settings.stale_after_s * _US_PER_S)
    if desk.is_listening or now_utc_us - desk.since_utc_us <= stale_us:
        return ()
    heard = transaction.values(
        "SELECT 1 FROM pole WHERE t_heard_utc_us > ? AND t_heard_utc_us <= ? LIMIT 1",
        (now_utc_us - stale_us, now_utc_us),
    )
    words = "no connection to the broker: no pole is heard, and none can be told anything"
    return () if heard else (_of_desk(OwnKind.DESK_DEAF, words),)


def _of_desk(kind: OwnKind, words: str) -> Finding:
    return Finding(kind, "", "", words, PRIORITIES[kind])
