"""Reading and writing private keys: what is read must be ours alone, what is written is whole.

Everything goes through file descriptors of directories, so that no link and no renaming
leads elsewhere in between.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from roeh.core.errors import KeyRefused, OutputRefused

#: No file of ours comes near it; a device or a mistake is not read into memory.
MAX_FILE_BYTES = 64 * 1024

_PRIVATE_MODE = 0o600
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextlib.contextmanager
def opened_directory(path: Path, *, follow: bool = True) -> Iterator[int]:
    """A directory as a descriptor; without `follow` a symbolic link is refused.

    Raises:
        KeyRefused: it is not a directory, or cannot be opened.
    """
    try:
        descriptor = os.open(path, _DIRECTORY_FLAGS | (0 if follow else os.O_NOFOLLOW))
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def check_directory(descriptor: int, path: Path, owner_uid: int) -> None:
    """Refuse a directory in which somebody else could exchange files.

    Raises:
        KeyRefused: another owner, or writable for group or others.
    """
    status = os.fstat(descriptor)
    _check_owner(status, path, owner_uid)
    if status.st_mode & 0o022:
        raise KeyRefused(
            what=f"others may write to it (mode {stat.S_IMODE(status.st_mode):04o})",
            which=str(path),
            remedy=f"chmod 700 {path}, and find out who could have put keys there",
        )


def read_private(directory: int, path: Path, owner_uid: int) -> bytes:
    """The bytes of `path`, a file in the open directory, when it is ours alone.

    Raises:
        FileNotFoundError: there is no such file.
        KeyRefused: a link, another owner, readable or writable for group or others, no
            regular file, or too large.
    """
    try:
        descriptor = os.open(
            path.name,
            os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
            dir_fd=directory,
        )
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(path, error) from error
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KeyRefused(what="not a regular file", which=str(path), remedy="remove it")
        _check_owner(status, path, owner_uid)
        if status.st_mode & 0o077:
            raise KeyRefused(
                what=f"others may read or write it (mode {stat.S_IMODE(status.st_mode):04o})",
                which=str(path),
                remedy=f"chmod 600 {path}; if others can have read it, make a new key in its place",
            )
        return read_bounded(file.read(MAX_FILE_BYTES + 1), path)


def read_bounded(content: bytes, path: Path, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """What was read, refused when it is larger than any file of ours.

    Raises:
        KeyRefused: too large.
    """
    if len(content) > max_bytes:
        raise KeyRefused(
            what=f"larger than {max_bytes} bytes",
            which=str(path),
            remedy="this is not what was asked for; name another file",
        )
    return content


def write_durably(directory: int, name: str, content: bytes, owner_uid: int) -> None:
    """A new file of mode 0600 in the open directory, on the disk when this returns.

    Raises:
        FileExistsError: the name is taken.
    """
    descriptor = os.open(
        name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE_MODE, dir_fd=directory
    )
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
        file.write(content)
        file.flush()
        give_to(descriptor, owner_uid)
        os.fsync(descriptor)


def replace_public(path: Path, content: bytes) -> None:
    """A file that anyone may read, whole or as it was before.

    Raises:
        OutputRefused: it cannot be written there.
    """
    making = path.with_name(f".{path.name}.new")
    try:
        with making.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        making.replace(path)
        with opened_directory(path.parent) as directory:
            os.fsync(directory)
    except OSError as error:
        raise OutputRefused(
            what=f"cannot be written ({error.strerror})",
            which=str(path),
            remedy="name a place that can be written to, with room",
        ) from error


def replace_private(path: Path, content: bytes, owner_uid: int) -> None:
    """A file of mode 0600 that is its owner's, whole or as it was before.

    Raises:
        OutputRefused: it cannot be written there, or not given to its owner.
    """
    making = f".{path.name}.new"
    try:
        with opened_directory(path.parent) as directory:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(making, dir_fd=directory)
            write_durably(directory, making, content, owner_uid)
            os.replace(making, path.name, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)
    except OSError as error:
        raise OutputRefused(
            what=f"cannot be written ({error.strerror})",
            which=str(path),
            remedy="name a place that can be written to, with room; as root to give it away",
        ) from error


def read_public(path: Path, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """A file that somebody names on the command line.

    Raises:
        KeyRefused: it cannot be read, or is larger than any file of ours.
    """
    try:
        with path.open("rb") as file:
            return read_bounded(file.read(max_bytes + 1), path, max_bytes)
    except OSError as error:
        raise _unreadable(path, error) from error


def give_to(descriptor: int, owner_uid: int) -> None:
    """Make it its owner's; root prepares keys for the user who needs them."""
    if os.fstat(descriptor).st_uid != owner_uid:
        os.fchown(descriptor, owner_uid, -1)


def _check_owner(status: os.stat_result, path: Path, owner_uid: int) -> None:
    if status.st_uid != owner_uid:
        raise KeyRefused(
            what=f"belongs to {_user(status.st_uid)}, not to {_user(owner_uid)}",
            which=str(path),
            remedy="run this as the user whose keys they are (on a pole [users] evidence or "
            f"publish), or chown {owner_uid} {path}",
        )


def _user(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (user id {uid})"
    except KeyError:
        return f"user id {uid}"


def _unreadable(path: Path, error: OSError) -> KeyRefused:
    if error.errno == errno.ELOOP:
        what, remedy = "a symbolic link", "put the file itself there"
    elif error.errno == errno.ENOTDIR:
        what, remedy = "not a directory", "remove it, or name another directory"
    elif isinstance(error, FileNotFoundError):
        what, remedy = "not there", "check the path"
    elif isinstance(error, PermissionError):
        what, remedy = "may not be read", "run as the user whose keys they are, or as root"
    else:
        what, remedy = f"cannot be read ({error.strerror})", "check the path and its medium"
    return KeyRefused(what=what, which=str(path), remedy=remedy)
