"""A report on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from roeh.core.moments import length_text, utc_text
from roeh.desk.alarms.records import AlarmRecord
from roeh.desk.alarms.view import print_table, safe
from roeh.desk.report.figures import DailyFigures, PoleDay
from roeh.desk.report.reading import Summary, Tally

#: A table of more is no table; exports have all.
MAX_SHOWN = 200
_TITLES = (
    "alarm", "P", "state", "pole", "rule", "zone", "label", "opened (UTC)", "attended", "by",
)  # fmt: skip


def print_records(console: Console, records: Iterable[AlarmRecord]) -> None:
    """The first of them, a line each."""
    rows = []
    for record in records:
        state = record.state if record.closed_as is None else f"closed: {record.closed_as}"
        attended = ""
        if record.t_attended_utc_us is not None:
            attended = f"after {length_text(record.t_attended_utc_us - record.t_opened_utc_us)}"
        cells = (
            record.id[:8],
            str(record.priority),
            state,
            f"{record.site}/{record.node}" if record.site else "the desk",
            record.kind if record.found_by_desk else record.rule,
            record.zone,
            record.label,
            utc_text(record.t_opened_utc_us),
            attended,
            record.attended_by or "",
        )
        rows.append([safe(cell) for cell in cells])
    print_table(console, _TITLES, rows)


def print_summary(console: Console, found: Summary) -> None:
    """Counts by pole and rule, and how soon operators were there."""
    for title, tallies in (("pole", found.poles), ("rule", found.rules)):
        console.print()
        titles = (title, "alarms", "real", "false", "share false", "open")
        shown = [*tallies[:MAX_SHOWN], found.total] if title == "pole" else tallies[:MAX_SHOWN]
        print_table(console, titles, ([safe(cell) for cell in _cells(one)] for one in shown))
    console.print()
    if found.attended_median_us is None or found.attended_p95_us is None:
        console.print(safe("nobody attended to any of them yet"))
        return
    median, p95 = length_text(found.attended_median_us), length_text(found.attended_p95_us)
    console.print(
        safe(f"attended to {found.attended} of {found.total.alarms}: median {median}, p95 {p95}")
    )


def print_figures(console: Console, found: DailyFigures) -> None:
    """A line a day of all together and a line a day and pole, then what misses its target."""
    titles = (
        "pole", "day (UTC)", "alarms", "an operator hour", "peak in 10 min", "flood",
        "chattering", "stale", "standing", "most from",
    )  # fmt: skip
    shown = (*found.together, *found.poles[:MAX_SHOWN])
    print_table(console, titles, ([safe(cell) for cell in _day_cells(one)] for one in shown))
    left_out = found.left_out + max(0, len(found.poles) - MAX_SHOWN)
    if left_out:
        console.print(safe(f"and {left_out} more: choose fewer days or one pole"))
    for one in found.together:
        for missed in one.figures.exceeded:
            console.print(safe(f"{utc_text(one.day_us)[:10]}: {missed}"))


def _day_cells(one: PoleDay) -> tuple[str, ...]:
    figures = one.figures
    top = figures.top[0] if figures.top else None
    return (
        one.pole or "all together",
        utc_text(one.day_us)[:10],
        str(figures.alarms),
        f"{figures.per_operator_hour:.1f}",
        str(figures.peak),
        f"{figures.flood_share:.0%}",
        str(len(figures.chattering)),
        str(figures.stale),
        str(figures.standing),
        "-" if top is None else f"{top.source} {top.share:.0%}",
    )


def _cells(tally: Tally) -> tuple[str, ...]:
    share = "-" if tally.false_share is None else f"{tally.false_share:.0%}"
    name = "the desk" if tally.name == "/" else tally.name
    return (
        name,
        str(tally.alarms),
        str(tally.real),
        str(tally.false_alarms),
        share,
        str(tally.open),
    )
