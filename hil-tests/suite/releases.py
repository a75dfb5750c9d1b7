"""Releases to try on a pole: one that is well, and one that runs and cannot do its work.

Made from this checkout under other versions, signed by the trial CA that `make release` keeps, and
carried as bundles: what a technician carries, only the version is another.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from suite.machine import Machine

REPOSITORY = Path(__file__).resolve().parent.parent.parent
_PRODUCT_PYTHON = REPOSITORY / ".venv/bin/python"
_PATIENCE_S = 900.0
#: What a release is made of.
_TREE = ("edge/roeh", "models", "requirements", "deploy/ansible/packages")
_FILES = ("pyproject.toml", "README.md", "LICENSE", "THIRD-PARTY.md", "CHANGELOG.md")
#: What makes a release bad: detect begins, says so, and ends soon after, again and again.
BEGIN = 'notifier.ready("watching")'
_BROKEN = 'notifier.ready("watching"); raise SystemExit(3)'


class Releases:
    """Bundles for one machine, made when they are first asked for.

    Args:
        directory: where they are made.
        architecture: as `roeh.release.bundle` names it.
        suite: of Debian.
    """

    def __init__(self, directory: Path, architecture: str, suite: str) -> None:
        self._directory = directory
        self._of = ("--arch", architecture, "--suite", suite)

    def well(self, version: str) -> Path:
        """A bundle of this checkout under that version."""
        return self._bundle(version, REPOSITORY)

    def broken(self, version: str) -> Path:
        """A bundle whose detect ends as soon as it has begun."""
        tree = self._directory / f"tree-{version}"
        if not tree.exists():
            for part in _TREE:
                shutil.copytree(
                    REPOSITORY / part, tree / part, ignore=shutil.ignore_patterns("__pycache__")
                )
            for name in _FILES:
                shutil.copy(REPOSITORY / name, tree / name)
            path = tree / "edge/roeh/detect/main.py"
            text = path.read_text()
            assert text.count(BEGIN) == 1, "detect begins otherwise now"
            path.write_text(text.replace(BEGIN, _BROKEN))
        return self._bundle(version, tree)

    def _bundle(self, version: str, tree: Path) -> Path:
        made = self._directory / f"bundle-{version}"
        if not made.exists():
            release = self._directory / f"release-{version}"
            _run("roeh.release.make", "--version", version, "--source", tree, "--to", release)
            tar = release / f"roeh-{version}.tar"
            _run("roeh.release.bundle", *self._of, "--release", tar, "--to", made)
        return next(path for path in made.iterdir() if path.is_dir())


def carry(bundle: Path, machine: Machine, ssh: object) -> str:
    """Bring a bundle to a machine; where it is there.

    On its disk: a pole's /tmp is a small piece of memory.
    """
    put = getattr(ssh, "put")  # noqa: B009 - of labgrid's driver, which has no types
    there = f"/var/tmp/{bundle.name}"  # noqa: S108 - the pole's
    tar = bundle.parent / f"{bundle.name}.tar"
    subprocess.run(["tar", "-C", bundle.parent, "-cf", tar, bundle.name], check=True)
    try:
        put(str(tar), f"{there}.tar")
    finally:
        tar.unlink()
    machine.run(
        f"tar -C /var/tmp -xf {there}.tar --no-same-owner; status=$?; rm {there}.tar; exit $status"
    )
    return there


def _run(module: str, *arguments: str | Path) -> None:
    done = subprocess.run(
        [_PRODUCT_PYTHON, "-m", module, *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, f"{module}: {done.stderr[-800:]}"
