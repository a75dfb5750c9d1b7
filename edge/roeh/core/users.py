"""From the [users] section to the check of peers."""

from __future__ import annotations

from roeh.core.config import NodeConfig
from roeh.core.ipc.credentials import Users
from roeh.core.peers import Role


def node_users(config: NodeConfig) -> Users:
    """Which system user runs which process of this node."""
    return Users({role: getattr(config.users, role.value) for role in Role})
