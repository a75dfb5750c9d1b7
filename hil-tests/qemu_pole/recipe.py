"""What the board is made of, and where it is kept."""

from __future__ import annotations

import base64
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
CACHE = REPOSITORY / "build/qemu-pole"
RELEASE = "bookworm"

_COMMON = REPOSITORY / "firmware-config/common"

#: Every file that decides what is on the disk as the depot hands it over.
INGREDIENTS = (
    HERE / "image.sh",
    HERE / "guest_packages.txt",
    HERE / "hardware.py",
    *sorted(
        path
        for folder in ("repart.d", "repart-tpm2", "overlay-root", "mounts", "system.conf.d")
        for path in (_COMMON / folder).rglob("*")
        if path.is_file()
    ),
)

#: For a board's TPM, before it holds a key.
TPM_PROGRAM = REPOSITORY / "deploy/ansible/roles/storage/files/tpm_without_lockout.py"
#: On a board's first boot: the rest of the disk divided, evidence's partition bound to its TPM.
FIRST_BOOT = (
    f"echo {base64.b64encode(TPM_PROGRAM.read_bytes()).decode()} | base64 -d | python3 -"
    " && systemd-repart --dry-run=no --definitions=/usr/local/share/roeh-depot /dev/vda >&2"
    " && udevadm settle && sync"
)
