"""What takes an alert out of the outbox: resolved in one place, for evidence and publish."""

from __future__ import annotations

from typing import Literal

from roeh.core.config.schema import NodeConfig

AckMode = Literal["desk", "broker"]


def ack_mode(config: NodeConfig) -> AckMode:
    """What broker.ack means: "auto" is the desk where its keys are known, else the broker."""
    if config.broker.ack == "auto":
        return "desk" if config.desk.keys_file else "broker"
    return config.broker.ack
