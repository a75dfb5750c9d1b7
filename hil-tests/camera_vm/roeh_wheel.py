"""Roeh as this checkout has it, in the form in which a pole gets it."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

from qemu_machine.troubles import MachineFailed

from camera_vm.recipe import HERE, REPOSITORY

#: What the machine gets beside the wheel, and as what. The tests' own tools come along:
#: the conformance suite, the stand-in, a node as an operator starts it.
_CARRIED = (
    (HERE / "guest", "guest"),
    (HERE / "shims", "shims"),
    (REPOSITORY / "edge/tests", "edge/tests"),
)


def wheel(directory: Path) -> Path:
    """Build the wheel of the checkout, with nothing fetched; its path.

    Raises:
        MachineFailed: it could not be built.
    """
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    found = list(directory.glob("roeh-*.whl"))
    if done.returncode or len(found) != 1:
        raise MachineFailed(f"the wheel of this checkout could not be built: {done.stderr.strip()}")
    return found[0]


def carried_files(wheel_path: Path) -> bytes:
    """A tar archive of the wheel and of what the checks need."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(wheel_path, wheel_path.name)
        for source, name in _CARRIED:
            tar.add(source, name, filter=_without_caches)
    return archive.getvalue()


def _without_caches(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    member.uid = member.gid = 0
    return None if "__pycache__" in member.name else member
