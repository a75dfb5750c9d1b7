"""What a release and a bundle are made of, as components of their bills of materials."""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from roeh.release.carried import MachineRole
from roeh.release.debs import CarriedPackage, read_packages
from roeh.release.locks import locked_names
from roeh.release.machines import Architecture, Suite
from roeh.release.sbom import (
    Component,
    debian_package,
    library_inside,
    model,
    python_package,
)
from roeh.release.wheels import CarriedWheel

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: libavcodec-5e6b81c2.so.62.28.102, as auditwheel(1) names what it puts into a wheel.
_LIBRARY: Final = re.compile(
    r"(?P<name>.+?)(?:-[0-9a-f]{8})*(?:\.(?P<before>[0-9.]+))?\.so(?:\.(?P<after>[0-9A-Za-z.]+))?"
)


class _ModelFile(msgspec.Struct, frozen=True):
    file: str
    sha256: str


class _Network(msgspec.Struct, frozen=True):
    name: str
    licence: str
    models: tuple[_ModelFile, ...] = ()


class _Models(msgspec.Struct, frozen=True):
    networks: tuple[_Network, ...]


class _Inner(msgspec.Struct, frozen=True):
    name: str
    version: str = ""
    purl: str = ""


class _InnerBill(msgspec.Struct, frozen=True):
    components: tuple[_Inner, ...] = ()


def of_release(source: Path, locks: dict[str, str]) -> list[Component]:
    """What a release may be installed with, on any machine.

    Args:
        source: the tree: licences, models, and lists of Debian's packages.
        locks: text by role.
    """
    said = tomllib.loads((source / "requirements/licences.toml").read_text(encoding="utf-8"))
    roles: dict[tuple[str, str], list[str]] = {}
    for role, lock in locks.items():
        for pinned in locked_names(lock):
            if role not in roles.setdefault(pinned, []):
                roles[pinned].append(role)
    components = [
        python_package(name, version, licence=said.get(name, {}).get("licence", ""), roles=needed)
        for (name, version), needed in roles.items()
    ]
    models = msgspec.json.decode((source / "models/manifest.json").read_bytes(), type=_Models)
    components += [
        model(file.file, file.sha256, network.licence)
        for network in models.networks
        for file in network.models
    ]
    packages: dict[str, list[str]] = {}
    for machine in MachineRole:
        for name in read_packages(source / f"deploy/ansible/packages/{machine.value}.txt"):
            packages.setdefault(name, []).append(machine.value)
    components += [debian_package(name, roles=needed) for name, needed in packages.items()]
    return components


def of_bundle(
    wheels: Iterable[CarriedWheel],
    packages: Iterable[CarriedPackage],
    architecture: Architecture,
    suite: Suite,
) -> list[Component]:
    """What a bundle carries: each file, with the libraries inside of wheels."""
    components = [
        python_package(
            wheel.pin.name,
            wheel.pin.version,
            sha256=wheel.sha256,
            inside=sorted(libraries_in(wheel.path), key=lambda component: component.bom_ref),
        )
        for wheel in wheels
    ]
    components += [
        debian_package(
            package.name,
            version=package.version,
            architecture=architecture.debian,
            suite=suite.name,
            sha256=package.sha256,
            source=package.source,
        )
        for package in packages
    ]
    return components


def libraries_in(path: Path) -> list[Component]:
    """Libraries that a wheel carries: by name, and as its own bills say (PEP 770)."""
    found: dict[str, Component] = {}
    with zipfile.ZipFile(path) as wheel:
        for name in wheel.namelist():
            folder, _, file = name.rpartition("/")
            if folder.endswith(".libs") and file:
                for component in _shared_object(path.name, file):
                    found[component.bom_ref] = component
            elif "/sboms/" in name and name.endswith(".json"):
                for component in _said_by(path.name, wheel.read(name)):
                    found[component.bom_ref] = component
    return list(found.values())


def _shared_object(wheel: str, file: str) -> Iterator[Component]:
    match = _LIBRARY.fullmatch(file)
    if match is not None:
        yield library_inside(wheel, match["name"], match["after"] or match["before"] or "")


def _said_by(wheel: str, bill: bytes) -> Iterator[Component]:
    try:
        said = msgspec.json.decode(bill, type=_InnerBill)
    except msgspec.DecodeError:
        return
    for inner in said.components:
        yield library_inside(wheel, inner.name, inner.version, inner.purl)
