"""Commands on their way to poles: signed and said each 30 s until answered or over.

Resends of what is missing become commands like those of operators: the audit and the pole's
ledger name who asked.
"""

from __future__ import annotations

from collections import defaultdict

import msgspec

from roeh.core.ids import Ids
from roeh.core.orders import MAX_RESEND_RANGES, Command, ResendOrder, SeqRange
from roeh.desk.keys import StatementSigner
from roeh.desk.pole import Pole
from roeh.desk.store import DeskStore, Transaction
from roeh.transport.messages import Outgoing, down_message
from roeh.transport.topics import Channel

#: Who asks for what is missing.
DESK_OPERATOR = "desk"
SEND_EVERY_US = 30_000_000
_US_PER_S = 1_000_000
#: A pole's clock may be behind ours by so much and still take a resend.
_BEFORE_US = 60 * _US_PER_S
_RESEND_LIFE_US = 600 * _US_PER_S
_MOST_AT_ONCE = 100
#: What is written down as later than this was so before the clock was set back, and holds
#: nothing up; clocks of the desk's machines may differ by so much.
_AHEAD_US = 60 * _US_PER_S

_DUE = """
    SELECT command.id, command.site, command.node, command.command_json
    FROM command LEFT JOIN pole ON pole.site = command.site AND pole.node = command.node
    WHERE command.state IN ('pending', 'accepted')
        AND command.not_before_utc_us <= ? AND command.expires_utc_us > ?
        AND (command.t_sent_utc_us IS NULL OR command.t_sent_utc_us <= ?
            OR command.t_sent_utc_us > ?)
        AND (pole.online IS NULL OR pole.online = 1)
    ORDER BY command.t_created_utc_us, command.id LIMIT ?
"""
_OVER = "UPDATE command SET state = 'expired' WHERE state = 'pending' AND expires_utc_us <= ?"
_TO_ASK_FOR = """
    SELECT missing.site, missing.node, missing.first, missing.last,
        missing.t_since_utc_us, missing.t_asked_utc_us, pole.boot_id
    FROM seq_missing AS missing
    JOIN pole ON pole.site = missing.site AND pole.node = missing.node
    WHERE pole.online = 1 AND (missing.t_since_utc_us <= ? OR missing.t_since_utc_us > ?)
        AND (missing.t_asked_utc_us IS NULL OR missing.t_asked_utc_us <= ?
            OR missing.t_asked_utc_us > ?)
        AND NOT EXISTS (
            SELECT 1 FROM command WHERE command.site = missing.site
                AND command.node = missing.node AND command.kind = 'resend'
                AND command.state IN ('pending', 'accepted') AND command.expires_utc_us > ?
                AND command.t_created_utc_us <= ?)
    ORDER BY missing.site, missing.node, missing.first DESC
"""


class _Due(msgspec.Struct, frozen=True):
    id: str
    site: str
    node: str
    command_json: bytes


class _ToAskFor(msgspec.Struct, frozen=True):
    site: str
    node: str
    first: int
    last: int
    t_since_utc_us: int
    t_asked_utc_us: int | None
    boot_id: str


def add_command(transaction: Transaction, command: Command, now_utc_us: int) -> None:
    """Have a command sent from now on."""
    transaction.execute(
        "INSERT INTO command (id, site, node, operator, kind, command_json, not_before_utc_us,"
        " expires_utc_us, state, t_created_utc_us, times_sent)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?, 0)",
        (
            *(command.id, command.site, command.node, command.operator),
            *(command.order.__struct_config__.tag, msgspec.json.encode(command)),
            *(command.not_before_utc_us, command.expires_utc_us, now_utc_us),
        ),
    )


def take_due(store: DeskStore, signer: StatementSigner, now_utc_us: int) -> list[Outgoing]:
    """Commands to be said now, each noted as sent before it is.

    Raises:
        DeskFailed: the database is away.
    """
    ahead_us = now_utc_us + _AHEAD_US
    asked = (now_utc_us, now_utc_us, now_utc_us - SEND_EVERY_US, ahead_us, _MOST_AT_ONCE)
    with store.reading() as transaction:
        over = transaction.values(
            "SELECT 1 FROM command WHERE state = 'pending' AND expires_utc_us <= ? LIMIT 1",
            (now_utc_us,),
        )
        if not over and not transaction.values(_DUE, asked):
            return []
    with store.writing() as transaction:
        transaction.execute(_OVER, (now_utc_us,))
        due = transaction.select(_Due, _DUE, asked)
        for row in due:
            transaction.execute(
                "UPDATE command SET t_sent_utc_us = ?, times_sent = times_sent + 1 WHERE id = ?",
                (now_utc_us, row.id),
            )
    return [
        down_message(
            row.site,
            row.node,
            Channel.CMD,
            signer.sign(f"{row.site}/{row.node}", row.command_json),
        )
        for row in due
    ]


def ask_for_missing(
    transaction: Transaction,
    ids: Ids,
    now_utc_us: int,
    *,
    missing_after_us: int,
    resend_every_us: int,
) -> int:
    """A resend for each connected pole with numbers missing for long enough; how many.

    One at a time for a pole: the newest ranges, then, when it was answered, the next.
    """
    ahead_us = now_utc_us + _AHEAD_US
    rows = transaction.select(
        _ToAskFor,
        _TO_ASK_FOR,
        (
            *(now_utc_us - missing_after_us, ahead_us),
            *(now_utc_us - resend_every_us, ahead_us),
            *(now_utc_us, ahead_us),
        ),
    )
    by_pole: dict[tuple[Pole, str], list[_ToAskFor]] = defaultdict(list)
    for row in rows:
        if row.boot_id and len(by_pole[Pole(row.site, row.node), row.boot_id]) < MAX_RESEND_RANGES:
            by_pole[Pole(row.site, row.node), row.boot_id].append(row)
    for (pole, boot_id), chosen in sorted(by_pole.items()):
        if not chosen:
            continue
        ranges = tuple(SeqRange(row.first, row.last) for row in chosen)
        command = Command(
            id=ids.new(),
            site=pole.site,
            node=pole.node,
            operator=DESK_OPERATOR,
            not_before_utc_us=max(0, now_utc_us - _BEFORE_US),
            expires_utc_us=now_utc_us + _RESEND_LIFE_US,
            boot_id=boot_id,
            order=ResendOrder(ranges=ranges),
        )
        add_command(transaction, command, now_utc_us)
        for one in ranges:
            transaction.execute(
                "UPDATE seq_missing SET t_asked_utc_us = ?"
                " WHERE site = ? AND node = ? AND first = ?",
                (now_utc_us, pole.site, pole.node, one.first),
            )
    return len(by_pole)
