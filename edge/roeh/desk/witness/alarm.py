"""What a witness is alarmed by, as it says it to the control room: one retained statement.

It names every alarm that stands, of all ledgers, and is said anew whenever that changes; an
empty one says that none stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roeh.core.errors import MessageRefused
from roeh.core.types import Count, Sha256, TimeUs
from roeh.desk.witness.entries import AlarmKind
from roeh.transport.signed import DeskKey, StatementKind, open_statement

#: The most alarms in one statement, which is then far below 64 kB: the first ones; a person
#: looks at the witness then.
MAX_ALARMS = 50
MAX_DETAIL_CHARS = 300
_TOPIC = "roeh/desk/v1/{witness}/alarm"


class TreeSaid(msgspec.Struct, frozen=True):
    """A tree of a ledger, root in hexadecimal."""

    size: Count
    root: Sha256


class StandingAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm about one ledger.

    Attributes:
        ledger: "site/node".
        alarm: which.
        t_utc_us: when the witness found it, by its own clock.
        detail: in words.
        kept: what it had seen before, if that is contradicted.
        claimed: what contradicts it.
    """

    ledger: str
    alarm: AlarmKind
    t_utc_us: TimeUs
    detail: Annotated[str, Meta(max_length=MAX_DETAIL_CHARS)]
    kept: TreeSaid | None = None
    claimed: TreeSaid | None = None


class WitnessAlarms(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a witness is alarmed by now."""

    schema: Literal["roeh/witness-alarm/1"] = "roeh/witness-alarm/1"
    witness: str
    t_utc_us: TimeUs
    alarms: Annotated[tuple[StandingAlarm, ...], Meta(max_length=MAX_ALARMS)]


def alarm_topic(witness: str) -> str:
    """Where a witness says it; "+" for all."""
    return _TOPIC.format(witness=witness)


def witness_of_topic(topic: str) -> str | None:
    """Which witness speaks on this topic; None when it is no such topic."""
    levels = topic.split("/")
    is_one = len(levels) == 5 and topic == alarm_topic(levels[3])
    return levels[3] if is_one else None


def open_witness_alarms(raw: bytes, witness: str, keys: Sequence[DeskKey]) -> WitnessAlarms:
    """What this witness says, verified.

    Args:
        raw: as it came.
        witness: whose topic it came on.
        keys: its key for alarms (`WitnessKeys.alarm`), and those of others.

    Raises:
        MessageRefused: not signed by one of these keys, or not what a witness says.
    """
    statement = open_statement(raw, StatementKind.ALARM, witness, keys)
    try:
        said = msgspec.json.decode(statement.body, type=WitnessAlarms)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refused(f"not a witness's alarm ({error})", witness) from None
    if said.witness != witness or statement.signer != f"{witness}-alarm":
        raise _refused(f"it is of {said.witness}, signed by {statement.signer}", witness)
    return said


def _refused(what: str, witness: str) -> MessageRefused:
    return MessageRefused(
        what=what,
        which=f"alarm of the witness {witness}",
        remedy="check who may publish there, and the witness's key",
    )
