"""A pole watches its own cameras, whether or not anybody wrote a rule for it."""

from __future__ import annotations

import msgspec

from roeh.core.config.rule_schema import CameraBlindRule, CameraTamperRule
from roeh.core.config.schema import NodeConfig


def with_camera_rules(config: NodeConfig) -> NodeConfig:
    """The configuration with the rules that are there without being written.

    One of a kind that stands in the file takes its place; `detect.watch_cameras = false` leaves
    only what stands there.
    """
    if not config.detect.watch_cameras:
        return config
    added = tuple(
        rule
        for rule in (CameraTamperRule(), CameraBlindRule())
        if not any(isinstance(written, type(rule)) for written in config.rules)
    )
    return msgspec.structs.replace(config, rules=config.rules + added)
