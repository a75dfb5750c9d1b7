"""The figures of alarm management by pole and day, read page by page (core/alarm_figures.py)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from roeh.core.alarm_figures import DAY_US, AlarmCount, AlarmFigures, AlarmTimes
from roeh.desk.alarms.choice import AlarmChoice
from roeh.desk.store import Transaction, Value

_PAGE_ROWS = 1000
#: Without a time: so many whole days, and today.
_DEFAULT_DAYS = 7
#: A month of two thousand poles.
MAX_POLE_DAYS = 62_000
MAX_DAYS = 366

#: An alert is over when its pole says so, as long after it was opened as by the pole's clock;
#: before that when an operator closed it.
_OVER = (
    "CASE WHEN is_own = 1 THEN t_over_utc_us"
    " WHEN phase = 'cleared' THEN t_opened_utc_us + t_last_utc_us - t_first_utc_us"
    " WHEN state = 'closed' THEN t_changed_utc_us END"
)


class PoleDay(msgspec.Struct, frozen=True):
    """One pole (empty: all of them together) on one day of UTC, from `day_us` on."""

    pole: str
    day_us: int
    figures: AlarmFigures


class DailyFigures(msgspec.Struct, frozen=True):
    """Days in order; of poles those days on which anything was raised or stood.

    Attributes:
        together: all chosen alarms, a row a day.
        poles: each pole with one operator of its own, day by day.
        left_out: days of poles that were more than can be counted at once.
    """

    together: tuple[PoleDay, ...]
    poles: tuple[PoleDay, ...]
    left_out: int


def daily_figures(
    transaction: Transaction, choice: AlarmChoice, now_utc_us: int, operators: int
) -> DailyFigures:
    """Of the chosen alarms; `operators` share those of all poles together."""
    to_us = min(now_utc_us, now_utc_us if choice.to_utc_us is None else choice.to_utc_us)
    from_us = choice.from_utc_us
    if from_us is None:
        from_us = to_us // DAY_US * DAY_US - _DEFAULT_DAYS * DAY_US
    if to_us <= from_us:
        return DailyFigures((), (), 0)
    counts = _Counts(max(from_us, to_us - MAX_DAYS * DAY_US), to_us, operators)
    for pole, alarm in _alarms(transaction, choice, now_utc_us, from_us, to_us):
        counts.add(pole, alarm)
    return counts.figures()


class _Counts:
    """A count a day of all together, and one a day and pole."""

    def __init__(self, from_us: int, to_us: int, operators: int) -> None:
        self._from_us, self._to_us = from_us, to_us
        self._operators = operators
        self._of: dict[tuple[str, int], AlarmCount] = {}
        self._left_out: set[tuple[str, int]] = set()
        for day in range(from_us // DAY_US, -(-to_us // DAY_US)):
            self._of["", day] = self._new(day, operators)

    def add(self, pole: str, alarm: AlarmTimes) -> None:
        """To the day on which it was raised, and to each on which it stood."""
        ends_us = self._to_us if alarm.over_us is None else min(alarm.over_us, self._to_us)
        first = max(alarm.raised_us, self._from_us) // DAY_US
        last = max(first, (max(ends_us, alarm.raised_us) - 1) // DAY_US)
        for day in range(first, last + 1):
            if ("", day) not in self._of:
                continue
            self._of["", day].add(alarm)
            own = self._own(pole, day)
            if own is not None:
                own.add(alarm)

    def figures(self) -> DailyFigures:
        """Of all that was added."""
        rows = [
            PoleDay(pole, day * DAY_US, count.figures())
            for (pole, day), count in sorted(self._of.items())
        ]
        return DailyFigures(
            together=tuple(row for row in rows if not row.pole),
            poles=tuple(row for row in rows if row.pole),
            left_out=len(self._left_out),
        )

    def _own(self, pole: str, day: int) -> AlarmCount | None:
        if (pole, day) not in self._of:
            if len(self._of) >= MAX_POLE_DAYS:
                self._left_out.add((pole, day))
                return None
            self._of[pole, day] = self._new(day, 1)
        return self._of[pole, day]

    def _new(self, day: int, operators: int) -> AlarmCount:
        from_us = max(self._from_us, day * DAY_US)
        return AlarmCount(from_us, min(self._to_us, (day + 1) * DAY_US), operators)


def _alarms(
    transaction: Transaction, choice: AlarmChoice, now_utc_us: int, from_us: int, to_us: int
) -> Iterator[tuple[str, AlarmTimes]]:
    """Those that were raised or stood in that time, in the order in which they were opened."""
    chosen = msgspec.structs.replace(choice, from_utc_us=None, to_utc_us=to_us).condition(
        now_utc_us
    )
    query = (
        "SELECT row, site, node, CASE WHEN is_own = 1 THEN kind ELSE rule END,"  # noqa: S608 - constants of ours, values bound
        f" t_opened_utc_us, {_OVER} FROM alarm WHERE {chosen.sql}"
        f" AND (t_opened_utc_us >= ? OR {_OVER} IS NULL OR {_OVER} >= ?) AND row > ?"
        f" ORDER BY row LIMIT {_PAGE_ROWS}"
    )
    after = -1
    while True:
        page = transaction.values(query, (*chosen.values, from_us, from_us, after))
        for row, site, node, rule, opened_us, over_us in page:
            pole = "/".join((str(site), str(node))) if site else "the desk"
            opened = _us(opened_us)
            over = None if over_us is None else max(opened, _us(over_us))
            yield pole, AlarmTimes(" ".join((pole, str(rule))), opened, over)
            after = _us(row)
        if len(page) < _PAGE_ROWS:
            return


def _us(value: Value) -> int:
    return int(value or 0)
