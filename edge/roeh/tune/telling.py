"""What `roeh tune` says on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from roeh.core.config import NodeConfig
from roeh.core.errors import one_line
from roeh.core.moments import length_text, size_text
from roeh.tune.comparison import RuleComparison
from roeh.tune.hours import HourRow
from roeh.tune.judging import Raised
from roeh.tune.local_time import hour_text, local_text
from roeh.tune.outcome import Outcome

#: Of each rule, gained and lost.
_SHOWN = 5
_WIDTH = 120


def print_outcome(outcome: Outcome, config: NodeConfig, out: IO[str]) -> None:
    """Tables: by rule, by hour, and what is gained and lost first."""
    console = Console(file=out, highlight=False, width=None if out.isatty() else _WIDTH)
    zone = config.node.time_zone
    when = outcome.when
    _say(
        console,
        f"{local_text(when.from_us, zone)} to {local_text(when.to_us, zone)} ({zone}), "
        f"{', '.join(outcome.cameras)}: {outcome.scenes} pictures judged",
    )
    console.print(_by_rule(outcome))
    if len(outcome.hours) > 1:
        console.print(_by_hour(outcome.hours, zone))
    console.print(_figures(outcome))
    for rule in outcome.rules:
        _print_first(console, rule, zone)
    for line in (*outcome.remarks, *(f"damaged: {one}" for one in outcome.damages)):
        _say(console, line)


def estimate_line(length_us: int, takes_us: int, times_as_fast: float, sample_us: int) -> str:
    """How long it takes, before it begins."""
    return (
        f"{length_text(length_us)} of footage take about {length_text(takes_us)} on this machine"
        f" ({times_as_fast:.1f} times as fast as recorded; measured on"
        f" {length_text(sample_us)} of it); it can be interrupted and goes on with the same"
        " --save-tracks"
    )


def kept_line(directory: str, size_bytes: int) -> str:
    """Where tracks are for the next try."""
    return f"tracks kept in {directory} ({size_text(size_bytes)}): the next try needs no footage"


def place_text(raised: Raised) -> str:
    """Where it was."""
    where = raised.where
    return f"{where.bearing_deg:.0f} deg {where.range_m:.0f} m"


def _by_rule(outcome: Outcome) -> Table:
    table = Table(box=None, title_justify="left")
    table.add_column("rule", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    titles = ["then", "as configured", "as changed", "same", "gained", "lost", "held back"]
    for title in titles:
        table.add_column(title, justify="right")
    for rule in outcome.rules:
        table.add_row(*(escape(one_line(cell)) for cell in rule_cells(rule, outcome)))
    return table


def rule_cells(rule: RuleComparison, outcome: Outcome) -> tuple[str, ...]:
    """A rule: name, kind, raised then, as configured, as changed, same, gained, lost, held back."""
    return (
        rule.rule,
        rule.kind,
        "-" if outcome.is_untold else str(outcome.then.get(rule.rule, 0)),
        str(len(rule.before)),
        str(len(rule.after)),
        str(len(rule.kept)),
        str(len(rule.gained)),
        str(len(rule.lost)),
        f"{rule.held_back_before} -> {rule.held_back_after}",
    )


def figure_rows(outcome: Outcome) -> list[tuple[str, ...]]:
    """Figures of alarm management by name: then, as configured, as changed.

    Their targets stand in core/alarm_figures.py.
    """
    figures = (outcome.figures_then, outcome.figures_before, outcome.figures_after)
    rows = [
        ("alarms an hour", *(f"{one.per_operator_hour:.1f}" for one in figures)),
        ("most in ten minutes", *(str(one.peak) for one in figures)),
        ("chattering rules", *(", ".join(one.chattering) or "none" for one in figures)),
        ("stale", *(str(one.stale) for one in figures)),
        ("standing at the end", *(str(one.standing) for one in figures)),
    ]
    if not outcome.is_untold:
        return rows
    return [(name, "-", *cells) for name, _, *cells in rows]


def _by_hour(hours: Sequence[HourRow], zone: str) -> Table:
    table = Table(box=None, title_justify="left")
    table.add_column("hour", no_wrap=True)
    for title in ("as configured", "as changed"):
        table.add_column(title, justify="right")
    table.add_column("rules", overflow="fold")
    for row in hours:
        rules = ", ".join(
            f"{one.rule} {one.before} -> {one.after}"
            for one in row.rules
            if one.before != one.after
        )
        table.add_row(
            hour_text(row.begin_us, zone), str(row.before), str(row.after), escape(one_line(rules))
        )
    return table


def _figures(outcome: Outcome) -> Table:
    table = Table(box=None, title_justify="left")
    table.add_column("for one operator", no_wrap=True)
    for title in ("then", "as configured", "as changed"):
        table.add_column(title, justify="right")
    for row in figure_rows(outcome):
        table.add_row(*(escape(one_line(cell)) for cell in row))
    return table


def _print_first(console: Console, rule: RuleComparison, zone: str) -> None:
    for word, raised in (("gained", rule.gained), ("lost", rule.lost)):
        for one in raised[:_SHOWN]:
            _say(
                console,
                f"{word}: {rule.rule} {local_text(one.t_utc_us, zone)} {one.label}"
                f"{f' x{one.count}' if one.count > 1 else ''} at {place_text(one)},"
                f" {one.camera_id}",
            )
        if len(raised) > _SHOWN:
            _say(console, f"{word}: {rule.rule} and {len(raised) - _SHOWN} more")


def _say(console: Console, line: str) -> None:
    console.print(escape(one_line(line)), soft_wrap=True)
