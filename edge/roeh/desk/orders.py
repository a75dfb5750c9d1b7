"""Orders of operators: made for a pole as it is now, written for ingest to send, looked at."""

from __future__ import annotations

import msgspec

from roeh.core.errors import CommandRefused
from roeh.core.ids import Ids
from roeh.core.orders import REASONS, Answer, Command, Order, Reason
from roeh.desk.ingest.sending import add_command
from roeh.desk.pole import Pole
from roeh.desk.store import Transaction, Value

#: A pole's clock may be behind the desk's by so much and still take an order.
BEFORE_US = 60_000_000

_COLUMNS = (
    "id, site, node, operator, kind, command_json, state, t_created_utc_us, t_sent_utc_us,"
    " t_answered_utc_us, answer_json,"
    " (SELECT picture FROM command_picture WHERE command_id = command.id)"
)


class GivenOrder(msgspec.Struct, frozen=True):
    """An order and what became of it.

    `state`: pending (not answered), accepted, done, refused, failed, expired.
    """

    id: str
    site: str
    node: str
    operator: str
    kind: str
    command_json: bytes
    state: str
    t_created_utc_us: int
    t_sent_utc_us: int | None
    t_answered_utc_us: int | None
    answer_json: bytes | None
    picture: bytes | None

    @property
    def name(self) -> str:
        """The order as an operator types it."""
        return self.kind.replace("_", "-")

    @property
    def command(self) -> Command:
        """As it is signed."""
        return msgspec.json.decode(self.command_json, type=Command)

    @property
    def answer(self) -> Answer | None:
        """The pole's newest; None before it."""
        if self.answer_json is None:
            return None
        return msgspec.json.decode(self.answer_json, type=Answer)


class _PoleRow(msgspec.Struct, frozen=True):
    boot_id: str


def give_order(
    transaction: Transaction,
    pole: Pole,
    order: Order,
    operator: str,
    ids: Ids,
    *,
    now_utc_us: int,
    life_us: int,
) -> Command:
    """Write an order for the boot that the pole is in; ingest signs and sends it.

    It may be carried out for `life_us` from now.

    Raises:
        CommandRefused: no such pole, or what is ordered is no order.
    """
    found = transaction.select(
        _PoleRow,
        "SELECT boot_id FROM pole WHERE site = ? AND node = ?",
        (pole.site, pole.node),
    )
    if not found or not found[0].boot_id:
        raise CommandRefused(
            what="this pole has never said that it is there",
            which=str(pole),
            remedy="see roeh desk poles for the poles that are known",
        )
    command = Command(
        id=ids.new(),
        site=pole.site,
        node=pole.node,
        operator=operator,
        not_before_utc_us=max(0, now_utc_us - BEFORE_US),
        expires_utc_us=now_utc_us + life_us,
        boot_id=found[0].boot_id,
        order=order,
    )
    try:
        msgspec.json.decode(msgspec.json.encode(command), type=Command)
    except msgspec.ValidationError as error:
        raise CommandRefused(
            what=f"this cannot be ordered ({error})",
            which=str(pole),
            remedy="see edge/docs/delivery.md, Orders from the control room",
        ) from None
    add_command(transaction, command, now_utc_us)
    return command


def given_order(transaction: Transaction, command_id: str) -> GivenOrder:
    """The order with this id, which was given.

    Raises:
        CommandRefused: none was.
    """
    found = transaction.select(
        GivenOrder,
        f"SELECT {_COLUMNS} FROM command WHERE id = ?",  # noqa: S608 - constants
        (command_id,),
    )
    if not found:
        raise CommandRefused(
            what="there is no such order", which=command_id, remedy="see roeh desk orders"
        )
    return found[0]


def given_orders(
    transaction: Transaction,
    *,
    since_utc_us: int,
    pole: tuple[str, str] | None,
    operator: str | None,
    limit: int,
) -> list[GivenOrder]:
    """Up to `limit` orders given since then, newest first.

    Of a pole (site and node, an empty node means all of the site), of an operator; None means
    any, and the desk's own resends too.
    """
    where = "t_created_utc_us >= ?"
    asked: list[Value] = [since_utc_us]
    if pole is not None:
        where += " AND site = ?"
        asked.append(pole[0])
        if pole[1]:
            where += " AND node = ?"
            asked.append(pole[1])
    if operator is not None:
        where += " AND operator = ?"
        asked.append(operator)
    return transaction.select(
        GivenOrder,
        f"SELECT {_COLUMNS} FROM command WHERE {where}"  # noqa: S608 - constants
        " ORDER BY t_created_utc_us DESC, id DESC LIMIT ?",
        (*asked, limit),
    )


def outcome_text(given: GivenOrder) -> str:
    """What became of it, in words."""
    answer = given.answer
    if answer is None:
        return {"pending": "not answered yet", "expired": "never answered"}.get(
            given.state, given.state
        )
    word = answer.reason.partition(":")[0]
    meant = next((REASONS[reason] for reason in Reason if reason.value == word), "")
    words = [given.state, answer.reason, meant]
    return ": ".join(text for text in words if text)
