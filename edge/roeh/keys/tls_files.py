"""The node's key and certificate for TLS, where the process that shows it alone can read them.

    <data_dir>-tls/tls.pem      publish's, for the broker: key, certificate, node CA (mode 0600)
    <data_dir>-https/tls.pem    retrieve's, for visitors; only where [access] host is set

Both face the network and must not see what evidence signs with, nor each other's copy, so each
has one in a directory of its own. Key and certificates lie in one file, replaced in one step: a
rotation never leaves two that do not belong together. It is a file whatever [keys] home says,
since Python's TLS cannot use a key inside a TPM.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import NamedTuple

from roeh.core.config import NodeConfig
from roeh.core.errors import ConfigError, KeyRefused, OutputRefused
from roeh.core.paths import retrieve_tls_dir, tls_dir
from roeh.keys.certificates import is_unprovisioned
from roeh.keys.key_pem import KeyEntry
from roeh.keys.safe_files import (
    check_directory,
    opened_directory,
    read_private,
    replace_private,
)

_FILE = "tls.pem"


class TlsPair(NamedTuple):
    """Files that belong together; here both are the same one."""

    certificate_file: str
    key_file: str


def tls_pair(config: NodeConfig) -> TlsPair | None:
    """What publish proves the node with; None when nothing was installed yet.

    It is not read here: whether it can be used is said by who loads it.
    """
    return _pair(tls_dir(config))


def retrieve_tls_pair(config: NodeConfig) -> TlsPair | None:
    """What retrieve proves the node to visitors with; None when nothing was installed yet."""
    return _pair(retrieve_tls_dir(config))


def tls_copies(config: NodeConfig) -> tuple[TlsFile, ...]:
    """The copies that this node needs.

    Raises:
        ConfigError: [users] names a user that is not there.
    """
    publish = TlsFile("publish", tls_dir(config), "tls_dir", config.users.publish)
    if not config.access.host:
        return (publish,)
    place = retrieve_tls_dir(config)
    return (publish, TlsFile("retrieve", place, "retrieve_tls_dir", config.users.retrieve))


class TlsFile:
    """One copy as whoever installs keys sees it: root, or the process's user.

    Args:
        process: whose it is.
        directory: where it lies.
        setting: of [keys], which names another place.
        user: who alone may read it; empty: whoever runs this.

    Raises:
        ConfigError: there is no such user.
    """

    def __init__(self, process: str, directory: Path, setting: str, user: str) -> None:
        self.process = process
        self.path = directory / _FILE
        self._setting = setting
        self._owner_uid = _uid(process, user)

    def is_current(self, entry: KeyEntry) -> bool:
        """Whether the process has this key and certificate already.

        Raises:
            KeyRefused: others may read it or exchange it.
        """
        try:
            with opened_directory(self.path.parent, follow=False) as directory:
                check_directory(directory, self.path.parent, self._owner_uid)
                return read_private(directory, self.path, self._owner_uid) == _content(entry)
        except FileNotFoundError:
            return False
        except KeyRefused as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return False
            raise

    def prepare(self) -> None:
        """Make its directory, so that an installation that cannot end does not begin.

        Raises:
            OutputRefused: it can be neither made nor written to, or not given to its user.
        """
        directory = self.path.parent
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if directory.stat().st_uid != self._owner_uid:
                os.chown(directory, self._owner_uid, -1)
            directory.chmod(0o700)
        except OSError as error:
            raise OutputRefused(
                what=f"cannot be made for {self.process}'s user ({error.strerror})",
                which=str(directory),
                remedy=f"run as root, or name a place in [keys] {self._setting}",
            ) from error

    def put(self, entry: KeyEntry) -> None:
        """Replace it in one step.

        Raises:
            OutputRefused: it cannot be written; what was there is there.
        """
        self.prepare()
        replace_private(self.path, _content(entry), self._owner_uid)


def is_worth_showing(entry: KeyEntry) -> bool:
    """Whether anybody could believe it: what the node made for itself nobody does."""
    return not is_unprovisioned(entry.leaf)


def _content(entry: KeyEntry) -> bytes:
    return entry.key_pem + entry.chain_pem


def _pair(directory: Path) -> TlsPair | None:
    path = directory / _FILE
    try:
        path.lstat()
    except FileNotFoundError:
        return None
    except PermissionError:
        pass
    return TlsPair(str(path), str(path))


def _uid(process: str, user: str) -> int:
    if not user:
        return os.geteuid()
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise ConfigError(
            what="no such user on this machine",
            which=f"[users] {process} = {user}",
            remedy="create the user or correct the name",
        ) from None
