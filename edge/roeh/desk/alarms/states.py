"""The life of an alarm: what an operator may do to it, and what then. Pure.

    new ── acknowledge ──> acknowledged
    new, acknowledged ── shelve ──> shelved ── its time is over ──> what it was
    new, acknowledged, shelved ── close as real or false alarm ──> closed

Invariants:
    1. Every step makes the version one larger; nothing else does.
    2. The end of shelving is a step of its own, at the time that was given, and comes before
       whatever an operator does later.
    3. What is refused changes nothing.
"""

from __future__ import annotations

import enum

import msgspec

from roeh.core.errors import AlarmRefused
from roeh.core.moments import utc_text

_US_PER_S = 1_000_000
#: The longest that an alarm can be out of sight: a shift and the next.
MAX_SHELVED_US = 24 * 3600 * _US_PER_S
#: Clocks of the desk's machines may differ by so much.
CLOCKS_DIFFER_US = 60 * _US_PER_S
#: Who acts when no person does.
DESK = "desk"


class AlarmState(enum.Enum):
    """Where an alarm stands."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"
    CLOSED = "closed"


class Verdict(enum.Enum):
    """What an alarm was closed as. OVER: one of the desk's own, over by itself."""

    REAL = "real"
    FALSE_ALARM = "false alarm"
    OVER = "over"


class StepKind(enum.Enum):
    """What happened to an alarm."""

    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"
    SHELVING_OVER = "shelving over"
    CLOSED = "closed"
    CORRECTED = "corrected"
    OVER = "over"


class Standing(msgspec.Struct, frozen=True):
    """Where one alarm stands, as it is kept.

    Attributes:
        version: how many steps brought it here.
        changed_by, changed_utc_us: the last step's.
        shelved_until_utc_us, state_before: while it is shelved; None otherwise.
        verdict: when it is closed; None otherwise.
    """

    state: AlarmState = AlarmState.NEW
    version: int = 0
    changed_by: str = DESK
    changed_utc_us: int = 0
    shelved_until_utc_us: int | None = None
    state_before: AlarmState | None = None
    verdict: Verdict | None = None


class Acknowledge(msgspec.Struct, frozen=True, tag="acknowledge"):
    """Somebody looks after it."""


class Shelve(msgspec.Struct, frozen=True, tag="shelve"):
    """Out of sight for `for_us`, and why."""

    for_us: int
    reason: str


class Close(msgspec.Struct, frozen=True, tag="close"):
    """Done with. Closed once more with the other verdict, and why, it is corrected."""

    is_false_alarm: bool = False
    reason: str = ""


class ConditionOver(msgspec.Struct, frozen=True, tag="over"):
    """What the desk itself had found is over; no operator's action."""


Action = Acknowledge | Shelve | Close | ConditionOver


class Step(msgspec.Struct, frozen=True):
    """One step of an alarm's life, for its history; `version` is what it led to."""

    version: int
    kind: StepKind
    by: str
    t_utc_us: int
    reason: str = ""
    until_utc_us: int | None = None
    verdict: Verdict | None = None


class Taken(msgspec.Struct, frozen=True):
    """What an action led to: the steps, oldest first, and where the alarm then stands."""

    standing: Standing
    steps: tuple[Step, ...]


def as_of(standing: Standing, now_utc_us: int) -> Taken:
    """Where an alarm stands now: shelving ends by itself when its time is over.

    It also ends when the clock was set back to before it began: how long it lasted is not
    known then, and an alarm must not stay away for a year.
    """
    until_us = standing.shelved_until_utc_us
    if standing.state is not AlarmState.SHELVED or until_us is None:
        return Taken(standing, ())
    is_before = standing.changed_utc_us > now_utc_us + CLOCKS_DIFFER_US
    if now_utc_us < until_us and not is_before:
        return Taken(standing, ())
    t_utc_us = now_utc_us if is_before else until_us
    step = Step(standing.version + 1, StepKind.SHELVING_OVER, DESK, t_utc_us)
    return Taken(_after(standing, step, standing.state_before or AlarmState.NEW), (step,))


