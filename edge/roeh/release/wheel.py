"""The wheel of a source tree, the same bytes whenever and wherever it is made."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from roeh.core.errors import ReleaseFailed

#: What a wheel is made of (pyproject.toml, tool.hatch).
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "THIRD-PARTY.md", "edge/roeh", "models")
_VERSION = re.compile(r'^((?:__version__|version) = )"[^"]*"$', re.MULTILINE)
_VERSIONED = ("pyproject.toml", "edge/roeh/__init__.py")


def build_wheel(source: Path, version: str, made_utc_s: int, work: Path) -> Path:
    """Build the wheel of a tree, with nothing fetched.

    Args:
        source: the tree.
        version: the wheel says that it is this one, whatever the tree says.
        made_utc_s: the time that everything in it carries.
        work: an empty folder of ours.

    Raises:
        ReleaseFailed: it could not be built.
    """
    tree = work / "tree"
    copy_sources(source, tree)
    for name in _VERSIONED:
        path = tree / name
        changed, times = _VERSION.subn(rf'\g<1>"{version}"', path.read_text(encoding="utf-8"))
        if times != 1:
            raise _failed(f"{times} versions stand in it where one is wanted", path)
        path.write_text(changed, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(work)],
        cwd=tree,
        env=os.environ | {"SOURCE_DATE_EPOCH": str(made_utc_s)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = list(work.glob("roeh-*.whl"))
    if done.returncode or len(found) != 1:
        raise _failed(f"the wheel could not be built ({done.stderr.strip()[-500:]})", source)
    shutil.rmtree(tree)
    return found[0]


def copy_sources(source: Path, tree: Path) -> None:
    """What a wheel is made of, without what lies beside it.

    Raises:
        ReleaseFailed: the source is no tree of this product.
    """
    for name in _SOURCES:
        origin, copy = source / name, tree / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            if origin.is_dir():
                shutil.copytree(origin, copy, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
            else:
                shutil.copyfile(origin, copy)
        except OSError as error:
            raise _failed(f"{name} cannot be copied ({error.strerror or error})", source) from error
    for path in tree.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _failed(what: str, which: Path) -> ReleaseFailed:
    return ReleaseFailed(what=what, which=str(which), remedy="name a checkout with --source")
