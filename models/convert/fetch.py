"""Gets the published weights and the calibration pictures by package name. Needs no root."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

from roeh.vision.manifest import Provenance


def weights(provenance: Provenance, directory: Path) -> Path:
    """The unpacked source package, its files checked against the manifest.

    Raises:
        ValueError: a file is not the one the manifest names.
        FileNotFoundError: npm is not installed.
    """
    unpacked = directory / "package"
    if not unpacked.is_dir():
        _require("npm")
        directory.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "pack", "--silent", f"{provenance.package}@{provenance.version}"],
            cwd=directory,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (archive,) = directory.glob("*.tgz")
        with tarfile.open(archive) as tar:
            for source in provenance.files:
                target = unpacked / source.path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(_member(tar, f"package/{source.path}"))
        archive.unlink()
    for source in provenance.files:
        sha256 = hashlib.sha256((unpacked / source.path).read_bytes()).hexdigest()
        if sha256 != source.sha256:
            raise ValueError(f"{source.path} has sha256 {sha256}, not {source.sha256}")
    return unpacked


def debian_package(package: str, directory: Path) -> Path:
    """The unpacked Debian package, fetched with package lists of our own.

    Raises:
        FileNotFoundError: apt-get or dpkg-deb is not installed.
    """
    unpacked = directory / package
    if not unpacked.is_dir():
        _require("apt-get")
        _require("dpkg-deb")
        directory.mkdir(parents=True, exist_ok=True)
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (directory / folder).mkdir(parents=True, exist_ok=True)
        apt = [
            "apt-get",
            "--quiet=2",
            "--option=Dir::State=" + str(directory / "state"),
            "--option=Dir::State::status=/dev/null",
            "--option=Dir::Cache=" + str(directory / "cache"),
            "--option=APT::Sandbox::User=",
        ]
        for command in (["update"], ["download", package]):
            subprocess.run(apt + command, cwd=directory, check=True, stdout=subprocess.DEVNULL)
        (archive,) = directory.glob("*.deb")
        subprocess.run(["dpkg-deb", "--extract", archive, unpacked], check=True)
        archive.unlink()
    return unpacked


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    stored = tar.extractfile(name)
    if stored is None:
        raise ValueError(f"{name} is not a file of the package")
    return stored.read()


def _require(program: str) -> None:
    if shutil.which(program) is None:
        raise FileNotFoundError(f"{program} is not installed")
