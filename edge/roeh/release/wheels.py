"""The wheels of a bundle: fetched for another machine, kept by content, checked by hash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from roeh.core.errors import ReleaseFailed
from roeh.release.locks import Pin
from roeh.release.machines import Architecture, Suite, platform_tags
from roeh.release.sums import sha256_of


class CarriedWheel(msgspec.Struct, frozen=True):
    """A wheel that the bundle carries for a pin."""

    pin: Pin
    path: Path
    sha256: str

    def requirement(self) -> str:
        """As pip reads it: this very file."""
        return f"{self.pin.name}=={self.pin.version} --hash=sha256:{self.sha256}\n"


def fetch_wheels(
    pins: list[Pin], architecture: Architecture, suite: Suite, cache: Path
) -> list[CarriedWheel]:
    """The wheel of each pin, from the cache or the index.

    Raises:
        ReleaseFailed: one is not to be had for that machine.
    """
    folder = cache / f"wheels-{suite.name}-{architecture.name}"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [pin for pin in pins if _kept(pin, folder) is None]
    if missing:
        _download(missing, architecture, suite, folder)
    carried = []
    for pin in pins:
        wheel = _kept(pin, folder)
        if wheel is None:
            raise ReleaseFailed(
                what="no wheel of it was fetched",
                which=f"{pin.name} {pin.version}",
                remedy="see what pip says above",
            )
        carried.append(wheel)
    return carried


def _kept(pin: Pin, folder: Path) -> CarriedWheel | None:
    """The wheel in the cache; one whose content is not in the lock is thrown away."""
    stem = pin.name.replace("-", "_").lower()
    for path in sorted(folder.glob("*.whl")):
        name, version, *_ = path.name.split("-")
        if name.lower().replace(".", "_") != stem or version != pin.version:
            continue
        sha256 = sha256_of(path)
        if sha256 in pin.sha256s:
            return CarriedWheel(pin, path, sha256)
        path.unlink()
    return None


def _download(pins: list[Pin], architecture: Architecture, suite: Suite, folder: Path) -> None:
    lock = folder / "wanted.txt"
    lock.write_text("".join(pin.requirement() for pin in pins), encoding="utf-8")
    abi = f"cp{suite.python.replace('.', '')}"
    tags = [f"--platform={tag}" for tag in platform_tags(architecture, suite)]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"),
            *("download", "--quiet", "--quiet", "--no-deps", "--only-binary", ":all:"),
            *("--require-hashes", "--implementation", "cp", "--python-version", suite.python),
            *("--abi", abi, "--abi", "abi3", "--abi", "none", *tags),
            *("--dest", str(folder), "--requirement", str(lock)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ReleaseFailed(
            what=f"pip could not fetch them ({done.stderr.strip()[-1000:]})",
            which=f"wheels for {suite.name} {architecture.name}",
            remedy="try again; what was fetched is kept",
        )
