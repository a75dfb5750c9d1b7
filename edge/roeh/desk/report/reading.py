"""Alarms and counts for reports, however many there are: memory does not grow with them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from roeh.desk.alarms.choice import AlarmChoice, SqlCondition
from roeh.desk.alarms.desk_work import effective
from roeh.desk.alarms.records import AlarmRecord, record_of
from roeh.desk.alarms.rows import alarms_where
from roeh.desk.store import Transaction, Value

_PAGE_ROWS = 1000
_MAX_GROUPS = 10_000


class Tally(msgspec.Struct, frozen=True):
    """How many alarms of a pole, a rule: all, closed as real, as false, still open."""

    name: str
    alarms: int
    real: int
    false_alarms: int
    open: int

    @property
    def false_share(self) -> float | None:
        """Of those closed as real or false, the share of the false; None: none was closed."""
        judged = self.real + self.false_alarms
        return self.false_alarms / judged if judged else None


class Summary(msgspec.Struct, frozen=True):
    """What is true of all the chosen alarms.

    Attributes:
        attended: how many an operator did anything with.
        attended_median_us, attended_p95_us: from opening to that, nearest rank; None: none.
    """

    total: Tally
    poles: tuple[Tally, ...]
    rules: tuple[Tally, ...]
    attended: int
    attended_median_us: int | None
    attended_p95_us: int | None


def chosen_records(
    transaction: Transaction, choice: AlarmChoice, now_utc_us: int
) -> Iterator[AlarmRecord]:
    """The chosen alarms in the order in which they were opened, read page by page."""
    chosen = choice.condition(now_utc_us)
    after = -1
    while True:
        page = alarms_where(
            transaction, f"{chosen.sql} AND row > ?", (*chosen.values, after), _PAGE_ROWS
        )
        for alarm in page:
            yield record_of(effective(alarm, now_utc_us))
        if len(page) < _PAGE_ROWS:
            return
        after = page[-1].row


def summary(transaction: Transaction, choice: AlarmChoice, now_utc_us: int) -> Summary:
    """Counts of the chosen alarms."""
    chosen = choice.condition(now_utc_us)
    (total,) = _tallies(transaction, chosen, "'all'")
    attended = SqlCondition(f"{chosen.sql} AND t_attended_utc_us IS NOT NULL", chosen.values)
    ((count,),) = transaction.values(_query("SELECT COUNT(*)", attended, ""), attended.values)
    how_many = count if isinstance(count, int) else 0
    return Summary(
        total=total,
        poles=tuple(_tallies(transaction, chosen, "site || '/' || node")),
        rules=tuple(_tallies(transaction, chosen, "CASE WHEN is_own = 1 THEN kind ELSE rule END")),
        attended=how_many,
        attended_median_us=_time_to_attend(transaction, attended, how_many, 50),
        attended_p95_us=_time_to_attend(transaction, attended, how_many, 95),
    )


def _tallies(transaction: Transaction, chosen: SqlCondition, name: str) -> list[Tally]:
    """Counts by an expression of ours, the most alarms first."""
    select = (
        f"SELECT {name}, COUNT(*),"
        " SUM(CASE WHEN closed_as = 'real' THEN 1 ELSE 0 END),"
        " SUM(CASE WHEN closed_as = 'false alarm' THEN 1 ELSE 0 END),"
        " SUM(CASE WHEN state <> 'closed' THEN 1 ELSE 0 END)"
    )
    rows = transaction.values(
        _query(select, chosen, f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_MAX_GROUPS}"), chosen.values
    )
    found = [Tally(str(row[0]), *(_count(value) for value in row[1:])) for row in rows]
    return found or ([Tally("all", 0, 0, 0, 0)] if name == "'all'" else [])


def _time_to_attend(
    transaction: Transaction, attended: SqlCondition, count: int, percent: int
) -> int | None:
    """Nearest rank, by the database: exact, and nothing of it in memory here."""
    if not count:
        return None
    rank = -(-count * percent // 100)
    ((found,),) = transaction.values(
        _query(
            "SELECT t_attended_utc_us - t_opened_utc_us", attended, "ORDER BY 1 LIMIT 1 OFFSET ?"
        ),
        (*attended.values, rank - 1),
    )
    return _count(found)


def _query(select: str, chosen: SqlCondition, rest: str) -> str:
    """Of texts of ours alone: every value is bound."""
    return f"{select} FROM alarm WHERE {chosen.sql} {rest}"


def _count(value: Value) -> int:
    # PostgreSQL's SUM of whole numbers is a decimal.
    return int(value or 0)
