"""A listening unix socket that belongs to one process at a time.

A lock beside the socket says who listens (flock(2): the kernel drops it with the
process, however that ends), so a socket left by a dead process is replaced, a living
one never is, and of two that start together one is told.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import threading
from pathlib import Path

from roeh.core.errors import StorageFailed

_BACKLOG = 64
#: Conditions that pass: nobody is turned away for good because of them.
_PASSING = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED, errno.EINTR}
)
_PASSING_WAIT_S = 0.1


class UnixListener:
    """Listens at `path`; peers of any user reach it, so check each after `accept`.

    Raises:
        StorageFailed: the directory cannot be written, or somebody listens there already.
    """

    def __init__(self, path: Path, kind: socket.SocketKind) -> None:
        self._path = path
        self._shut = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX, kind)
        self._lock_descriptor = -1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_descriptor = _lock(path)
            _remove_stale(path)
            self._socket.bind(str(path))
            path.chmod(0o666)
            self._socket.listen(_BACKLOG)
        except OSError as error:
            self._release()
            raise StorageFailed(
                what=f"cannot listen ({error.strerror or error})",
                which=str(path),
                remedy="set paths.run_dir to a directory this user can write, "
                "with a path shorter than 90 characters",
            ) from None
        except BaseException:
            self._release()
            raise

    def accept(self) -> socket.socket | None:
        """The next connection; None once `shut` was called."""
        while not self._shut.is_set():
            try:
                return self._socket.accept()[0]
            except OSError as error:
                if self._shut.is_set():
                    return None
                if error.errno not in _PASSING:
                    raise
                self._shut.wait(_PASSING_WAIT_S)
        return None

    def shut(self) -> None:
        """Take no more connections; wakes `accept`, which closing alone would not."""
        self._shut.set()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it was shut before

    def close(self) -> None:
        """Leave the path to the next one."""
        self.shut()
        self._path.unlink(missing_ok=True)
        self._release()

    def _release(self) -> None:
        self._socket.close()
        if self._lock_descriptor >= 0:
            os.close(self._lock_descriptor)
            self._lock_descriptor = -1


def _lock(path: Path) -> int:
    """The lock beside the socket, held by this process.

    Raises:
        StorageFailed: another process holds it.
    """
    # Reading is enough for flock(2), so a file left by another user is no obstacle.
    descriptor = os.open(
        path.with_name(f"{path.name}.lock"), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644
    )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StorageFailed(
            what="another node runs here already",
            which=str(path),
            remedy="stop it, or give this one its own paths.run_dir",
        ) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _remove_stale(path: Path) -> None:
    """Remove the socket of a dead process; nothing else is ever removed."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StorageFailed(
            what="something that is not a socket is in the way",
            which=str(path),
            remedy="move it away, or set paths.run_dir to another directory",
        )
    path.unlink()
