"""Where Debian is had from: the mirrors this machine itself is configured with."""

from __future__ import annotations

import re
from pathlib import Path

from qemu_machine.troubles import MachineFailed

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
#: One line of sources.list(5): the type, options, the address, the suite, components.
_LINE = re.compile(r"^deb\s+(?:\[[^]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s")


def configured_sources(wanted_release: str, etc: Path = Path("/etc")) -> str:
    """This machine's Debian mirrors, asked for the guest's release.

    Args:
        wanted_release: the guest's codename, which replaces this machine's own.
        etc: where apt's configuration and os-release are.

    Returns:
        deb822 text, as mmdebstrap takes it.

    Raises:
        MachineFailed: no mirror of Debian is configured.
    """
    release = re.search(r"^VERSION_CODENAME=(\S+)", (etc / "os-release").read_text(), re.MULTILINE)
    codename = release[1] if release else ""
    found: dict[str, list[str]] = {}
    for path in sorted((etc / "apt/sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text()):
            _take_stanza(stanza, codename, found)
    lists = (etc / "apt/sources.list", *sorted((etc / "apt/sources.list.d").glob("*.list")))
    for path in lists:
        if path.exists():
            _take_lines(path.read_text(), codename, found)
    if not found:
        raise MachineFailed(
            f"no mirror of Debian {codename} in {etc}/apt; apt's sources say where Debian is had"
        )
    return "\n".join(
        f"Types: deb\nURIs: {uri}\n"
        f"Suites: {' '.join(suite.replace(codename, wanted_release) for suite in suites)}\n"
        f"Components: main\nSigned-By: {_KEYRING}\n"
        for uri, suites in found.items()
    )


def _take_stanza(stanza: str, codename: str, found: dict[str, list[str]]) -> None:
    fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, re.MULTILINE))
    if "deb" not in fields.get("Types", "").split() or fields.get("Enabled", "yes") == "no":
        return
    for uri in fields.get("URIs", "").split():
        for suite in fields.get("Suites", "").split():
            _take(uri, suite, codename, found)


def _take_lines(text: str, codename: str, found: dict[str, list[str]]) -> None:
    for line in text.splitlines():
        if match := _LINE.match(line):
            _take(match["uri"], match["suite"], codename, found)


def _take(uri: str, suite: str, codename: str, found: dict[str, list[str]]) -> None:
    """Debian's own suites only: another archive has no such release."""
    if suite in {codename, f"{codename}-updates", f"{codename}-security"}:
        suites = found.setdefault(uri, [])
        if suite not in suites:
            suites.append(suite)
