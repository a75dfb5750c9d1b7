"""What a bundle says of itself, and a bundle as a machine reads it."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Final, Literal

import msgspec

from roeh.core.errors import ReleaseRefused
from roeh.release.archive import Release, read_release
from roeh.release.manifest import is_version
from roeh.release.signatures import check_signature
from roeh.release.sums import (
    SUMS_FILE,
    SUMS_SIGNATURE_FILE,
    check_files,
    listed_sums,
)

BUNDLE_FILE: Final = "bundle.json"


class MachineRole(enum.Enum):
    """What a machine is; the value is its name in files and commands."""

    POLE = "pole"
    CONTROL_ROOM = "control_room"


class BundleDescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For which machines a bundle is.

    Attributes:
        version: of the release in it.
        suite: of Debian.
        architecture: as `uname -m` says it.
        python: its Python, two numbers.
    """

    format: Literal["roeh-bundle-1"]
    version: str
    suite: str
    architecture: str
    python: str

    def __post_init__(self) -> None:
        if not is_version(self.version):
            raise ValueError(f"not a version: {self.version[:100]!r}")


class CheckedBundle(msgspec.Struct, frozen=True):
    """A bundle of which every file is what was signed."""

    directory: Path
    description: BundleDescription
    release: Release

    @property
    def wheels(self) -> Path:
        """The folder of wheels."""
        return self.directory / "wheels"

    def lock(self, role: MachineRole) -> Path:
        """What a role installs of them."""
        return self.directory / "locks" / f"{role.value}.txt"


def description_bytes(description: BundleDescription) -> bytes:
    """As it is written."""
    return msgspec.json.format(msgspec.json.encode(description), indent=1) + b"\n"


def read_bundle(directory: Path, believed_pem: bytes) -> CheckedBundle:
    """A bundle, once signature and every hash have held.

    Raises:
        ReleaseRefused: anything else.
    """
    sums_content = _content(directory / SUMS_FILE)
    signature = _content(directory / SUMS_SIGNATURE_FILE)
    check_signature(sums_content, signature, believed_pem, str(directory / SUMS_FILE))
    check_files(directory, listed_sums(sums_content))
    try:
        description = msgspec.json.decode(_content(directory / BUNDLE_FILE), type=BundleDescription)
    except msgspec.DecodeError as error:
        raise _refused(f"cannot be read ({error})", directory / BUNDLE_FILE) from error
    path = directory / f"roeh-{description.version}.tar"
    release = read_release(path, believed_pem)
    if release.manifest.version != description.version:
        raise _refused(f"holds release {release.manifest.version}", path)
    return CheckedBundle(directory, description, release)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _refused(f"cannot be read ({error.strerror})", path) from error


def _refused(what: str, which: Path) -> ReleaseRefused:
    return ReleaseRefused(
        what=what, which=str(which), remedy="name the folder that make bundle made"
    )
