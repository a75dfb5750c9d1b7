"""Where the processes of one node find each other and their store."""

from __future__ import annotations

from pathlib import Path

from roeh.core.config import NodeConfig


def evidence_socket(config: NodeConfig) -> Path:
    """The stream that evidence answers on."""
    return Path(config.paths.run_dir) / "evidence.sock"


def frames_socket(config: NodeConfig) -> Path:
    """Where capture offers frames."""
    return Path(config.paths.run_dir) / "frames.sock"


def node_database(config: NodeConfig) -> Path:
    """Alerts and outbox."""
    return Path(config.paths.data_dir) / "node.db"
