"""The environment of a release: made of the bundle's wheels, with nothing fetched."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

from roeh.core.errors import ReleaseFailed, ReleaseRefused
from roeh.release.carried import CheckedBundle, MachineRole
from roeh.release.manifest import python_version_of

#: What each role's processes import before they do anything.
_MODULES: Final = {
    MachineRole.POLE: (
        *("roeh.cli", "roeh.capture.main", "roeh.detect.main", "roeh.evidence.main"),
        *("roeh.publish.main", "roeh.retrieve.main", "roeh.doctor.main"),
    ),
    MachineRole.CONTROL_ROOM: ("roeh.cli", "roeh.desk.commands", "psycopg"),
}
#: Byte code beside its source, and what a file system rounds up.
_GROWTH: Final = 1.6
_MARGIN_BYTES: Final = 64 * 1024 * 1024

#: Finds its own environment wherever that lies, so that it can be renamed when it is whole.
_COMMAND: Final = """#!/bin/sh
exec "$(dirname -- "$(readlink -f -- "$0")")/python" -m roeh "$@"
"""


def check_machine(bundle: CheckedBundle, role: MachineRole, opt: Path) -> None:
    """Refuse a bundle for other machines than this one, or without room for it.

    Raises:
        ReleaseRefused: another processor or Python, or too little room.
    """
    about = bundle.description
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    here = (platform.machine(), python)
    if (about.architecture, about.python) != here:
        raise ReleaseRefused(
            what=f"made for {about.architecture} with Python {about.python}, this machine is "
            f"{here[0]} with Python {here[1]}",
            which=str(bundle.directory),
            remedy="prepare one for it: make bundle ARCH=... SUITE=...",
        )
    minimal = bundle.release.manifest.minimal_python
    if sys.version_info[:2] < python_version_of(minimal):
        raise ReleaseRefused(
            what=f"needs Python {minimal}", which=about.version, remedy="renew the system first"
        )
    needed_bytes = needed_room_bytes(bundle, role)
    free_bytes = shutil.disk_usage(opt).free
    if free_bytes < needed_bytes:
        raise ReleaseRefused(
            what=f"needs {needed_bytes / 1e6:.0f} MB, {free_bytes / 1e6:.0f} MB are free",
            which=str(opt),
            remedy="free space there; roeh release show names what is installed",
        )


def needed_room_bytes(bundle: CheckedBundle, role: MachineRole) -> int:
    """What an environment of this bundle takes on the disk, rather too much than too little."""
    unpacked = 0
    for path in bundle.wheels.glob("*.whl"):
        if _is_of(path, bundle.lock(role)):
            with zipfile.ZipFile(path) as wheel:
                unpacked += sum(member.file_size for member in wheel.infolist())
    own = sum(file.size_bytes for file in bundle.release.manifest.files)
    return round((unpacked + 2 * own) * _GROWTH) + _MARGIN_BYTES


def make_environment(bundle: CheckedBundle, role: MachineRole, directory: Path) -> None:
    """Make it in a folder that is not there yet.

    It sees the packages of Debian's Python: systemd's and the TPM's bindings, which have no
    wheels, and the cameras' of a board.

    Raises:
        ReleaseFailed: a step failed; what it said is in the error.
    """
    _run(sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", str(directory))
    own = directory / "own"
    own.mkdir()
    wheel = bundle.release.wheel_name
    (own / wheel).write_bytes(bundle.release.contents[wheel])
    lock = own / "lock.txt"
    (entry,) = (one for one in bundle.release.manifest.files if one.name == wheel)
    lock.write_text(
        bundle.lock(role).read_text(encoding="utf-8")
        + f"roeh=={bundle.release.manifest.version} --hash=sha256:{entry.sha256}\n",
        encoding="utf-8",
    )
    (pip,) = bundle.wheels.glob("pip-*.whl")
    _run(
        *(str(directory / "bin/python"), str(pip / "pip"), "--disable-pip-version-check"),
        *("--no-input", "--no-cache-dir", "install", "--quiet", "--no-index", "--no-deps"),
        *("--ignore-installed", "--require-hashes", "--only-binary", ":all:"),
        *("--no-warn-script-location", "--no-compile", "--find-links", str(bundle.wheels)),
        *("--find-links", str(own), "--requirement", str(lock)),
    )
    # Byte code of what is ours, and of what that imports when it is checked: all of it would be
    # three times as much work, most of it for others' tests.
    _run(str(directory / "bin/python"), "-m", "compileall", "-q", str(_package(directory)))
    shutil.rmtree(own)
    for script in (directory / "bin").iterdir():
        if not script.name.startswith("python"):
            script.unlink()
    command = directory / "bin" / "roeh"
    command.write_text(_COMMAND, encoding="ascii")
    command.chmod(0o755)


def check_environment(python: Path, version: str, role: MachineRole) -> None:
    """Have an environment import what its role runs, and say its version.

    Raises:
        ReleaseFailed: it cannot, or says another.
    """
    modules = ", ".join(_MODULES[role])
    code = f"import {modules}; import roeh; print(roeh.__version__)"
    said = _run(str(python), "-c", code).strip()
    if said != version:
        raise ReleaseFailed(
            what=f"says that it is {said[:100]!r}", which=version, remedy="make the bundle again"
        )


def _package(directory: Path) -> Path:
    """Where the environment has our own package."""
    (package,) = directory.glob("lib/python*/site-packages/roeh")
    return package


def sync_file_system(directory: Path) -> None:
    """Everything on the directory's file system is on the disk when this returns (syncfs(2)).

    Raises:
        ReleaseFailed: it could not be written.
    """
    _run("sync", "--file-system", str(directory))


def _is_of(wheel: Path, lock: Path) -> bool:
    name, version, *_ = wheel.name.split("-")
    pinned = {line.split(" ", 1)[0].lower() for line in lock.read_text().splitlines()}
    return f"{name.replace('_', '-').lower()}=={version}" in pinned


def _run(*arguments: str) -> str:
    """A program of ours with nothing of the caller's Python in its environment."""
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8"}
    try:
        done = subprocess.run(
            arguments, env=environment, cwd="/", capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise _failed(f"cannot be started ({error.strerror})", arguments[0]) from error
    if done.returncode:
        raise _failed(f"failed ({(done.stderr or done.stdout).strip()[-1500:]})", arguments[0])
    return done.stdout


def _failed(what: str, which: str) -> ReleaseFailed:
    return ReleaseFailed(
        what=what, which=which, remedy="nothing was changed; mend what it says, then try again"
    )
