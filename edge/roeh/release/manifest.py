"""What a release holds: its manifest, and how versions follow each other. Without IO."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from roeh.core.errors import ReleaseRefused

MANIFEST_FILE: Final = "manifest.json"
SIGNATURE_FILE: Final = "manifest.p7s"

_VERSION = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ReleaseFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a release, by its plain name."""

    name: str
    size_bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if not is_file_name(self.name) or not is_sha256(self.sha256) or self.size_bytes < 0:
            raise ValueError(f"not a file of a release: {self.name[:100]!r}")


class ReleaseManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was signed.

    Attributes:
        version: three numbers; a later release has a greater one.
        store_schema: of the pole's store (ledger/database.py): a release reads its own only.
        desk_schema: of the control room's database.
        minimal_python: the oldest Python it runs on, as "3.10".
        commit: of the sources; with "+changed" when they were not what was committed.
        made_utc_s: when that commit was made: a release made twice is the same bytes.
        files: everything beside manifest and signature.
    """

    format: Literal["roeh-release-1"]
    version: str
    store_schema: int
    desk_schema: int
    minimal_python: str
    commit: str
    made_utc_s: int
    files: tuple[ReleaseFile, ...]

    def __post_init__(self) -> None:
        if not is_version(self.version):
            raise ValueError(f"not a version: {self.version[:100]!r}")
        if len({file.name for file in self.files}) != len(self.files):
            raise ValueError("a file stands there twice")


def is_version(text: str) -> bool:
    """Whether a text is the version of a release: three numbers."""
    return _VERSION.fullmatch(text) is not None


def is_file_name(text: str) -> bool:
    """Whether a text is a plain name: no folder, nothing hidden, nothing above."""
    return _FILE_NAME.fullmatch(text) is not None


def is_sha256(text: str) -> bool:
    """Whether a text is a SHA-256, in hexadecimal."""
    return _SHA256.fullmatch(text) is not None


def version_key(version: str) -> tuple[int, ...]:
    """What versions are ordered by."""
    return tuple(int(part) for part in version.split("."))


def manifest_bytes(manifest: ReleaseManifest) -> bytes:
    """The manifest as it is signed."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def manifest_of(content: bytes) -> ReleaseManifest:
    """The manifest out of its bytes.

    Raises:
        ReleaseRefused: not one of this product's.
    """
    try:
        return msgspec.json.decode(content, type=ReleaseManifest)
    except msgspec.DecodeError as error:
        raise ReleaseRefused(
            what=f"cannot be read ({error})",
            which=f"the release's {MANIFEST_FILE}",
            remedy="prepare the bundle again: make bundle",
        ) from error


def python_version_of(text: str) -> tuple[int, int]:
    """A Python's version out of two numbers, as "3.10"."""
    major, _, minor = text.partition(".")
    return int(major), int(minor)
