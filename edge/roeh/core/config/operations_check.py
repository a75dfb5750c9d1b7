"""Whether operations, and the rules that belong to them, can be meant."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from roeh.core.config.names_check import check_known, check_unique
from roeh.core.config.rule_schema import RuleSection
from roeh.core.config.schema import NodeConfig, OperationSection
from roeh.core.errors import ConfigError


def check_operations(config: NodeConfig, name: str) -> None:
    """Refuse operations that never hold, and rules that would rest for nobody.

    Raises:
        ConfigError: naming the field and what to write.
    """
    check_unique("operations", [operation.name for operation in config.operations], name)
    schedules = {schedule.name for schedule in config.schedules}
    for index, operation in enumerate(config.operations):
        place = f"operations[{index}] {operation.name}"
        if operation.schedule:
            check_known(operation.schedule, schedules, f"{place} schedule", name)
        _check_times(operation, place, name)
    operations = {operation.name for operation in config.operations}
    rules = {rule.name: rule for rule in config.rules}
    for index, rule in enumerate(config.rules):
        place = f"rules[{index}] {rule.name}"
        if rule.operation:
            check_known(rule.operation, operations, f"{place} operation", name)
        if rule.instead_of:
            check_known(rule.instead_of, rules, f"{place} instead_of", name)
            _check_replacing(rule, rules, place, name)


def _check_times(operation: OperationSection, place: str, name: str) -> None:
    times = (("from", operation.from_local), ("to", operation.to_local))
    for key, text in times:
        try:
            datetime.datetime.fromisoformat(text or "2000-01-01T00:00")
        except ValueError:
            raise ConfigError(
                what="no day of the calendar",
                which=f"{place} {key} = {text!r} in {name}",
                remedy='give a local time such as "2027-04-02T18:00"',
            ) from None
    begins, ends = operation.from_local, operation.to_local
    # Of one form, so that their letters are ordered as they are.
    if begins is not None and ends is not None and begins >= ends:
        raise ConfigError(
            what="the operation ends before it begins",
            which=f"{place} in {name}",
            remedy="give a from that is earlier than to",
        )


def _check_replacing(
    rule: RuleSection, rules: Mapping[str, RuleSection], place: str, name: str
) -> None:
    if not rule.operation:
        raise ConfigError(
            what="without an operation the other rule would rest for ever",
            which=f"{place} instead_of = {rule.instead_of!r} in {name}",
            remedy="give operation as well, or remove instead_of",
        )
    seen: list[str] = [rule.name]
    while rules[seen[-1]].instead_of in rules:
        seen.append(rules[seen[-1]].instead_of)
        if seen[-1] == rule.name:
            raise ConfigError(
                what="rules that are instead of one another",
                which=f"{place} instead_of: {' > '.join(seen)} in {name}",
                remedy="let the rule that always holds be instead of none",
            )
        if seen[-1] in seen[:-1]:
            return  # a ring that this rule is not in: told of one that is
