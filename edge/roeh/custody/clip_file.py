"""The file that a clip becomes: whole and on the disk before it has its name."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from roeh.core.durable_files import sync_directory, write_all
from roeh.core.errors import OutputRefused

#: What file systems without hard links answer.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class WrittenClip(msgspec.Struct, frozen=True):
    """A clip that is on the disk under a name of its own, not yet under its final one."""

    path: Path
    final: Path
    size_bytes: int
    sha256: str


def check_free(paths: Sequence[Path]) -> None:
    """Refuse names that are taken or cannot be written to.

    Raises:
        OutputRefused: one of them is.
    """
    for path in paths:
        if os.path.lexists(path):
            raise _taken(path)
        if not path.parent.is_dir():
            raise OutputRefused(
                what="there is no such directory",
                which=str(path.parent),
                remedy="make it, or name another with --out",
            )


@contextlib.contextmanager
def written(pieces: Iterator[bytes], final: Path) -> Iterator[WrittenClip]:
    """Write a clip beside its final name, on the disk when this yields; gone afterwards.

    Raises:
        OutputRefused: it cannot be written.
    """
    with _refusals(final):
        descriptor, name = tempfile.mkstemp(
            prefix=f".{final.name}.", suffix=".unfinished", dir=final.parent
        )
    path = Path(name)
    try:
        hashed, size_bytes = hashlib.sha256(), 0
        try:
            for piece in pieces:
                hashed.update(piece)
                size_bytes += len(piece)
                with _refusals(final):
                    write_all(descriptor, piece)
            with _refusals(final):
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        yield WrittenClip(path, final, size_bytes, hashed.hexdigest())
    finally:
        path.unlink(missing_ok=True)


def give_final_name(clip: WrittenClip) -> None:
    """From now on it has its name; a file that has taken it meanwhile is left as it is.

    Raises:
        OutputRefused: it cannot have it.
    """
    with _refusals(clip.final):
        try:
            os.link(clip.path, clip.final)
        except FileExistsError:
            raise _taken(clip.final) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # A USB disk's file system: between these two lines the name can be taken.
            if os.path.lexists(clip.final):
                raise _taken(clip.final) from None
            clip.path.rename(clip.final)
        sync_directory(clip.final.parent)


@contextlib.contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputRefused(
            what=f"the clip cannot be written ({error.strerror})",
            which=str(path),
            remedy="free space there, or name another place with --out; nothing was left there",
        ) from None


def _taken(path: Path) -> OutputRefused:
    return OutputRefused(
        what="there is a file of this name, and none is overwritten",
        which=str(path),
        remedy="name another with --out",
    )
