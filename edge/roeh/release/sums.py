"""The list of what is in a bundle, as sha256sum(1) writes it, and whether it is so."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from roeh.core.errors import ReleaseRefused
from roeh.release.manifest import is_sha256

SUMS_FILE: Final = "SHA256SUMS"
SUMS_SIGNATURE_FILE: Final = "SHA256SUMS.p7s"
_UNLISTED: Final = frozenset({SUMS_FILE, SUMS_SIGNATURE_FILE})
_READ_BYTES: Final = 1024 * 1024


def sha256_of(path: Path) -> str:
    """A file's SHA-256, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def files_in(directory: Path) -> list[str]:
    """Every file and link below a directory that a list of sums names, in order."""
    found = (
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_symlink() or not path.is_dir()
    )
    return sorted(name for name in found if name not in _UNLISTED)


def sums_bytes(directory: Path) -> bytes:
    """The sums of everything below a directory."""
    lines = (f"{sha256_of(directory / name)}  {name}\n" for name in files_in(directory))
    return "".join(lines).encode()


def listed_sums(content: bytes) -> dict[str, str]:
    """SHA-256 by name, out of a list.

    Raises:
        ReleaseRefused: not such a list.
    """
    sums: dict[str, str] = {}
    for line in content.decode(errors="replace").splitlines():
        sha256, separator, name = line.partition("  ")
        if not separator or not is_sha256(sha256) or name.startswith("/") or ".." in name:
            raise _refused(f"line {line[:100]!r} is no sum", SUMS_FILE)
        sums[name] = sha256
    return sums


def check_files(directory: Path, sums: dict[str, str]) -> None:
    """Refuse a bundle that holds anything else than what its list names.

    Raises:
        ReleaseRefused: a file differs, is missing, is a link, or is not named.
    """
    for name in sorted(sums.keys() - set(files_in(directory))):
        raise _refused("missing", name)
    for name in files_in(directory):
        path = directory / name
        if name not in sums:
            raise _refused("not named by the bundle's list", name)
        if path.is_symlink() or not path.is_file():
            raise _refused("not a plain file", name)
        if sha256_of(path) != sums[name]:
            raise _refused("damaged: its SHA-256 differs", name)


def _refused(what: str, which: str) -> ReleaseRefused:
    return ReleaseRefused(what=what, which=which, remedy="copy the bundle again")
