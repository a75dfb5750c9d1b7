"""Real people for the demo: `vtest.avi` of Debian's package opencv-doc (PETS 2009, S2.L1).

It is fetched by the machine's own package tool, as an ordinary user, with a list
directory of its own, and kept in the user's cache. It is never part of the product.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from rich.console import Console

from roeh.core.errors import SourceUnreadable

PACKAGE = "opencv-doc"
MEMBER = "./usr/share/doc/opencv-doc/examples/data/vtest.avi"
FOOTAGE_FILE = "vtest.avi"
DOWNLOAD_TEXT = "96 MB, once"

#: Debian's own copy, where the package is installed.
INSTALLED = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
_TIMEOUT_S = 900
_POLL_S = 0.2


def cache_dir() -> Path:
    """Where footage is kept between demos (XDG base directories)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "roeh" / "footage"


def footage_at_hand(cache: Path | None = None, *, installed: Path = INSTALLED) -> Path | None:
    """The footage, if it is on this machine already."""
    for path in ((cache or cache_dir()) / FOOTAGE_FILE, installed):
        if path.is_file() and path.stat().st_size > 0:
            return path
    return None


def fetch_footage(
    cache: Path | None = None,
    *,
    stop: threading.Event | None = None,
    installed: Path = INSTALLED,
) -> Path:
    """The footage, downloaded if need be; shows progress on a terminal.

    Args:
        cache: where it is kept.
        stop: ends a download early.
        installed: where the package would have put it.

    Raises:
        SourceUnreadable: it cannot be had on this machine, with the reason.
    """
    place = cache or cache_dir()
    found = footage_at_hand(place, installed=installed)
    if found is not None:
        return found
    for tool in ("apt-get", "dpkg-deb", "tar"):
        if shutil.which(tool) is None:
            raise _unavailable(f"there is no {tool} on this machine")
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="download-", dir=place) as work:
            _fetch(Path(work), place / FOOTAGE_FILE, stop or threading.Event())
    except OSError as error:
        raise _unavailable(f"{place} cannot be written ({error.strerror})") from None
    return place / FOOTAGE_FILE


def _fetch(work: Path, target: Path, stop: threading.Event) -> None:
    """Download the package into `work`; the footage is put in its place only when whole."""
    lists, archives = work / "lists", work / "archives"
    for directory in (lists / "partial", archives / "partial"):
        directory.mkdir(parents=True)
    options = [
        *("-o", f"Dir::State::Lists={lists}"),
        *("-o", f"Dir::Cache={work}"),
        *("-o", f"Dir::Cache::Archives={archives}"),
        *("-o", "Debug::NoLocking=true"),
        *("-o", "APT::Sandbox::User="),
    ]
    _call(["apt-get", *options, "update", "--quiet=2"], work, stop)
    _call(["apt-get", *options, "download", "--quiet=2", PACKAGE], work, stop)
    packages = list(work.glob(f"{PACKAGE}_*.deb"))
    if len(packages) != 1:
        raise _unavailable(f"apt-get gave no {PACKAGE} package")
    archive = work / "files.tar"
    _call(["dpkg-deb", "--fsys-tarfile", str(packages[0])], work, stop, output=archive)
    _call(["tar", "-x", "-f", str(archive), MEMBER], work, stop)
    (work / MEMBER).replace(target)


def _call(
    command: list[str], work: Path, stop: threading.Event, *, output: Path | None = None
) -> None:
    """Run a program in `work`, showing how much lies there by now; its words only on failure."""
    errors = work / "errors"
    console = Console(stderr=True)
    with (
        (output or Path(os.devnull)).open("wb") as out,
        errors.open("wb") as said,
        console.status(f"{command[0]} ...") as status,
    ):
        child = subprocess.Popen(
            command,
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=said,
            # Ctrl-C is for us, who then end it.
            start_new_session=True,
        )
        for _ in range(int(_TIMEOUT_S / _POLL_S)):
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_POLL_S)
                break
            status.update(f"{command[0]}: {_size_bytes(work) / 1e6:.0f} MB so far")
            if stop.is_set():
                break
        if child.poll() is None:
            child.terminate()
            child.wait()
            reason = "interrupted" if stop.is_set() else f"took longer than {_TIMEOUT_S} s"
            raise _unavailable(f"{command[0]}: {reason}")
    if child.returncode != 0:
        lines = errors.read_text(errors="replace").strip().splitlines()
        raise _unavailable(f"{command[0]} failed: {lines[-1] if lines else child.returncode}")


def _size_bytes(work: Path) -> int:
    """What has arrived; files come and go meanwhile."""
    total = 0
    for path in work.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total


def _unavailable(reason: str) -> SourceUnreadable:
    return SourceUnreadable(
        what=f"the footage of real people cannot be had ({reason})",
        which=f"{FOOTAGE_FILE} of Debian's {PACKAGE}",
        remedy="give a video of your own with --source FILE",
    )