def take(
    standing: Standing,
    action: Action,
    *,
    by: str,
    now_utc_us: int,
    which: str,
    seen_version: int | None = None,
) -> Taken:
    """What an action leads to.

    Args:
        standing: as kept.
        action: what is to be done.
        by: the operator.
        now_utc_us: the desk's clock.
        which: the alarm, for errors.
        seen_version: what the operator saw when deciding; None: not said.

    Raises:
        AlarmRefused: it cannot become that, or somebody else was there first.
    """
    before = as_of(standing, now_utc_us)
    now = before.standing
    if seen_version is not None and seen_version != now.version:
        raise AlarmRefused(
            what=f"changed since it was looked at: {standing_text(now)}",
            which=which,
            remedy=f"look again (roeh desk alarm), then give --seen {now.version}",
        )
    if isinstance(action, Acknowledge):
        step, state = _acknowledge(now, by, now_utc_us, which), AlarmState.ACKNOWLEDGED
    elif isinstance(action, Shelve):
        step, state = _shelve(now, action, by, now_utc_us, which), AlarmState.SHELVED
    elif isinstance(action, Close):
        step, state = _close(now, action, by, now_utc_us, which), AlarmState.CLOSED
    else:
        if now.state is AlarmState.CLOSED:
            return before
        verdict = Verdict.OVER
        step = Step(now.version + 1, StepKind.OVER, DESK, now_utc_us, verdict=verdict)
        state = AlarmState.CLOSED
    return Taken(_after(now, step, state), (*before.steps, step))


def standing_text(standing: Standing) -> str:
    """Who brought it where, when."""
    text = standing.state.value
    if standing.verdict is not None:
        text += f" as {standing.verdict.value}"
    if standing.shelved_until_utc_us is not None:
        text += f" until {utc_text(standing.shelved_until_utc_us)}"
    if standing.version:
        text += f" by {standing.changed_by} at {utc_text(standing.changed_utc_us)}"
    return text


def _acknowledge(now: Standing, by: str, t_utc_us: int, which: str) -> Step:
    if now.state in (AlarmState.ACKNOWLEDGED, AlarmState.CLOSED):
        raise AlarmRefused(
            what=f"already {standing_text(now)}",
            which=which,
            remedy="nothing is to be done; roeh desk note adds what you know",
        )
    return Step(now.version + 1, StepKind.ACKNOWLEDGED, by, t_utc_us)


def _shelve(now: Standing, action: Shelve, by: str, t_utc_us: int, which: str) -> Step:
    if now.state is AlarmState.CLOSED:
        raise AlarmRefused(
            what=f"already {standing_text(now)}",
            which=which,
            remedy="a closed alarm needs no shelving",
        )
    if not 0 < action.for_us <= MAX_SHELVED_US:
        raise AlarmRefused(
            what="shelved for too long or not at all",
            which=which,
            remedy=f"give --for at most {MAX_SHELVED_US // _US_PER_S // 3600}h, such as 30m",
        )
    if not action.reason.strip():
        raise AlarmRefused(
            what="shelved without a reason",
            which=which,
            remedy="give --reason: the next shift will ask",
        )
    until_us = t_utc_us + action.for_us
    return Step(now.version + 1, StepKind.SHELVED, by, t_utc_us, action.reason, until_us)


def _close(now: Standing, action: Close, by: str, t_utc_us: int, which: str) -> Step:
    verdict = Verdict.FALSE_ALARM if action.is_false_alarm else Verdict.REAL
    kind = StepKind.CLOSED
    if now.state is AlarmState.CLOSED:
        if verdict is now.verdict:
            raise AlarmRefused(
                what=f"already {standing_text(now)}",
                which=which,
                remedy="nothing is to be done; roeh desk note adds what you know",
            )
        if not action.reason.strip():
            raise AlarmRefused(
                what=f"already {standing_text(now)}",
                which=which,
                remedy=f"to correct it to {verdict.value}, give --reason",
            )
        kind = StepKind.CORRECTED
    return Step(now.version + 1, kind, by, t_utc_us, action.reason, verdict=verdict)


def _after(before: Standing, step: Step, state: AlarmState) -> Standing:
    state_before = before.state
    if before.state is AlarmState.SHELVED and before.state_before is not None:
        state_before = before.state_before  # shelved for longer
    is_shelved = state is AlarmState.SHELVED
    return Standing(
        state=state,
        version=step.version,
        changed_by=step.by,
        changed_utc_us=step.t_utc_us,
        shelved_until_utc_us=step.until_utc_us,
        state_before=state_before if is_shelved else None,
        verdict=step.verdict,
    )
