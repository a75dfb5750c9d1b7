"""The machines that bundles are made for: architecture and suite, as each tool names them."""

from __future__ import annotations

from typing import Final

import msgspec


class Suite(msgspec.Struct, frozen=True):
    """A suite of Debian.

    Attributes:
        name: its codename.
        python: its Python, two numbers.
        glibc_minor: of its C library (2.x): what wheels may be built for.
    """

    name: str
    python: str
    glibc_minor: int


class Architecture(msgspec.Struct, frozen=True):
    """A processor as the kernel names it (`uname -m`), and as Debian does."""

    name: str
    debian: str


SUITES: Final = {
    suite.name: suite
    for suite in (
        Suite("bookworm", python="3.11", glibc_minor=36),
        Suite("trixie", python="3.13", glibc_minor=41),
    )
}
ARCHITECTURES: Final = {
    architecture.name: architecture
    for architecture in (Architecture("aarch64", "arm64"), Architecture("x86_64", "amd64"))
}
#: The oldest C library that wheels are built for.
_OLDEST_GLIBC_MINOR: Final = 17


def platform_tags(architecture: Architecture, suite: Suite) -> list[str]:
    """The platforms of wheels that run there, best first (PEP 600)."""
    minors = range(suite.glibc_minor, _OLDEST_GLIBC_MINOR - 1, -1)
    return [
        *(f"manylinux_2_{minor}_{architecture.name}" for minor in minors),
        f"manylinux2014_{architecture.name}",
    ]
