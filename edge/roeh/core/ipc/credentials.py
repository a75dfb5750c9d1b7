"""Who is at the other end of a unix socket, told by the kernel (unix(7), SO_PEERCRED)."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

from roeh.core.errors import ConfigError, PeerRefused, StorageFailed
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
        self._uids = {role: _uid(names.get(role, "")) for role in Role}

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


def bind_unix_socket(path: Path, kind: socket.SocketKind) -> socket.socket:
    """A listening unix socket at `path`, in place of one that a dead process left.

    Raises:
        StorageFailed: the directory cannot be written, or somebody listens there already.
    """
    listener = socket.socket(socket.AF_UNIX, kind)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _refuse_living(path, kind)
            path.unlink()
        listener.bind(str(path))
        # Peers run as other users; each is checked by its user id on connecting.
        path.chmod(0o666)
        listener.listen(16)
    except OSError as error:
        listener.close()
        raise StorageFailed(
            what=f"cannot listen ({error.strerror or error})",
            which=str(path),
            remedy="set paths.run_dir to a directory this user can write, "
            "with a path shorter than 90 characters",
        ) from None
    return listener


def _refuse_living(path: Path, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_UNIX, kind) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise StorageFailed(
                what="another node runs here already",
                which=str(path),
                remedy="stop it, or give this one its own paths.run_dir",
            )


def _uid(name: str) -> int:
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
