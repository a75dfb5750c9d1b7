"""A node.db that is missing or damaged is made anew, and somebody is told."""

from __future__ import annotations

from pathlib import Path

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.core.log import log_for
from roeh.core.paths import ledger_dir, node_database, segments_dir
from roeh.ledger.rebuild import rebuild, rebuild_reason

_log = log_for("evidence")


def rebuild_if_needed(config: NodeConfig, clock: Clock) -> tuple[str, ...]:
    """Make node.db anew when it is missing or damaged while its mirror or video is there.

    Returns what a person should know of it, a line each.

    Raises:
        StorageFull, StorageFailed: it cannot be made; what is there stays.
    """
    reason = _noted(config) or rebuild_reason(
        node_database(config), segments_dir(config), ledger_dir(config)
    )
    return () if reason is None else rebuild_store(config, clock, reason)


def note_damage(config: NodeConfig) -> None:
    """Damage was met while serving: the next start, which looks at less, is to know of it.

    The note names the very file, so that it says nothing of the one that takes its place.
    """
    database = node_database(config)
    try:
        _note(config).write_text(str(database.stat().st_ino), encoding="ascii")
    except OSError as error:
        _log.error("the damage cannot be noted for the next start: %s", error)


def rebuild_store(config: NodeConfig, clock: Clock, reason: str) -> tuple[str, ...]:
    """Move node.db aside and make it anew from mirror and segments.

    Returns what a person should know of it, a line each.

    Raises:
        StorageFull, StorageFailed: it cannot be made; what is there stays.
    """
    report = rebuild(
        node_database(config),
        segments_dir(config),
        ledger_dir(config),
        clock,
        site=config.node.site,
        node=config.node.name,
        reason=reason,
        move_aside=True,
    )
    kept = f"; the old one is {report.kept[0]}" if report.kept else ""
    line = (
        f"{reason}: rebuilt with {report.records} records and"
        f" {report.segments + report.recovered} segments{kept};"
        " alerts that were not sent before are lost"
    )
    _log.error("%s", line)
    return (line,)


def _note(config: NodeConfig) -> Path:
    return node_database(config).with_name("node.db.damaged")


def _noted(config: NodeConfig) -> str | None:
    try:
        inode = int(_note(config).read_text(encoding="ascii"))
        is_noted = inode == node_database(config).stat().st_ino
    except (OSError, ValueError):
        return None
    return "node.db was damaged" if is_noted else None
