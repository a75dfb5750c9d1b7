"""Real people for the demo: `vtest.avi` of Debian's package opencv-doc (PETS 2009, S2.L1).

It is fetched by the machine's own package tool, as an ordinary user, with a list
directory of its own, and kept in the user's cache. It is never part of the product.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from roeh.core.errors import SourceUnreadable

PACKAGE = "opencv-doc"
MEMBER = "./usr/share/doc/opencv-doc/examples/data/vtest.avi"
FOOTAGE_FILE = "vtest.avi"
DOWNLOAD_TEXT = "96 MB, once"

#: Debian's own copy, where the package is installed.
_INSTALLED = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
_TIMEOUT_S = 900


def cache_dir() -> Path:
    """Where footage is kept between demos (XDG base directories)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "roeh" / "footage"


def footage_at_hand(cache: Path | None = None) -> Path | None:
    """The footage, if it is on this machine already."""
    for path in ((cache or cache_dir()) / FOOTAGE_FILE, _INSTALLED):
        if path.is_file() and path.stat().st_size > 0:
            return path
    return None


def fetch_footage(cache: Path | None = None) -> Path:
    """The footage, downloaded if need be.

    Raises:
        SourceUnreadable: it cannot be had on this machine, with the reason.
    """
    place = cache or cache_dir()
    found = footage_at_hand(place)
    if found is not None:
        return found
    for tool in ("apt-get", "dpkg-deb", "tar"):
        if shutil.which(tool) is None:
            raise _unavailable(f"there is no {tool} on this machine")
    work = place / "download"
    lists, archives = work / "lists", work / "archives"
    try:
        for directory in (lists / "partial", archives / "partial"):
            directory.mkdir(parents=True, exist_ok=True)
        options = [
            *("-o", f"Dir::State::Lists={lists}"),
            *("-o", f"Dir::Cache={work}"),
            *("-o", f"Dir::Cache::Archives={archives}"),
            *("-o", "Debug::NoLocking=true"),
            *("-o", "APT::Sandbox::User="),
        ]
        _call(["apt-get", *options, "update", "--quiet=2"], work)
        _call(["apt-get", *options, "download", "--quiet=2", PACKAGE], work)
        (package,) = work.glob(f"{PACKAGE}_*.deb")
        _extract(package, place)
    except ValueError:
        raise _unavailable(f"apt-get gave no {PACKAGE} package") from None
    except OSError as error:
        raise _unavailable(f"{place} cannot be written ({error.strerror})") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return place / FOOTAGE_FILE


def _extract(package: Path, place: Path) -> None:
    """The one file out of the package; put in its place only when it is whole."""
    unpacked = package.parent / "unpacked"
    unpacked.mkdir()
    archive = package.parent / "files.tar"
    _call(["dpkg-deb", "--fsys-tarfile", str(package)], package.parent, output=archive)
    _call(["tar", "-x", "-f", str(archive), "-C", str(unpacked), MEMBER], package.parent)
    (unpacked / MEMBER).replace(place / FOOTAGE_FILE)


def _call(command: list[str], directory: Path, *, output: Path | None = None) -> None:
    with (output or Path(os.devnull)).open("wb") as out:
        try:
            done = subprocess.run(
                command,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.PIPE,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _unavailable(f"{command[0]} took longer than {_TIMEOUT_S} s") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise _unavailable(f"{command[0]} failed: {said[-1] if said else done.returncode}")


def _unavailable(reason: str) -> SourceUnreadable:
    return SourceUnreadable(
        what=f"the footage of real people cannot be had ({reason})",
        which=f"{FOOTAGE_FILE} of Debian's {PACKAGE}",
        remedy="give a video of your own with --source FILE",
    )
