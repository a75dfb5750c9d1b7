"""The node's key and certificate for TLS, where publish's user alone can read them.

    <data_dir>-tls/tls.pem      private key, certificate, node CA (PEM, mode 0600)

Publish faces the network and must not see what evidence signs with, so this is a copy in a
directory of its own. Key and certificates lie in one file, replaced in one step: a rotation
never leaves two that do not belong together. It is a file whatever [keys] home says, since
Python's TLS cannot use a key inside a TPM.
"""

from __future__ import annotations

import os
import pwd
from typing import NamedTuple

from roeh.core.config import NodeConfig
from roeh.core.errors import ConfigError, KeyRefused, OutputRefused
from roeh.core.paths import tls_dir
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
    path = tls_dir(config) / _FILE
    try:
        path.lstat()
    except FileNotFoundError:
        return None
    except PermissionError:
        pass
    return TlsPair(str(path), str(path))


class TlsFile:
    """The file as whoever installs keys sees it: root, or publish's user."""

    def __init__(self, config: NodeConfig) -> None:
        self.path = tls_dir(config) / _FILE
        self._owner_uid = _publish_uid(config)

    def is_current(self, entry: KeyEntry) -> bool:
        """Whether publish has this key and certificate already.

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
            OutputRefused: it can be neither made nor written to, or not given to publish.
        """
        directory = self.path.parent
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if directory.stat().st_uid != self._owner_uid:
                os.chown(directory, self._owner_uid, -1)
            directory.chmod(0o700)
        except OSError as error:
            raise OutputRefused(
                what=f"cannot be made for publish's user ({error.strerror})",
                which=str(directory),
                remedy="run as root, or name a place in [keys] tls_dir",
            ) from error

    def put(self, entry: KeyEntry) -> None:
        """Replace it in one step.

        Raises:
            OutputRefused: it cannot be written; what was there is there.
        """
        self.prepare()
        replace_private(self.path, _content(entry), self._owner_uid)


def is_worth_showing(entry: KeyEntry) -> bool:
    """Whether a broker could believe it: what the node made for itself nobody does."""
    return not is_unprovisioned(entry.leaf)


def _content(entry: KeyEntry) -> bytes:
    return entry.key_pem + entry.chain_pem


def _publish_uid(config: NodeConfig) -> int:
    if not config.users.publish:
        return os.geteuid()
    try:
        return pwd.getpwnam(config.users.publish).pw_uid
    except KeyError:
        raise ConfigError(
            what="no such user on this machine",
            which=f"[users] publish = {config.users.publish}",
            remedy="create the user or correct the name",
        ) from None
