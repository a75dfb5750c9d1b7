"""Trust lists on their way to poles: kept here as they were signed, and said by ingest, retained.

The desk signs nothing of them and believes nothing in them: a pole takes one that the city's root
stands behind. It looks only whether this is a trust list at all, and its version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from roeh.access.reading import canonical_content, read_object
from roeh.access.trust_list import TrustList
from roeh.core.delivery import MAX_STATEMENT_BYTES
from roeh.core.errors import AccessRefused, CommandRefused
from roeh.desk.pole import Pole
from roeh.desk.store import DeskStore, Transaction
from roeh.transport.messages import Outgoing, down_message
from roeh.transport.topics import Channel

#: A broker that lost what it kept has it again after so long.
SAY_EVERY_US = 6 * 3600 * 1_000_000
#: As of commands (ingest/sending.py): written down before the clock was set back.
_AHEAD_US = 60_000_000
_MOST_AT_ONCE = 100

_DUE = """
    SELECT trust.site, trust.node, trust.signed
    FROM pole_trust_list AS trust
    WHERE trust.t_sent_utc_us IS NULL OR trust.t_sent_utc_us <= ? OR trust.t_sent_utc_us > ?
    ORDER BY trust.site, trust.node LIMIT ?
"""


class _Due(msgspec.Struct, frozen=True):
    site: str
    node: str
    signed: bytes


class _Version(msgspec.Struct, frozen=True):
    version: int


def read_signed_list(signed: bytes) -> TrustList:
    """What a signed list says, for whoever sends it; only poles judge it.

    Raises:
        CommandRefused: it is no trust list, or too large for a message.
    """
    if len(signed) > MAX_STATEMENT_BYTES:
        raise CommandRefused(
            what=f"a list of {len(signed)} bytes does not fit into a message",
            which="roeh desk trust",
            remedy="bring it by file, HTTPS or USB disk; or leave out what is over",
        )
    try:
        content = read_object(signed, "trust_list_malformed").content
        return canonical_content(content, TrustList, "trust_list_malformed")
    except AccessRefused as error:
        raise CommandRefused(
            what=f"this is no signed trust list ({error.which})",
            which="roeh desk trust",
            remedy="give the file that roeh keys trust-list make wrote",
        ) from error


def known_poles(transaction: Transaction) -> tuple[Pole, ...]:
    """Every pole that ever said that it is there."""
    return tuple(transaction.select(Pole, "SELECT site, node FROM pole ORDER BY site, node"))


def give_trust_list(
    transaction: Transaction,
    poles: Iterable[Pole],
    signed: bytes,
    version: int,
    now_utc_us: int,
) -> None:
    """Have a list said to these poles from now on, in the place of one before.

    Raises:
        CommandRefused: one of them was given a newer one.
    """
    for pole in poles:
        found = transaction.select(
            _Version,
            "SELECT version FROM pole_trust_list WHERE site = ? AND node = ?",
            (pole.site, pole.node),
        )
        if found and found[0].version > version:
            raise CommandRefused(
                what=f"version {found[0].version} was given to it before",
                which=f"{pole}, version {version}",
                remedy="give the newest list: versions only grow",
            )
        transaction.execute(
            "DELETE FROM pole_trust_list WHERE site = ? AND node = ?", (pole.site, pole.node)
        )
        transaction.execute(
            "INSERT INTO pole_trust_list (site, node, version, signed, sha256, t_created_utc_us)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                *(pole.site, pole.node, version, signed),
                *(hashlib.sha256(signed).hexdigest(), now_utc_us),
            ),
        )


def take_due_lists(store: DeskStore, now_utc_us: int) -> list[Outgoing]:
    """Lists to be said now, each noted as sent before it is.

    Raises:
        DeskFailed: the database is away.
    """
    asked = (now_utc_us - SAY_EVERY_US, now_utc_us + _AHEAD_US, _MOST_AT_ONCE)
    with store.reading() as transaction:
        if not transaction.values(_DUE, asked):
            return []
    with store.writing() as transaction:
        due = transaction.select(_Due, _DUE, asked)
        for row in due:
            transaction.execute(
                "UPDATE pole_trust_list SET t_sent_utc_us = ? WHERE site = ? AND node = ?",
                (now_utc_us, row.site, row.node),
            )
    return [down_message(row.site, row.node, Channel.TRUST, row.signed) for row in due]
