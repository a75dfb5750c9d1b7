"""What the machine is made of, and the key under which it is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent

#: Every file that decides what is on the disk. Roeh itself is not among them: it is brought
#: into the running machine anew each time.
INGREDIENTS = (
    HERE / "image.sh",
    HERE / "guest_packages.txt",
    REPOSITORY / "requirements/node.txt",
    REPOSITORY / "requirements/camera_vm.txt",
)


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
