"""Opening a bundle: decrypted, unpacked and verified; what is not whole never looks it.

    DIR.part/bundle.zip     decrypted
    DIR.part/roeh-export-ID/...
    DIR                     DIR.part without the zip, appearing in one step

A zip may say anything: its members are taken from the one reader that accounts for every byte
(bundle/zip_file.py), are written below one directory under plain names, as new files, and take
no more room together than the zip has.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from roeh.bundle import layout
from roeh.bundle.encryption import decrypt, parse_identities
from roeh.bundle.zip_file import member_pieces, read_zip
from roeh.bundle.zip_framing import ZipMember, is_plain_name
from roeh.core.durable_files import sync_directory
from roeh.core.errors import BundleRefused, ExportFailed, OutputRefused

#: How a file begins that age encrypted (age-encryption.org/v1).
_AGE_BEGINS = b"age-encryption.org/v1\n"
_ZIP = "bundle.zip"
_MODE, _DIRECTORY_MODE = 0o600, 0o700

OnBytes = Callable[[int], None]


class Opened(msgspec.Struct, frozen=True):
    """What was unpacked.

    Attributes:
        zip_path: decrypted, as long as the directory is open; to be verified.
        faults: what is not as it was written, in words.
    """

    zip_path: Path
    faults: tuple[str, ...]


def size_of(bundle: Path) -> int:
    """Bytes of a bundle.

    Raises:
        BundleRefused: it is not there.
    """
    try:
        return bundle.stat().st_size
    except OSError as error:
        raise _unreadable(bundle, error) from error


@contextlib.contextmanager
def opened_bundle(
    bundle: Path, keys: Sequence[str], out: Path, on_bytes: OnBytes
) -> Iterator[Opened]:
    """A bundle, decrypted and unpacked beside `out`; when this is left, it is `out`.

    Args:
        bundle: .zip.age, or a zip that was decrypted already.
        keys: secret keys of age.
        out: a directory that is not there yet.
        on_bytes: told how many more bytes were written.

    Raises:
        BundleRefused: it is none, not for these keys, or cut short or changed so that it
            cannot be unpacked.
        OutputRefused: it cannot be written, or something of that name is there.
        ExportFailed: somebody else is opening it there.
    """
    part = out.with_name(f"{out.name}.part")
    if os.path.lexists(out):
        raise OutputRefused(
            what="there is something of that name", which=str(out), remedy="name another"
        )
    with _own_directory(part, out):
        zip_path = part / _ZIP
        with _writing(out):
            _decrypted(bundle, zip_path, keys, on_bytes)
            faults = _unpacked(zip_path, part, bundle, on_bytes)
        yield Opened(zip_path, faults)
        with _writing(out):
            zip_path.unlink()
            part.rename(out)
            sync_directory(out.parent)


def _decrypted(bundle: Path, zip_path: Path, keys: Sequence[str], on_bytes: OnBytes) -> None:
    try:
        source = bundle.open("rb")
    except OSError as error:
        raise _unreadable(bundle, error) from error
    with source, _new_file(zip_path) as sink:
        is_encrypted = source.read(len(_AGE_BEGINS)) == _AGE_BEGINS
        source.seek(0)
        counted = _Counted(source, on_bytes)
        if is_encrypted:
            decrypt(counted, sink, parse_identities("\n".join(keys)))
        else:
            shutil.copyfileobj(counted, sink, 1 << 20)


class _Counted:
    """Tells how much is read."""

    def __init__(self, source: BinaryIO, on_bytes: OnBytes) -> None:
        self._source, self._on_bytes = source, on_bytes

    def read(self, size_bytes: int = -1, /) -> bytes:
        """The next of them."""
        content = self._source.read(size_bytes)
        self._on_bytes(len(content))
        return content


def _unpacked(zip_path: Path, part: Path, bundle: Path, on_bytes: OnBytes) -> tuple[str, ...]:
    faults = []
    with zip_path.open("rb") as source:
        contents = read_zip(source)
        _check_members(contents.members, zip_path.stat().st_size, bundle)
        faults += [f"byte {f.offset_bytes} of the zip: {f.what}" for f in contents.faults]
        directories = {part}
        for member in contents.members:
            path = part / member.name
            _make_directories(path.parent, part, directories)
            with _new_file(path) as sink:
                try:
                    for piece in member_pieces(source, member):
                        sink.write(piece)
                        on_bytes(len(piece))
                except BundleRefused as error:
                    # Damaged evidence is handed over, and told.
                    faults.append(error.what)
        for directory in directories:
            sync_directory(directory)
    return tuple(faults)


def _check_members(members: Sequence[ZipMember], zip_bytes: int, bundle: Path) -> None:
    tops = {member.name.partition("/")[0] for member in members}
    if sum(member.size_bytes for member in members) > zip_bytes:
        wrong = "its files are larger than it is"
    elif len({member.name for member in members}) != len(members):
        wrong = "a file of a name is in it twice"
    elif not all(is_plain_name(member.name) for member in members):
        wrong = "a file in it has a name that no bundle has"
    elif len(tops) != 1 or not tops.copy().pop().startswith(layout.BAG_PREFIX):
        wrong = "it is not one directory of an export"
    else:
        return
    raise BundleRefused(
        what=f"no bundle of a pole ({wrong})", which=str(bundle), remedy="do not trust who gave it"
    )


def _make_directories(directory: Path, part: Path, made: set[Path]) -> None:
    missing = []
    while directory not in made:
        missing.append(directory)
        directory = directory.parent
    assert directory == part or part in directory.parents
    for path in reversed(missing):
        path.mkdir(mode=_DIRECTORY_MODE)
        made.add(path)


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A new file, on the disk when this is left."""
    descriptor = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE
    )
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
        yield file
        file.flush()
        os.fsync(descriptor)


@contextlib.contextmanager
def _own_directory(part: Path, out: Path) -> Iterator[None]:
    """An empty directory that nobody else uses; what an earlier go left in it is removed."""
    with _writing(out):
        part.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
        descriptor = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportFailed(
                what="somebody else is opening it", which=str(part), remedy="wait for the other"
            ) from None
        with _writing(out):
            _empty(part)
        try:
            yield
        except BaseException:
            # Decrypted evidence is not left lying about.
            with contextlib.suppress(OSError):
                _empty(part)
                part.rmdir()
            raise
    finally:
        os.close(descriptor)


def _empty(directory: Path) -> None:
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


@contextlib.contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputRefused(
            what=f"cannot be written ({error.strerror})",
            which=str(out),
            remedy="name a place that can be written to, with room for twice the bundle",
        ) from error


def _unreadable(bundle: Path, error: OSError) -> BundleRefused:
    return BundleRefused(
        what=f"cannot be read ({error.strerror})",
        which=str(bundle),
        remedy="name the file that roeh police fetch wrote",
    )
