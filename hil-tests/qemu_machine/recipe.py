"""What a machine is made of: the key under which it is kept, and Debian's packages for it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from qemu_machine.troubles import MachineFailed


def key_of(ingredients: Iterable[Path], *facts: str) -> str:
    """Sixteen hexadecimal digits that change with any ingredient or fact.

    Args:
        ingredients: files whose contents count, in this order.
        facts: what else counts, as the version of QEMU, whose snapshots only it reads.
    """
    digest = hashlib.sha256()
    for part in (*(path.read_bytes() for path in ingredients), *(fact.encode() for fact in facts)):
        # Length first: moving a byte from one part to the next makes another key.
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:16]


def package_names(path: Path) -> tuple[str, ...]:
    """The Debian packages of a list; what follows # says what they are for."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return tuple(line for line in lines if line)


def install_packages(path: Path) -> None:
    """What is missing on this machine, by apt; nothing is asked of the network otherwise.

    Args:
        path: the list of packages.

    Raises:
        MachineFailed: apt could not install them.
    """
    names = package_names(path)
    known = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", *names],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    missing = [name for name in names if f"{name} installed" not in known]
    if not missing:
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    for command in (install, ["apt-get", "update"], install):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if command is install and done.returncode == 0:
            return
    raise MachineFailed(f"apt cannot install {' '.join(missing)}: {done.stderr.strip()}")
