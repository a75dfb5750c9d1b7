"""Rules as configured and as changed: what may differ between the two, and what not. Pure."""

from __future__ import annotations

from pathlib import Path

import msgspec

from roeh.core.config import NodeConfig, RuleSection, load_rules_over, with_camera_rules
from roeh.core.errors import ConfigError
from roeh.core.types import RuleKind

#: What rules are made of. All else stays as it is: tracks rest on it.
RULE_TABLES = ("zones", "lines", "schedules", "operations", "rules")
#: Judged by what no recording holds.
UNHEARD = frozenset({RuleKind.LOUD_NOISE.value})
#: Judged by what is observed in pictures only while some rule of the kind is there.
OBSERVED = frozenset(
    {RuleKind.OBJECT_LEFT.value, RuleKind.SCUFFLE.value, RuleKind.CAMERA_TAMPER.value}
)
#: No file can give a rule such a name.
_CHANGED = "changed/"


def load_changed(path: Path, config: NodeConfig) -> NodeConfig:
    """The node with the rules of another file, zones, lines and hours with them.

    Args:
        path: a whole node.toml, or those of its tables alone that change.
        config: as the node is.

    Raises:
        ConfigError: it cannot be meant, or changes what tracks rest on.
    """
    changed = load_rules_over(path, config)
    for table in ("sensors", "node", "detect"):
        if getattr(changed, table) != getattr(config, table):
            raise ConfigError(
                what=f"changes [{table}], and with it what is seen at all",
                which=str(path),
                remedy=f"change {', '.join(RULE_TABLES)} alone; leave the other tables away",
            )
    return with_tables_of(changed, config)


def with_tables_of(changed: NodeConfig, config: NodeConfig) -> NodeConfig:
    """A configuration with the rules of another."""
    return msgspec.structs.replace(
        config,
        **{name: getattr(changed, name) for name in RULE_TABLES if hasattr(changed, name)},
    )


def with_both(config: NodeConfig, changed: NodeConfig) -> NodeConfig:
    """A node whose pictures are observed for the rules of both."""

    def renamed(rule: RuleSection) -> RuleSection:
        names = {
            field: _CHANGED + getattr(rule, field)
            for field in ("name", "zone", "line")
            if getattr(rule, field, "")
        }
        # Watched for at all hours, so that whatever hours are tried can be judged.
        always = dict.fromkeys(("schedule", "operation", "instead_of"), "")
        unbound = {name: text for name, text in always.items() if hasattr(rule, name)}
        return msgspec.structs.replace(rule, **unbound, **names)

    return msgspec.structs.replace(
        config,
        zones=config.zones
        + tuple(msgspec.structs.replace(zone, name=_CHANGED + zone.name) for zone in changed.zones),
        lines=config.lines
        + tuple(msgspec.structs.replace(line, name=_CHANGED + line.name) for line in changed.lines),
        rules=config.rules + tuple(renamed(rule) for rule in changed.rules),
    )


def kinds_of(config: NodeConfig) -> frozenset[str]:
    """Which kinds of rules a configuration has, those that nobody wrote among them."""
    return frozenset(str(rule.__struct_config__.tag) for rule in with_camera_rules(config).rules)
