"""The pages' own style, scripts and mark: served under names that hold their hash."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

_DIRECTORY = Path(__file__).parent / "static"
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HASH_CHARS = 16


class StaticFile(msgspec.Struct, frozen=True):
    """One file as it is served; another content has another name."""

    path: str
    media_type: str
    body: bytes


@functools.cache
def static_files() -> Mapping[str, StaticFile]:
    """All of them, by the name that templates use."""
    return {file.name: _read(file) for file in sorted(_DIRECTORY.iterdir())}


def _read(file: Path) -> StaticFile:
    body = file.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:_HASH_CHARS]
    path = f"/static/{file.stem}.{digest}{file.suffix}"
    return StaticFile(path, _MEDIA_TYPES[file.suffix], body)
