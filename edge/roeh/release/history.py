"""The highest version that was ever installed here: what a replay of an old release meets."""

from __future__ import annotations

import contextlib
from typing import Final

from roeh.release.manifest import is_version, version_key
from roeh.release.places import Places, write_file

_HIGHEST_FILE: Final = "highest"


def highest_version(places: Places) -> str | None:
    """It, from the file or from what is installed, whichever is greater."""
    known = [release.version for release in places.all_installed()]
    with contextlib.suppress(OSError, UnicodeDecodeError):
        known.append((places.opt / _HIGHEST_FILE).read_text(encoding="ascii").strip())
    return max(filter(is_version, known), key=version_key, default=None)


def record_highest(places: Places, version: str) -> None:
    """Remember a version that was installed."""
    path = places.opt / _HIGHEST_FILE
    highest = highest_version(places)
    if not path.exists() or (highest and version_key(version) >= version_key(highest)):
        write_file(path, f"{highest or version}\n".encode("ascii"))
