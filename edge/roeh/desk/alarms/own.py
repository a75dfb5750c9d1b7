"""What the desk itself alarms of: conditions of poles, raised once, over by themselves. Pure.

A condition holds or does not; an incident happened, and stays until a person closed it.
"""

from __future__ import annotations

import enum

import msgspec

from roeh.core.errors import one_line
from roeh.core.moments import length_text
from roeh.core.orders import SeqRange

_US_PER_S = 1_000_000
#: Days before its end that a certificate alarms, and days at which it is urgent.
CERTIFICATE_DAYS = 30
CERTIFICATE_URGENT_DAYS = 7
#: A count of refused statements alarms for so long after it grew.
REFUSED_HOLDS_US = 3600 * _US_PER_S
_MAX_WORDS = 300
_MAX_SHOWN_RANGES = 8


class OwnKind(enum.Enum):
    """What the desk finds."""

    POLE_SILENT = "pole_silent"
    POLE_BLIND = "pole_blind"
    POLE_DEGRADED = "pole_degraded"
    ALERTS_MISSING = "alerts_missing"
    ALERTS_LOST = "alerts_lost"
    CERTIFICATE_ENDS = "certificate_ends"
    CLOCK_UNSYNCHRONISED = "clock_unsynchronised"
    STATEMENTS_REFUSED = "statements_refused"
    HISTORY_FORKED = "history_forked"
    TWO_PAYLOADS = "two_payloads"
    COUNT_AGAIN = "count_again"
    DESK_DEAF = "desk_deaf"
    CLOCK_LEAPT = "clock_leapt"


#: 1 (lowest) to 9, as an alert's.
PRIORITIES: dict[OwnKind, int] = {
    OwnKind.POLE_SILENT: 7,
    OwnKind.POLE_BLIND: 8,
    OwnKind.POLE_DEGRADED: 4,
    OwnKind.ALERTS_MISSING: 5,
    OwnKind.ALERTS_LOST: 6,
    OwnKind.CERTIFICATE_ENDS: 3,
    OwnKind.CLOCK_UNSYNCHRONISED: 4,
    OwnKind.STATEMENTS_REFUSED: 6,
    OwnKind.HISTORY_FORKED: 9,
    OwnKind.TWO_PAYLOADS: 8,
    OwnKind.COUNT_AGAIN: 6,
    OwnKind.DESK_DEAF: 9,
    OwnKind.CLOCK_LEAPT: 7,
}

#: These happened; they are not over until a person says so.
INCIDENTS = frozenset(
    {OwnKind.ALERTS_LOST, OwnKind.HISTORY_FORKED, OwnKind.TWO_PAYLOADS, OwnKind.COUNT_AGAIN}
)


#: What makes two findings the same one: kind, site, node, key.
Subject = tuple[OwnKind, str, str, str]


class Finding(msgspec.Struct, frozen=True):
    """One thing that the desk found.

    Attributes:
        key: tells one incident of a pole from another, and one certificate of the desk;
            empty for a condition of a pole, which has one of a kind at a time.
        words: one line for the operator; of a condition it may change while it holds.
    """

    kind: OwnKind
    site: str
    node: str
    words: str
    priority: int
    key: str = ""

    @property
    def subject(self) -> Subject:
        """What makes it the same finding."""
        return self.kind, self.site, self.node, self.key


class PoleFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a pole now.

    Attributes:
        is_silent: it was not heard for too long, and has not been since.
        stale_after_us: for how long a pole may say nothing.
        condition, complaints: of its last health message; "" before the first.
        missing: alerts overtaken by others for long enough.
        certificate_days: until the first of its certificates ends.
        refused_age_us: since its count of refused statements last grew; None: never.
    """

    site: str
    node: str
    is_silent: bool
    stale_after_us: int
    condition: str = ""
    complaints: str = ""
    clock_synchronised: bool = True
    missing: tuple[SeqRange, ...] = ()
    certificate_days: int | None = None
    statements_refused: int = 0
    refused_age_us: int | None = None


class Changes(msgspec.Struct, frozen=True):
    """Conditions to be raised, and those that are over."""

    raised: tuple[Finding, ...]
    over: tuple[Subject, ...]


def findings_of(facts: PoleFacts) -> tuple[Finding, ...]:
    """What is wrong with a pole.

    Of a silent pole nothing else is alarmed that only it could tell.
    """
    found: list[Finding] = []

    def add(kind: OwnKind, words: str, priority: int | None = None) -> None:
        given = PRIORITIES[kind] if priority is None else priority
        text = one_line(words)[:_MAX_WORDS]
        found.append(Finding(kind, facts.site, facts.node, text, given))

    if facts.is_silent:
        # How long is for the table of poles: the alarm's words stay as they are.
        add(OwnKind.POLE_SILENT, f"nothing heard for more than {length_text(facts.stale_after_us)}")
    elif facts.condition in ("blind", "stopped"):
        add(OwnKind.POLE_BLIND, _with("nothing is watched there", facts.complaints))
    elif facts.condition == "degraded":
        add(OwnKind.POLE_DEGRADED, _with("works in part", facts.complaints))
    if not facts.is_silent and not facts.clock_synchronised:
        add(OwnKind.CLOCK_UNSYNCHRONISED, "its clock is not synchronised: its times are doubtful")
    if facts.missing:
        add(OwnKind.ALERTS_MISSING, f"alerts {ranges_text(facts.missing)} did not arrive")
    days = facts.certificate_days
    if days is not None and days <= CERTIFICATE_DAYS:
        words = certificate_words("a certificate", days)
        add(OwnKind.CERTIFICATE_ENDS, words, certificate_priority(days))
    if facts.refused_age_us is not None and facts.refused_age_us <= REFUSED_HOLDS_US:
        words = f"{facts.statements_refused} signed statements were not believed there"
        add(OwnKind.STATEMENTS_REFUSED, words)
    return tuple(found)


def certificate_words(which: str, days: int) -> str:
    """When a certificate ends that does so in that many days."""
    return f"{which} ends in {days} days" if days > 0 else f"{which} has ended or ends today"


def certificate_priority(days: int) -> int:
    """How urgent that is."""
    return 6 if days <= CERTIFICATE_URGENT_DAYS else PRIORITIES[OwnKind.CERTIFICATE_ENDS]


def changes(held: frozenset[Subject], found: tuple[Finding, ...]) -> Changes:
    """What changed since: `held` are the conditions raised and not over yet."""
    now = {finding.subject for finding in found}
    return Changes(
        raised=tuple(finding for finding in found if finding.subject not in held),
        over=tuple(sorted(held - now, key=lambda subject: (subject[0].value, subject[1:]))),
    )


def ranges_text(ranges: tuple[SeqRange, ...]) -> str:
    """Ranges of numbers, the first few of them."""
    shown = [f"#{one}" for one in ranges[:_MAX_SHOWN_RANGES]]
    if len(ranges) > _MAX_SHOWN_RANGES:
        shown.append(f"and {len(ranges) - _MAX_SHOWN_RANGES} more")
    return ", ".join(shown)


def _with(words: str, complaints: str) -> str:
    return f"{words}: {complaints}" if complaints else words
