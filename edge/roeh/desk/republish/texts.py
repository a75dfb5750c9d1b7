"""Parent patrols' texts: kept in the database until they may be told, or must not be any more.

Order: the text is stored with the cursor that passes its alert; told; marked as told. Killed
before the mark, it is told again under the same id. It is told once an alert and place,
whatever messages follow.
"""

from __future__ import annotations

import secrets

import msgspec

from roeh.core.config import DeskConfig, ParentAudience
from roeh.core.types import Alert, RuleKind
from roeh.desk.republish import feed
from roeh.desk.republish.audiences import parent_shares
from roeh.desk.republish.waiting import Age, Due, Stamp, age_now, age_when_seen, due, left_us
from roeh.desk.store import Transaction
from roeh.transport.topics import JSON
from roeh.transport.view_messages import ViewMessage, parent_text
from roeh.transport.view_topics import View, ViewTopic

_US_PER_S = 1_000_000
_COLUMNS = (
    "id, audience, place, site, node, raised_id, rule_kind, t_alert_utc_us,"
    " age_least_us, age_most_us, t_utc_us, t_mono_us, boot_id, synchronised"
)


class WaitingText(msgspec.Struct, frozen=True):
    """One text as it is kept; the alert had this age at that stamp."""

    id: str
    audience: str
    place: str
    site: str
    node: str
    raised_id: str
    rule_kind: str
    t_alert_utc_us: int
    age_least_us: int
    age_most_us: int
    t_utc_us: int
    t_mono_us: int
    boot_id: str
    synchronised: int


class Decision(msgspec.Struct, frozen=True):
    """What becomes of a text now: its state from then on, and what is said, if anything."""

    text_id: str
    state: str
    message: ViewMessage | None


def texts_of(
    config: DeskConfig, alert: Alert, t_received_utc_us: int, now: Stamp
) -> tuple[WaitingText, ...]:
    """The texts that an alert message may become."""
    age = age_when_seen(
        t_alert_utc_us=alert.t_utc_us,
        pole_clock=alert.clock,
        t_received_utc_us=t_received_utc_us,
        now=now,
    )
    # A pole that does not know the time cannot say when it was.
    t_alert_utc_us = alert.t_utc_us if alert.clock.synchronised else t_received_utc_us
    return tuple(
        WaitingText(
            id=secrets.token_hex(16),
            audience=share.audience,
            place=share.place,
            site=alert.site,
            node=alert.node,
            raised_id=alert.raised_id,
            rule_kind=alert.rule_kind.value,
            t_alert_utc_us=t_alert_utc_us,
            age_least_us=age.least_us,
            age_most_us=age.most_us,
            t_utc_us=now.t_utc_us,
            t_mono_us=now.t_mono_us,
            boot_id=now.boot_id,
            synchronised=int(now.synchronised),
        )
        for share in parent_shares(config, alert)
    )


def keep(transaction: Transaction, texts: tuple[WaitingText, ...]) -> None:
    """Let them wait; of an alert and place that is known nothing new is kept."""
    transaction.insert_new(
        f"INSERT INTO parent_text ({_COLUMNS}, state)"  # noqa: S608  # columns are ours
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting') ON CONFLICT DO NOTHING",
        [msgspec.structs.astuple(text) for text in texts],
    )


def decisions(transaction: Transaction, config: DeskConfig, now: Stamp) -> tuple[Decision, ...]:
    """What becomes of the texts that wait; those that go on waiting are left out."""
    waiting = transaction.select(
        WaitingText,
        f"SELECT {_COLUMNS} FROM parent_text WHERE state = 'waiting'",  # noqa: S608  # columns are ours
    )
    found = (_decision(transaction, config, text, now) for text in waiting)
    return tuple(decision for decision in found if decision is not None)


def settle(transaction: Transaction, decided: tuple[Decision, ...]) -> None:
    """These wait no longer."""
    for decision in decided:
        transaction.execute(
            "UPDATE parent_text SET state = ? WHERE id = ?", (decision.state, decision.text_id)
        )


def forget(transaction: Transaction, before_utc_us: int) -> None:
    """Delete what was decided on alerts that were stored before this time."""
    transaction.execute(
        "DELETE FROM parent_text WHERE state <> 'waiting' AND t_utc_us < ?", (before_utc_us,)
    )


def _decision(
    transaction: Transaction, config: DeskConfig, text: WaitingText, now: Stamp
) -> Decision | None:
    audience = _audience(config, text)
    shown_as = {place.name: place.shown_as for place in config.places}.get(text.place)
    if audience is None or shown_as is None:
        return Decision(text.id, "withdrawn", None)
    delay_us, expire_us = round(audience.delay_s * _US_PER_S), round(audience.expire_s * _US_PER_S)
    stored = Stamp(text.t_utc_us, text.t_mono_us, text.boot_id, bool(text.synchronised))
    age = age_now(Age(text.age_least_us, text.age_most_us), stored, now)
    what = due(age, delay_us=delay_us, expire_us=expire_us)
    if what is Due.WAIT:
        return None
    if what is Due.EXPIRED:
        return Decision(text.id, "expired", None)
    if feed.is_cleared(transaction, text.site, text.node, text.raised_id) or feed.is_false_alarm(
        transaction, text.site, text.node, text.raised_id
    ):
        return Decision(text.id, "withdrawn", None)
    remaining_us = left_us(age, delay_us=delay_us, expire_us=expire_us)
    body = parent_text(
        text_id=text.id,
        place=shown_as,
        kind=RuleKind(text.rule_kind),
        t_utc_us=text.t_alert_utc_us,
        expires_utc_us=now.t_utc_us + remaining_us,
    )
    message = ViewMessage(
        topic=str(ViewTopic(View.PARENT_TEXT, (text.audience, text.place))),
        payload=msgspec.json.encode(body),
        content_type=JSON,
        expiry_s=max(1, remaining_us // _US_PER_S),
    )
    return Decision(text.id, "told", message)


def _audience(config: DeskConfig, text: WaitingText) -> ParentAudience | None:
    """Whom the configuration of now still tells of this place."""
    for audience in config.audiences:
        if isinstance(audience, ParentAudience) and audience.name == text.audience:
            return audience if text.place in audience.places else None
    return None
