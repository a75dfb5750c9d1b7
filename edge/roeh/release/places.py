"""Where releases lie on a machine, and the two links that say which is in force.

/opt/roeh/releases/VERSION/    one release: environment, manifest, signature, role
/opt/roeh/current, previous    links into it; moved by one rename each
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from roeh.core.durable_files import sync_directory
from roeh.core.errors import ReleaseFailed, ReleaseRefused
from roeh.release.carried import MachineRole
from roeh.release.manifest import (
    MANIFEST_FILE,
    ReleaseManifest,
    is_version,
    manifest_of,
    version_key,
)

ROLE_FILE: Final = "role"
MAKING: Final = ".making-"


class InstalledRelease(msgspec.Struct, frozen=True):
    """A release that is on this machine."""

    directory: Path
    manifest: ReleaseManifest
    role: MachineRole

    @property
    def version(self) -> str:
        """Its version."""
        return self.manifest.version

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return self.directory / "bin" / "python"


class Places(msgspec.Struct, frozen=True):
    """Where everything is; other places in tests alone.

    Attributes:
        opt: releases, links, and what is known of trials.
        etc: the configuration, and whom the machine believes.
        command: the link in everybody's PATH.
    """

    opt: Path = Path("/opt/roeh")
    etc: Path = Path("/etc/roeh")
    command: Path = Path("/usr/local/bin/roeh")

    @property
    def releases(self) -> Path:
        """One folder a release."""
        return self.opt / "releases"

    @property
    def current(self) -> Path:
        """The link to the one in force."""
        return self.opt / "current"

    @property
    def previous(self) -> Path:
        """The link to the one before."""
        return self.opt / "previous"

    @property
    def node_file(self) -> Path:
        """The pole's configuration."""
        return self.etc / "node.toml"

    def believed_pem(self) -> bytes:
        """Whom this machine believes releases of.

        Raises:
            ReleaseRefused: it has not been told.
        """
        path = self.etc / "release-ca.pem"
        try:
            return path.read_bytes()
        except OSError as error:
            raise ReleaseRefused(
                what=f"nobody is believed to sign releases ({error.strerror})",
                which=str(path),
                remedy="put the release CA's certificate there",
            ) from error

    def installed(self, version: str) -> InstalledRelease | None:
        """A release that is here whole; None when it is not."""
        directory = self.releases / version
        try:
            manifest = manifest_of((directory / MANIFEST_FILE).read_bytes())
            role = MachineRole((directory / ROLE_FILE).read_text(encoding="ascii").strip())
        except (OSError, ReleaseRefused, ValueError):
            return None
        return InstalledRelease(directory, manifest, role)

    def wanted(self, version: str) -> InstalledRelease:
        """A release that has to be here.

        Raises:
            ReleaseFailed: it is not.
        """
        found = self.installed(version) if is_version(version) else None
        if found is None:
            known = ", ".join(release.version for release in self.all_installed()) or "none"
            raise ReleaseFailed(
                what=f"not installed here (there are: {known})",
                which=version[:100],
                remedy="install it: roeh release install BUNDLE",
            )
        return found

    def all_installed(self) -> list[InstalledRelease]:
        """Every release that is here, oldest version first."""
        names = [path.name for path in self.releases.glob("*") if is_version(path.name)]
        found = [self.installed(name) for name in sorted(names, key=version_key)]
        return [release for release in found if release is not None]

    def in_force(self) -> InstalledRelease | None:
        """What `current` names; None when there is nothing."""
        return self._linked(self.current)

    def before(self) -> InstalledRelease | None:
        """What `previous` names; None when there is nothing."""
        return self._linked(self.previous)

    def point(self, link: Path, release: InstalledRelease) -> None:
        """Have a link name a release, by one rename, on the disk when this returns."""
        replace_link(link, self.link_target(release.version))

    def link_target(self, version: str) -> Path:
        """What a link to a release holds."""
        return Path(self.releases.name) / version

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else installs, tries or returns meanwhile.

        Raises:
            ReleaseFailed: somebody does.
        """
        self.releases.mkdir(parents=True, exist_ok=True)
        with (self.opt / ".lock").open("a+b") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ReleaseFailed(
                    what="another `roeh release` is at work",
                    which=str(self.opt),
                    remedy="wait until it has ended, then try again",
                ) from None
            yield

    def _linked(self, link: Path) -> InstalledRelease | None:
        try:
            version = link.readlink().name
        except OSError:
            return None
        return self.installed(version)


def replace_link(link: Path, target: Path) -> None:
    """Have a symbolic link name a target, by one rename, durably."""
    beside = link.with_name(f".{link.name}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    beside.replace(link)
    sync_directory(link.parent)


def write_file(path: Path, content: bytes) -> None:
    """Replace a file by one rename, durably."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_directory(path.parent)
