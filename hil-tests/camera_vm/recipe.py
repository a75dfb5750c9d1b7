"""What the machine is made of."""

from __future__ import annotations

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
