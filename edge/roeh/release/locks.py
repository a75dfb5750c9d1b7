"""Hashed locks, as pip reads them: which packages one machine takes of one."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from packaging.requirements import Requirement

from roeh.release.machines import Architecture, Suite

#: Without wheels; Debian has them, for its own Python (deploy/ansible/packages).
FROM_DEBIAN: Final = frozenset({"systemd-python", "tpm2-pytss"})

_ENTRY = re.compile(r"^(?=[a-z0-9])", re.MULTILINE)
_NAMED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class Pin(msgspec.Struct, frozen=True):
    """One locked package with the hashes of all its files."""

    name: str
    version: str
    sha256s: frozenset[str]

    def requirement(self) -> str:
        """As pip reads it."""
        hashes = "".join(f" --hash=sha256:{sha256}" for sha256 in sorted(self.sha256s))
        return f"{self.name}=={self.version}{hashes}\n"


def pins_for(lock: str, architecture: Architecture, suite: Suite) -> list[Pin]:
    """What a machine takes of a lock: packages whose markers hold there, and that have wheels.

    pip itself judges markers by the Python that it runs on, whatever it downloads for.
    """
    environment = _environment(architecture, suite)
    pins = []
    for entry in _ENTRY.split(lock):
        if entry.lstrip().startswith("#") or not entry.strip():
            continue
        requirement = Requirement(entry.split("\\", 1)[0].split("--hash", 1)[0].strip())
        wanted = requirement.marker is None or requirement.marker.evaluate(environment)
        if wanted and requirement.name not in FROM_DEBIAN:
            (pinned,) = requirement.specifier
            pins.append(Pin(requirement.name, pinned.version, frozenset(_HASH.findall(entry))))
    return pins


def locked_names(lock: str) -> list[tuple[str, str]]:
    """Name and version of all that a lock names, for whatever machine."""
    return _NAMED.findall(lock)


def _environment(architecture: Architecture, suite: Suite) -> dict[str, str]:
    """PEP 508's variables on the machine."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{suite.python}.0",
        "os_name": "posix",
        "platform_machine": architecture.name,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{suite.python}.2",
        "python_version": suite.python,
        "sys_platform": "linux",
    }
