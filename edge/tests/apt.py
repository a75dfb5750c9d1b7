"""Debian packages that a test needs: installed when root, named when not."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess

import pytest


def require_packages(*names: str) -> None:
    """Have these Debian packages installed, or skip the test naming them.

    On CI (environment `CI` is true) nothing is skipped: what is missing fails.
    """
    missing = missing_packages(names)
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        _install(missing)
        missing = missing_packages(names)
    if not missing:
        return
    reason = f"needs the Debian packages {' '.join(missing)}: apt-get install them as root"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(reason)
    pytest.skip(reason)


def missing_packages(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the packages that are not installed; all of them where there is no dpkg."""
    if not shutil.which("dpkg-query"):
        return names
    status = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    installed = {
        line.split()[0] for line in status.stdout.splitlines() if line.endswith(" installed")
    }
    return tuple(name for name in names if name not in installed)


@functools.cache
def _install(names: tuple[str, ...]) -> None:
    """Once for each set: a failing installation is not tried again for every test."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *names]
    for command in (install, ["apt-get", "update"], install):
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if command is install and done.returncode == 0:
            return
