"""Software bills of materials, CycloneDX 1.6 as JSON. Without IO.

Written here: tools that make them know an environment of Python, and neither wheels for another
machine, nor libraries inside of wheels, nor packages of Debian (edge/design/adr/0013-releases.md).
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from typing import Final, Literal
from urllib.parse import quote

import msgspec

SBOM_FILE: Final = "sbom.cdx.json"
_NAMESPACE: Final = uuid.UUID("17a15e71-6ae8-4503-8905-f5b43c15dd80")


class Licence(msgspec.Struct, frozen=True):
    """An SPDX expression."""

    expression: str


class Hash(msgspec.Struct, frozen=True):
    """A file's hash."""

    content: str
    alg: str = "SHA-256"


class Property(msgspec.Struct, frozen=True):
    """Something that CycloneDX has no field for."""

    name: str
    value: str


class Component(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One component, with those that are inside of it."""

    type: Literal["application", "library", "machine-learning-model"]
    name: str
    bom_ref: str = msgspec.field(name="bom-ref")
    version: str = ""
    purl: str = ""
    hashes: tuple[Hash, ...] = ()
    licenses: tuple[Licence, ...] = ()
    properties: tuple[Property, ...] = ()
    components: tuple[Component, ...] = ()


class _Metadata(msgspec.Struct, frozen=True):
    timestamp: str
    component: Component


class _Document(msgspec.Struct, frozen=True, rename="camel"):
    bom_format: str
    spec_version: str
    serial_number: str
    version: int
    metadata: _Metadata
    components: tuple[Component, ...]


def python_package(
    name: str,
    version: str,
    *,
    sha256: str = "",
    licence: str = "",
    roles: Sequence[str] = (),
    inside: Sequence[Component] = (),
) -> Component:
    """A package of Python's index; with its wheel's hash where one is meant."""
    purl = f"pkg:pypi/{quote(name)}@{quote(version)}"
    return Component(
        type="library",
        name=name,
        version=version,
        bom_ref=purl,
        purl=purl,
        hashes=(Hash(sha256),) if sha256 else (),
        licenses=(Licence(licence),) if licence else (),
        properties=tuple(Property("roeh:role", role) for role in roles),
        components=tuple(inside),
    )


def library_inside(wheel: str, name: str, version: str, purl: str = "") -> Component:
    """A library that a wheel carries."""
    return Component(
        type="library",
        name=name,
        version=version,
        bom_ref=f"{wheel}#{name}@{version}",
        purl=purl,
    )


def debian_package(
    name: str,
    *,
    version: str = "",
    architecture: str = "",
    suite: str = "",
    sha256: str = "",
    source: str = "",
    roles: Sequence[str] = (),
) -> Component:
    """A package of Debian; without a version where any of the suite's is meant."""
    qualifiers = "&".join(
        f"{key}={quote(value)}"
        for key, value in (("arch", architecture), ("distro", suite))
        if value
    )
    purl = f"pkg:deb/debian/{quote(name)}" + (f"@{quote(version, safe='')}" if version else "")
    purl += f"?{qualifiers}" if qualifiers else ""
    properties = [Property("roeh:role", role) for role in roles]
    properties += [Property("roeh:debian-source", source)] if source else []
    return Component(
        type="library",
        name=name,
        version=version,
        bom_ref=purl,
        purl=purl,
        hashes=(Hash(sha256),) if sha256 else (),
        properties=tuple(properties),
    )


def model(name: str, sha256: str, licence: str) -> Component:
    """A detection model."""
    return Component(
        type="machine-learning-model",
        name=name,
        bom_ref=f"model:{name}",
        hashes=(Hash(sha256),),
        licenses=(Licence(licence),) if licence else (),
    )


def sbom_bytes(name: str, version: str, made_utc_s: int, components: Sequence[Component]) -> bytes:
    """The document; the same bytes for the same components."""
    unique = {component.bom_ref: component for component in components}
    whole = Component(
        type="application",
        name=name,
        version=version,
        bom_ref=f"{name}@{version}",
        licenses=(Licence("Apache-2.0"),),
    )
    ordered = tuple(unique[reference] for reference in sorted(unique))
    serial = uuid.uuid5(_NAMESPACE, msgspec.json.encode((whole, ordered)).hex())
    document = _Document(
        bom_format="CycloneDX",
        spec_version="1.6",
        serial_number=f"urn:uuid:{serial}",
        version=1,
        metadata=_Metadata(timestamp=_time(made_utc_s), component=whole),
        components=ordered,
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _time(t_utc_s: int) -> str:
    when = datetime.datetime.fromtimestamp(t_utc_s, tz=datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
