"""Where a suite of Debian is had from: the mirrors this machine itself is configured with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from roeh.core.errors import ReleaseFailed
from roeh.release.debs import KEYRING

#: One line of sources.list(5): the type, options, the address, the suite, components.
_LINE = re.compile(r"^deb\s+(?:\[[^]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s", re.MULTILINE)
_FIELD = re.compile(r"^([A-Za-z-]+):[ \t]*(.*)$", re.MULTILINE)


def debian_sources(wanted: str, etc: Path = Path("/etc")) -> str:
    """This machine's Debian mirrors, asked for a suite.

    Args:
        wanted: the suite's codename.
        etc: where apt's configuration and os-release are.

    Returns:
        deb822 text, as apt takes it: the suite with its updates and security, as far as
        this machine has them of its own.

    Raises:
        ReleaseFailed: no mirror of Debian is configured.
    """
    release = re.search(r"^VERSION_CODENAME=(\S+)", (etc / "os-release").read_text(), re.MULTILINE)
    codename = release[1] if release else ""
    known = (codename, f"{codename}-updates", f"{codename}-security")
    suites: dict[str, list[str]] = {}
    for uri, suite in _configured(etc / "apt"):
        # Debian's own suites only: another archive has no such release.
        if suite in known:
            named = suites.setdefault(uri, [])
            if (asked := suite.replace(codename, wanted)) not in named:
                named.append(asked)
    if not suites:
        raise ReleaseFailed(
            what=f"no mirror of Debian {codename} is configured",
            which=str(etc / "apt"),
            remedy="name one in apt's sources",
        )
    return "\n".join(
        f"Types: deb\nURIs: {uri}\nSuites: {' '.join(named)}\nComponents: main\n"
        f"Signed-By: {KEYRING}\n"
        for uri, named in suites.items()
    )


def _configured(apt: Path) -> Iterator[tuple[str, str]]:
    """Each address with each suite that it is asked for."""
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text()):
            fields = dict(_FIELD.findall(stanza))
            if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes") != "no":
                for uri in fields.get("URIs", "").split():
                    for suite in fields.get("Suites", "").split():
                        yield uri, suite
    for path in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))):
        if path.exists():
            for match in _LINE.finditer(path.read_text()):
                yield match["uri"], match["suite"]
