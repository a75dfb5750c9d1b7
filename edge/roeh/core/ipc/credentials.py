"""Who is at the other end of a unix socket, told by the kernel (unix(7), SO_PEERCRED)."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from collections.abc import Mapping

from roeh.core.errors import ConfigError, PeerRefused
from roeh.core.peers import Role

_UCRED = struct.Struct("3i")


def peer_uid(connection: socket.socket) -> int:
    """The user id of the process that opened the other end."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _pid, uid, _gid = _UCRED.unpack(raw)
    return int(uid)


class Users:
    """Which user runs each role; a role without a name belongs to the present user."""

    def __init__(self, names: Mapping[Role, str]) -> None:
        self._uids = {role: user_id(names.get(role, "")) for role in Role}

    def check_any(self, connection: socket.socket) -> tuple[Role, ...]:
        """Refuse a peer whose user runs no process of this node, before it says a word.

        Returns:
            The roles that it may have.

        Raises:
            PeerRefused: naming the user.
        """
        uid = peer_uid(connection)
        roles = tuple(role for role, its_uid in self._uids.items() if its_uid == uid)
        if not roles:
            raise PeerRefused(
                what=f"user id {uid} runs no process of this node",
                which="a new peer",
                remedy="check [users] in the configuration and the unit's User=",
            )
        return roles

    def check(self, connection: socket.socket, role: Role) -> None:
        """Refuse a peer whose user may not have this role.

        Raises:
            PeerRefused: naming the user and the role.
        """
        uid = peer_uid(connection)
        if uid != self._uids[role]:
            raise PeerRefused(
                what=f"user id {uid} may not act as {role.value}",
                which=f"{role.value} belongs to user id {self._uids[role]}",
                remedy="check [users] in the configuration and the unit's User=",
            )


def user_id(name: str) -> int:
    """The number of a user; of the present one for an empty name.

    Raises:
        ConfigError: there is no such user.
    """
    if not name:
        return os.geteuid()
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ConfigError(
            what="no such user on this machine",
            which=f"[users] {name}",
            remedy="create the user or correct the name",
        ) from None
