"""What a bundle comes in: encrypted with age, as a stored zip, or unpacked.

An encrypted one is decrypted into a temporary file without a name, which nobody else can open
and which is gone with this process: a zip's index stands at its end, and each byte is looked at
more than once, so a stream alone would not do. The zip itself is read in place.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from roeh.bundle import layout
from roeh.core.errors import BundleRefused, RuntimeMissing
from roeh.verify.bundles.age_file import MAGIC, count_keys, decrypt
from roeh.verify.bundles.bag import Bag
from roeh.verify.bundles.contents import Content, FileContent
from roeh.verify.bundles.zip_bag import ZIP_MAGIC, zip_bag
from roeh.verify.report import Aspect, Finding, Weight

#: Files of one bag: a week of sixteen cameras in the shortest segments.
_MAX_FILES = 10_000_000

Form = Literal["age", "zip", "directory"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle, as far as it could be opened. `bag` None: nothing of it could.

    Attributes:
        bag_name: of its directory in the zip.
        keys: how many keys open the encrypted file; 0: it is not encrypted.
        beside: names of what lies beside the bag in the directory that was given.
    """

    form: Form
    bag: Bag | None
    findings: tuple[Finding, ...]
    bag_name: str = ""
    keys: int = 0
    beside: tuple[str, ...] = ()


def is_bundle(path: Path) -> bool:
    """Whether there is a bundle at a path, by how it begins."""
    if path.is_dir():
        return _bag_directory(path) is not None
    try:
        with path.open("rb") as file:
            begins = file.read(len(MAGIC))
    except OSError:
        return False
    return begins == MAGIC or begins.startswith(ZIP_MAGIC) or path.suffix in {".age", ".zip"}


@contextlib.contextmanager
def opened_bundle(
    path: Path, keys: Sequence[str], on_read: Callable[[int], None]
) -> Iterator[Opened]:
    """Open a bundle in whatever it comes in.

    Args:
        path: of the file or directory.
        keys: texts of files with secret keys of age.
        on_read: told how many bytes were decrypted.

    Raises:
        BundleRefused: it cannot be read, or it is for none of the keys.
        KeyRefused: a key that is none.
    """
    if path.is_dir():
        bag = _bag_directory(path) or path
        beside = () if bag == path else _beside(bag)
        yield dataclasses.replace(_directory(bag), beside=beside)
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    with file:
        is_encrypted = file.read(len(MAGIC)) == MAGIC or path.suffix == ".age"
        file.seek(0)
        if not is_encrypted:
            yield _zip(file, "zip", path)
            return
        with _room(path) as plain:
            finding = _decrypted(file, plain, keys, path, on_read)
            if finding is not None:
                yield Opened("age", None, (finding,))
            else:
                file.seek(0)
                yield _zip(plain, "age", path, count_keys(file))


def _decrypted(
    file: BinaryIO,
    plain: BinaryIO,
    keys: Sequence[str],
    path: Path,
    on_read: Callable[[int], None],
) -> Finding | None:
    if not keys:
        raise BundleRefused(
            what="it is encrypted, and no key was given",
            which=str(path),
            remedy="give the recipient's key file with --identity, or decrypt it with `age -d`",
        )
    try:
        damage = decrypt(file, plain, keys, str(path), on_read)
    except RuntimeMissing as error:
        return _finding("age_not_checked", f"{error.what}: {error.remedy}", Weight.NOT_CHECKED)
    if damage is None:
        return None
    where = "in its head"
    if damage.content_offset_bytes is not None:
        where = f"behind byte {damage.content_offset_bytes} of its content"
    return _finding(
        "age_not_authentic",
        f"it was changed or cut off {where} after it was encrypted ({damage.why}): nothing in it"
        " was looked at",
        Weight.FAIL,
    )


@contextlib.contextmanager
def _room(path: Path) -> Iterator[BinaryIO]:
    """A temporary file without a name, with room for what is in the encrypted one."""
    directory = tempfile.gettempdir()
    try:
        needed_bytes = path.stat().st_size
        if shutil.disk_usage(directory).free < needed_bytes:
            raise BundleRefused(
                what=f"no room for the {needed_bytes} bytes of the bundle in {directory}",
                which=str(path),
                remedy="name another directory in TMPDIR, or decrypt it with `age -d` elsewhere",
            )
        file = tempfile.TemporaryFile(prefix="roeh-verify-")  # noqa: SIM115  # closed below
    except OSError as error:
        raise _unreadable(path, error) from error
    with file:
        yield file.file if hasattr(file, "file") else file


def _zip(file: BinaryIO, form: Form, path: Path, keys: int = 0) -> Opened:
    try:
        found = zip_bag(file)
    except OSError as error:
        raise _unreadable(path, error) from error
    return Opened(form, found.bag, found.findings, found.name, keys)


def _bag_directory(path: Path) -> Path | None:
    """The bag itself, or the one that stands alone in a directory, as unzip leaves it."""
    try:
        if (path / layout.BAGIT).is_file():
            return path
        below = [entry for entry in path.iterdir() if entry.name.startswith(layout.BAG_PREFIX)]
    except OSError:
        return None
    if len(below) == 1 and (below[0] / layout.BAGIT).is_file():
        return below[0]
    return None


def _beside(bag: Path) -> tuple[str, ...]:
    return tuple(sorted(each.name for each in bag.parent.iterdir() if each.name != bag.name))


def _directory(path: Path) -> Opened:
    """Plain files below a directory; no link is followed, nothing else is opened."""
    contents: dict[str, Content] = {}
    findings: list[Finding] = []

    def refuse(error: OSError) -> None:
        raise _unreadable(path, error)

    for parent, directories, names in os.walk(path, onerror=refuse):
        directories.sort()
        for name in sorted([*names, *directories]):
            file = Path(parent, name)
            mode = file.lstat().st_mode
            shown = file.relative_to(path).as_posix()
            if stat.S_ISREG(mode) and len(contents) < _MAX_FILES:
                contents[shown] = FileContent(file, is_plain=True)
            elif not stat.S_ISDIR(mode):
                detail = "is no plain file (a link, a pipe or a device), and was not opened"
                findings.append(_finding("not_a_file", detail, Weight.FAIL, shown))
    return Opened("directory", Bag(contents), tuple(findings))


def _finding(what: str, detail: str, weight: Weight, path: str | None = None) -> Finding:
    return Finding(aspect=Aspect.BYTES, weight=weight, what=what, detail=detail, path=path)


def _unreadable(path: Path, error: OSError) -> BundleRefused:
    return BundleRefused(
        what=error.strerror or str(error),
        which=str(path),
        remedy="name a bundle (.zip.age, .zip) or the directory that it was unpacked to",
    )
