"""Whom the control room's side consists of, and how their certificates name them.

A service's common name is `kind:name`. No node's name holds a colon, so a node is never taken
for a service. Without IO.
"""

from __future__ import annotations

import enum
import re

import msgspec

from roeh.core.errors import KeyRefused

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_MAX_COMMON_NAME = 64


class ServiceKind(enum.Enum):
    """What a service does; the value is its name in certificates, files and access lists."""

    BROKER = "broker"
    DESK = "desk"
    WITNESS = "witness"
    REPUBLISH = "republish"
    AUDIENCE = "audience"
    OPERATOR = "operator"


class ServiceName(msgspec.Struct, frozen=True):
    """One service. At the broker this is its user name and its client id."""

    kind: ServiceKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}"

    @property
    def is_server(self) -> bool:
        """Whether others connect to it."""
        return self.kind is ServiceKind.BROKER


def service_name(kind: ServiceKind, name: str) -> ServiceName:
    """A service by its name.

    Raises:
        KeyRefused: not a name as nodes have them, or too long for a certificate.
    """
    named = ServiceName(kind, name)
    if not _NAME.fullmatch(name) or len(str(named)) > _MAX_COMMON_NAME:
        raise KeyRefused(
            what="not the name of a service",
            which=f"{kind.value} {name[:100]}",
            remedy="use a-z, 0-9 and -, at most 54 characters",
        )
    return named


def parse_service_name(common_name: str) -> ServiceName | None:
    """The service that a certificate's common name names; None when it names none."""
    kind, _, name = common_name.partition(":")
    if kind not in {known.value for known in ServiceKind} or not _NAME.fullmatch(name):
        return None
    return ServiceName(ServiceKind(kind), name)
