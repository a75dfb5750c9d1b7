"""How the doctor sees the machine: the kernel's files, and the system's own tools.

Everything it reads lies below these roots, and every tool is looked for in these directories:
a test gives its own. Nothing here changes anything, and nothing waits for longer than it says.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import msgspec

_TOOL_DIRS = "/usr/sbin:/usr/bin:/sbin:/bin"
_TOOL_TIMEOUT_S = 10.0
_MOST_CHARS = 1 << 20


class ToolAnswer(msgspec.Struct, frozen=True):
    """What a tool said; `status` is its exit status."""

    status: int
    out: str
    err: str


class MachineView(msgspec.Struct, frozen=True):
    """Where the kernel and the system tell of this machine.

    Attributes:
        sys: where sysfs is mounted.
        proc: where procfs is mounted.
        root: below which /run, /etc and /opt lie.
        tool_dirs: where tools are looked for, as in PATH.
        tool_timeout_s: a tool that takes longer is ended.
    """

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")
    root: Path = Path("/")
    tool_dirs: str = _TOOL_DIRS
    tool_timeout_s: float = _TOOL_TIMEOUT_S

    def tool(self, name: str, *arguments: str) -> ToolAnswer | None:
        """What a tool answers; None when it is not here, or did not answer in time."""
        found = shutil.which(name, path=self.tool_dirs)
        if found is None:
            return None
        environment = {"PATH": self.tool_dirs, "LC_ALL": "C", "SYSTEMD_COLORS": "0"}
        try:
            done = subprocess.run(
                [found, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self.tool_timeout_s,
                check=False,
                env=environment,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        out, err = (
            text.decode(errors="replace")[:_MOST_CHARS] for text in (done.stdout, done.stderr)
        )
        return ToolAnswer(done.returncode, out, err)

    @property
    def has_systemd(self) -> bool:
        """Whether systemd is this machine's first process (sd_booted(3))."""
        return (self.root / "run/systemd/system").is_dir()


def text_of(path: Path) -> str:
    """What a small file says; empty where it says nothing or cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(65536).decode(errors="replace").strip()
    except OSError:
        return ""


def number_of(path: Path, base: int = 10) -> int | None:
    """The whole number in a file; None where there is none."""
    try:
        return int(text_of(path), base)
    except ValueError:
        return None


def disk_at(place: Path, view: MachineView) -> Path | None:
    """The block device under a directory, as sysfs shows it; None where there is none."""
    number = place.stat().st_dev
    link = view.sys / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}"
    return link.resolve() if link.exists() else None
