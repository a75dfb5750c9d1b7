"""Overlays of boards, compiled on the laptop: a pole has no compiler and needs none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_FIRMWARE = Path(__file__).resolve().parents[4] / "firmware-config"
_COMPILER = "dtc"


def has_compiler() -> bool:
    """Whether this laptop can compile them."""
    return shutil.which(_COMPILER) is not None


def compiled(source: str) -> bytes:
    """The overlay as firmware reads it.

    Args:
        source: its text, below firmware-config, such as pi5/overlays/roeh-case.dts.

    Raises:
        ValueError: the compiler is not there, or refuses it.
    """
    try:
        done = subprocess.run(
            [_COMPILER, "-@", "-q", "-I", "dts", "-O", "dtb", str(_FIRMWARE / source)],
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise ValueError("no dtc on this laptop: apt install device-tree-compiler") from error
    if done.returncode != 0:
        raise ValueError(f"dtc refuses {source}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
