"""The key directory: numbered sets, of which the newest is in force.

    <dir>/set-0002/{media,log,manifest,tls}.pem, anchors.pem     in force
    <dir>/old/set-0001-media.pem                                  certificates only
    <dir>/pending/media.pem                                       key that waits for a certificate

A set is never changed. A new one is written as `making`, synced, and comes into force by
one rename: after a crash there is the old set or the new one, and a `making` that the next
writer removes. Only then are the older sets' private keys removed, their certificates kept.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from roeh.core.errors import KeyRefused, RoehError, StorageFailed, StorageFull
from roeh.keys.key_pem import CERTIFICATE_LABEL, KeyEntry, parse_entry, pem_blocks
from roeh.keys.safe_files import (
    check_directory,
    give_to,
    opened_directory,
    read_private,
    write_durably,
)
from roeh.keys.signer import KeyUsage

ANCHORS_FILE = "anchors.pem"

_MAKING = "making"
_OLD = "old"
_PENDING = "pending"
_SET = re.compile(r"set-(\d{4,9})")


class KeySets:
    """The sets of one key directory.

    Args:
        directory: the key directory; it need not be there.
        owner_uid: the user to whom everything in it has to belong: evidence's.
    """

    def __init__(self, directory: Path, owner_uid: int) -> None:
        self.directory = directory
        self._owner_uid = owner_uid

    def newest(self) -> int:
        """The number of the set in force; 0 when there is none."""
        return max(self._numbers(), default=0)

    def path(self, number: int) -> Path:
        """Where a set lies."""
        return self.directory / f"set-{number:04d}"

    def read(self, number: int, name: str) -> bytes:
        """A file of a set.

        Raises:
            KeyRefused: it is not there, not ours alone, or a link.
        """
        path = self.path(number) / name
        try:
            return self._read(path)
        except FileNotFoundError:
            raise KeyRefused(
                what="missing from the set in force",
                which=str(path),
                remedy="restore it, or make new keys: roeh keys rotate",
            ) from None

    def add(self, files: Mapping[str, bytes], *, after: int) -> bool:
        """Bring a whole set into force, atomically and durably.

        Returns:
            False when `after` is no longer the newest set: somebody else was quicker.

        Raises:
            StorageFull, StorageFailed: it could not be written; the old set is in force.
            KeyRefused: the directory is not ours alone.
        """
        with self._writing() as directory:
            if self.newest() != after:
                return False
            self._remove(_MAKING)
            os.mkdir(_MAKING, 0o700, dir_fd=directory)
            with opened_directory(self.directory / _MAKING, follow=False) as making:
                for name, content in files.items():
                    write_durably(making, name, content, self._owner_uid)
                give_to(making, self._owner_uid)
                os.fsync(making)
            os.rename(
                _MAKING, self.path(after + 1).name, src_dir_fd=directory, dst_dir_fd=directory
            )
            os.fsync(directory)
        return True

    def retire(self) -> None:
        """Keep the certificates of all sets but the newest, and remove their private keys.

        Safe to repeat; what a crash left half done is finished.
        """
        with self._writing() as directory:
            self._remove(_MAKING)
            newest = self.newest()
            for number in self._numbers():
                if number < newest:
                    self._keep_certificates(number)
                    os.fsync(directory)
                    self._remove(self.path(number).name)
            os.fsync(directory)

    def pending(self, name: str) -> bytes | None:
        """A key that waits for its certificate, with its request; None when none does.

        Raises:
            KeyRefused: not ours alone, or a link.
        """
        try:
            return self._read(self.directory / _PENDING / name)
        except FileNotFoundError:
            return None

    def put_pending(self, name: str, content: bytes) -> None:
        """Keep a key that waits for its certificate; the name is replaced in one step.

        Raises:
            StorageFull, StorageFailed, KeyRefused: as `add`.
        """
        with self._writing():
            self._put(_PENDING, name, content)

    def drop_pending(self, name: str) -> None:
        """Forget a key that waited; nothing when there is none."""
        with self._writing(), contextlib.suppress(FileNotFoundError):
            (self.directory / _PENDING / name).unlink()

    def _numbers(self) -> list[int]:
        try:
            names = [path.name for path in self.directory.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise KeyRefused(
                what=f"cannot be listed ({error.strerror})",
                which=str(self.directory),
                remedy="run as evidence's user or as root",
            ) from error
        return sorted(int(match[1]) for name in names if (match := _SET.fullmatch(name)))

    def _read(self, path: Path) -> bytes:
        try:
            with opened_directory(self.directory) as directory:
                check_directory(directory, self.directory, self._owner_uid)
            with opened_directory(path.parent, follow=False) as parent:
                check_directory(parent, path.parent, self._owner_uid)
                return read_private(parent, path, self._owner_uid)
        except KeyRefused as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise error.__cause__ from None
            raise

    @contextlib.contextmanager
    def _writing(self) -> Iterator[int]:
        """The key directory, made when it is not there, for one writer at a time."""
        try:
            if not self.directory.is_dir():
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                with opened_directory(self.directory) as directory:
                    give_to(directory, self._owner_uid)
                with opened_directory(self.directory.parent) as parent:
                    os.fsync(parent)
            with opened_directory(self.directory) as directory:
                check_directory(directory, self.directory, self._owner_uid)
                fcntl.flock(directory, fcntl.LOCK_EX)
                yield directory
        except OSError as error:
            raise _not_written(self.directory, error) from error

    def _put(self, folder: str, name: str, content: bytes) -> None:
        path = self.directory / folder
        path.mkdir(mode=0o700, exist_ok=True)
        with opened_directory(path, follow=False) as directory:
            give_to(directory, self._owner_uid)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{name}.new", dir_fd=directory)
            write_durably(directory, f"{name}.new", content, self._owner_uid)
            os.replace(f"{name}.new", name, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)

    def _keep_certificates(self, number: int) -> None:
        for path in sorted(self.path(number).iterdir()):
            # Certificates are no secret: a file that is unsafe as a key is kept all the same.
            if path.is_symlink() or not path.is_file():
                continue
            blocks = pem_blocks(path.read_bytes())
            kept = b"".join(block for label, block in blocks if label == CERTIFICATE_LABEL)
            self._put(_OLD, f"{self.path(number).name}-{path.name}", kept)

    def _remove(self, name: str) -> None:
        path = self.directory / name
        if path.is_symlink():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)


def entry_of_set(sets: KeySets, usage: KeyUsage) -> tuple[KeyEntry, str]:
    """A usage's key and certificates out of the set in force, and how they are named.

    Raises:
        KeyRefused: no set, or its file is missing, unsafe, or not for this usage.
    """
    number = sets.newest()
    if not number:
        raise KeyRefused(
            what="no keys",
            which=str(sets.directory),
            remedy="roeh keys request, then roeh keys install (edge/docs/keys.md)",
        )
    name = f"{usage.value}.pem"
    which = str(sets.path(number) / name)
    return parse_entry(sets.read(number, name), usage, which), which


def _not_written(directory: Path, error: OSError) -> RoehError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(
            what="no room to write keys", which=str(directory), remedy="free space there"
        )
    if isinstance(error, PermissionError):
        return KeyRefused(
            what="keys may not be written by this user",
            which=str(directory),
            remedy="run as evidence's user or as root",
        )
    return StorageFailed(
        what=f"keys cannot be written ({error.strerror or error})",
        which=str(directory),
        remedy="check the medium and that it is mounted for writing",
    )
