"""From the [users] section to the check of peers and of files."""

from __future__ import annotations

from roeh.core.config import NodeConfig
from roeh.core.ipc.credentials import Users, user_id
from roeh.core.paths import clock_file
from roeh.core.peers import Role
from roeh.core.told_clock import ToldClock


def node_users(config: NodeConfig) -> Users:
    """Which system user runs which process of this node."""
    return Users({role: getattr(config.users, role.value) for role in Role})


def told_clock(config: NodeConfig) -> ToldClock:
    """What evidence tells of the clock.

    Raises:
        ConfigError: evidence's user does not exist.
    """
    return ToldClock(clock_file(config), user_id(config.users.evidence))
