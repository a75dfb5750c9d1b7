"""Which alarms: the filters of lists and reports, as SQL whose values are bound."""

from __future__ import annotations

import msgspec

from roeh.core.moments import utc_text
from roeh.desk.alarms.states import CLOCKS_DIFFER_US, AlarmState, Verdict
from roeh.desk.store import Value

#: Whether it is at a time (bound twice), as `states.as_of` says it.
SHELVING_IS_OVER = (
    "state = 'shelved'"
    f" AND (shelved_until_utc_us <= ? OR t_changed_utc_us > ? + {CLOCKS_DIFFER_US})"
)
#: What an alarm's state is at a time (bound twice), though nobody wrote the shelving's end down.
STATE_NOW = f"(CASE WHEN {SHELVING_IS_OVER} THEN state_unshelved ELSE state END)"
OPEN = (AlarmState.NEW, AlarmState.ACKNOWLEDGED, AlarmState.SHELVED)


class AlarmChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A choice of alarms; what is None or empty does not restrict.

    Attributes:
        states: any of these.
        site, node: of one pole; `node` empty: all of a site.
        rule: its name, or the kind of a rule or of the desk's own.
        priority: this or higher.
        from_utc_us, to_utc_us: opened in [from, to), by the desk's clock.
        verdict: closed as.
        is_own: whether the desk found it itself.
    """

    states: tuple[AlarmState, ...] = ()
    site: str = ""
    node: str = ""
    rule: str = ""
    priority: int | None = None
    from_utc_us: int | None = None
    to_utc_us: int | None = None
    verdict: Verdict | None = None
    is_own: bool | None = None

    def condition(self, now_utc_us: int) -> SqlCondition:
        """As SQL."""
        parts: list[str] = []
        values: list[Value] = []

        def add(part: str, *bound: Value) -> None:
            parts.append(part)
            values.extend(bound)

        if self.states:
            marks = ", ".join("?" for _ in self.states)
            add(
                f"{STATE_NOW} IN ({marks})",
                now_utc_us,
                now_utc_us,
                *(one.value for one in self.states),
            )
        if self.site:
            add("site = ?", self.site)
        if self.node:
            add("node = ?", self.node)
        if self.rule:
            add("(rule = ? OR kind = ?)", self.rule, self.rule)
        if self.priority is not None:
            add("priority >= ?", self.priority)
        if self.from_utc_us is not None:
            add("t_opened_utc_us >= ?", self.from_utc_us)
        if self.to_utc_us is not None:
            add("t_opened_utc_us < ?", self.to_utc_us)
        if self.verdict is not None:
            add("closed_as = ?", self.verdict.value)
        if self.is_own is not None:
            add("is_own = ?", int(self.is_own))
        return SqlCondition(" AND ".join(parts) or "1 = 1", tuple(values))

    def words(self) -> str:
        """For the audit: what was chosen."""
        parts = [
            ("state", ",".join(state.value for state in self.states)),
            ("pole", f"{self.site}/{self.node}" if self.site else ""),
            ("rule", self.rule),
            ("priority", "" if self.priority is None else f"{self.priority}+"),
            ("from", "" if self.from_utc_us is None else utc_text(self.from_utc_us)),
            ("to", "" if self.to_utc_us is None else utc_text(self.to_utc_us)),
            ("closed as", "" if self.verdict is None else self.verdict.value),
            ("own", "" if self.is_own is None else str(self.is_own).lower()),
        ]
        return "; ".join(f"{name} {value}" for name, value in parts if value) or "all"


class SqlCondition(msgspec.Struct, frozen=True):
    """A WHERE of our own words, and the values bound in it."""

    sql: str
    values: tuple[Value, ...]
