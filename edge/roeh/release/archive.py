"""A release as one file: a tar archive with manifest, signature and plain files."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Final

import msgspec

from roeh.core.clock import Clock
from roeh.core.errors import ReleaseRefused
from roeh.release.manifest import (
    MANIFEST_FILE,
    SIGNATURE_FILE,
    ReleaseFile,
    ReleaseManifest,
    manifest_bytes,
    manifest_of,
)
from roeh.release.sealing import Seal
from roeh.release.signatures import ReleaseSigner, check_signature

#: Larger than any release; what is larger is not read.
MAX_RELEASE_BYTES: Final = 256 * 1024 * 1024
_MAX_FILES: Final = 64


class Release(msgspec.Struct, frozen=True):
    """A release whose signature and hashes hold.

    Attributes:
        contents: each file by its name.
        signature: as it came, to be kept beside what is installed.
    """

    manifest: ReleaseManifest
    signer: ReleaseSigner
    contents: dict[str, bytes]
    signature: bytes

    @property
    def wheel_name(self) -> str:
        """The file that is roeh's wheel."""
        return next(name for name in self.contents if name.endswith(".whl"))


def release_file(name: str, content: bytes) -> ReleaseFile:
    """A file's entry in the manifest."""
    return ReleaseFile(
        name=name, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )


def write_release(
    path: Path, manifest: ReleaseManifest, contents: dict[str, bytes], seal: Seal, clock: Clock
) -> None:
    """Write a signed release."""
    signed = manifest_bytes(manifest)
    members = {MANIFEST_FILE: signed, SIGNATURE_FILE: seal.signature(signed, clock), **contents}
    partial = path.with_name(f"{path.name}.partial")
    with tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), manifest.made_utc_s, 0o644
            tar.addfile(member, io.BytesIO(content))
    partial.replace(path)


def read_release(path: Path, believed_pem: bytes) -> Release:
    """A release, once its signature and every hash have held.

    Raises:
        ReleaseRefused: anything else.
    """
    members = _members(path)
    try:
        signed, signature = members.pop(MANIFEST_FILE), members.pop(SIGNATURE_FILE)
    except KeyError as error:
        raise _refused(f"without its {error.args[0]}", path) from None
    signer = check_signature(signed, signature, believed_pem, str(path))
    manifest = manifest_of(signed)
    wanted = {file.name: file for file in manifest.files}
    if wanted != {name: release_file(name, content) for name, content in members.items()}:
        raise _refused("files differ from what was signed", path)
    if sum(name.endswith(".whl") for name in members) != 1:
        raise _refused("not one wheel in it", path)
    return Release(manifest, signer, members, signature)


def _members(path: Path) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    try:
        if path.stat().st_size > MAX_RELEASE_BYTES:
            raise _refused("larger than any release", path)
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                if file is None or member.name in members or len(members) >= _MAX_FILES:
                    raise _refused(f"holds what no release does ({member.name[:100]!r})", path)
                members[member.name] = file.read()
    except (OSError, tarfile.TarError, EOFError) as error:
        raise _refused(f"cannot be read ({error})", path) from error
    return members


def _refused(what: str, path: Path) -> ReleaseRefused:
    return ReleaseRefused(
        what=what, which=str(path), remedy="fetch it again, or make it again: make release"
    )
