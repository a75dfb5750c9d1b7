"""Writes THIRD-PARTY.md from the locks and licences.toml, and holds it against what is installed.

    .venv/bin/python requirements/third_party.py            renew the page
    .venv/bin/python requirements/third_party.py --check    say what is wrong with it

The page does not depend on the machine it was made on: the locks name the versions for
every platform, licences.toml the licences. What is installed must agree with both.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
PAGE = HERE.parent / "THIRD-PARTY.md"
NOTES = HERE / "third_party_notes.md"

#: The locks by role, in the order of the page.
ROLES = (
    *("node", "desk", "verify", "police", "demo", "dev", "tpm", "tpm_build", "tflite", "convert"),
    *("provision", "hil"),
)

#: Run as programs of their own by whoever provisions and tests, never imported by ours and never
#: on a pole or in a release: their licences may be others.
PROGRAMS = frozenset({"ansible-core", "ansible-lint", "yamllint"})

#: What a dependency's licence may be made of. GPL and AGPL are not here on purpose.
ALLOWED = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "LGPL-2.1-or-later",
        "LGPL-3.0-only", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib",
    }
)  # fmt: skip

#: What packages without a licence expression write, as the expressions that it may mean.
_BSD = frozenset({"BSD-2-Clause", "BSD-3-Clause"})
_LOOSE: dict[str, frozenset[str]] = {
    "3-clause bsd license": frozenset({"BSD-3-Clause"}),
    "apache 2": frozenset({"Apache-2.0"}),
    "apache 2.0": frozenset({"Apache-2.0"}),
    "apache license 2.0": frozenset({"Apache-2.0"}),
    "apache software license": frozenset({"Apache-2.0"}),
    "bsd": _BSD,
    "bsd 2-clause license": frozenset({"BSD-2-Clause"}),
    "bsd 3-clause": frozenset({"BSD-3-Clause"}),
    "bsd license": _BSD,
    "apache license, version 2.0": frozenset({"Apache-2.0"}),
    "gnu general public license v3 or later (gplv3+)": frozenset({"GPL-3.0-or-later"}),
    "isc license": frozenset({"ISC"}),
    "isc license (iscl)": frozenset({"ISC"}),
    "gnu lesser general public license v2 or later (lgplv2+)": frozenset({"LGPL-2.1-or-later"}),
    "lgplv2+": frozenset({"LGPL-2.1-or-later"}),
    "mit license": frozenset({"MIT"}),
    "mozilla public license 2.0 (mpl 2.0)": frozenset({"MPL-2.0"}),
    "psfl": frozenset({"PSF-2.0"}),
    "python software foundation license": frozenset({"PSF-2.0"}),
}
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
_VIA = re.compile(r"^    #(?: via)? +([A-Za-z0-9][A-Za-z0-9._-]*)", re.MULTILINE)


@dataclass(frozen=True)
class Dependency:
    """A package from the index.

    `why` is empty for one that another needs; `needed_by` then names that.
    """

    name: str
    versions: tuple[str, ...]
    roles: tuple[str, ...]
    needed_by: tuple[str, ...]
    licence: str
    why: str


def normal_name(name: str) -> str:
    """A distribution's name as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def allowed(expression: str) -> bool:
    """Whether an SPDX expression lets us choose terms of the allow-list alone."""
    return any(
        all(term.strip() in ALLOWED for term in choice.split(" AND "))
        for choice in expression.replace("(", "").replace(")", "").split(" OR ")
    )


def dependencies() -> list[Dependency]:
    """Everything that the locks name.

    Raises:
        KeyError: a locked package has no entry in licences.toml.
    """
    entries = tomllib.loads((HERE / "licences.toml").read_text(encoding="utf-8"))
    versions: dict[str, set[str]] = {}
    roles: dict[str, list[str]] = {}
    needed_by: dict[str, set[str]] = {}
    for role in ROLES:
        for name, version, via in _pins((HERE / f"{role}.txt").read_text(encoding="utf-8")):
            versions.setdefault(name, set()).add(version)
            needed_by.setdefault(name, set()).update(via)
            if role not in roles.setdefault(name, []):
                roles[name].append(role)
    unlocked = sorted(set(entries) - set(versions))
    if unlocked:
        raise KeyError(f"licences.toml names what no lock has: {', '.join(unlocked)}")
    return [
        Dependency(
            name=name,
            versions=tuple(sorted(versions[name], key=_version_key)),
            roles=tuple(roles[name]),
            needed_by=tuple(sorted(needed_by[name] - {"roeh"})),
            licence=entries[name]["licence"],
            why=entries[name].get("why", ""),
        )
        for name in sorted(versions)
    ]


def page(listed: list[Dependency]) -> str:
    """The text of THIRD-PARTY.md."""
    rows = "\n".join(
        f"| {item.name} | {', '.join(item.versions)} | {item.licence} | {', '.join(item.roles)} "
        f"| {_reason(item)} |"
        for item in listed
        if item.name not in PROGRAMS
    )
    programs = "\n".join(
        f"| {item.name} | {', '.join(item.versions)} | {item.licence} | {', '.join(item.roles)} |"
        for item in listed
        if item.name in PROGRAMS
    )
    notes = NOTES.read_text(encoding="utf-8")
    return notes.replace("{table}", rows).replace("{programs}", programs)


def disagreements(listed: list[Dependency]) -> Iterator[str]:
    """What is installed here under another licence than the page says, or not allowed."""
    by_name = {item.name: item for item in listed}
    for item in listed:
        if not allowed(item.licence) and item.name not in PROGRAMS:
            yield f"{item.name}: {item.licence} is not on the allow-list"
    for distribution in distributions():
        listed_item = by_name.get(normal_name(distribution.metadata["Name"]))
        if listed_item is None or distribution.version not in listed_item.versions:
            continue
        said = licences_said(distribution)
        # Old metadata names the main licence alone, where an expression names them all.
        terms = {listed_item.licence, *listed_item.licence.split(" AND ")}
        if said and not said & terms:
            yield (
                f"{listed_item.name} {distribution.version} says {' or '.join(sorted(said))}, "
                f"licences.toml {listed_item.licence}"
            )


def licences_said(distribution: Distribution) -> frozenset[str]:
    """The licences that a distribution's metadata may mean; empty when it does not say.

    An expression (PEP 639) is taken as it is. Before that came classifiers, and a
    field of free words, which often holds the licence's whole text.
    """
    metadata = distribution.metadata
    for expression in metadata.get_all("License-Expression") or ():
        return frozenset({expression})
    words = [
        value.rpartition(" :: ")[2]
        for value in metadata.get_all("Classifier") or []
        if value.startswith("License :: OSI Approved :: ")
    ]
    field = "".join(metadata.get_all("License") or ()).strip()
    meanings: list[frozenset[str]] = []
    if field not in ("", "UNKNOWN") and "\n" not in field and len(field) < 60:
        meanings.append(_LOOSE.get(field.lower(), frozenset({field})))
    meanings += [_LOOSE.get(word.lower(), frozenset({word})) for word in words]
    # The narrowest statement counts: "BSD" beside "BSD 2-Clause License" adds nothing.
    return min(meanings, key=len, default=frozenset())


def main(arguments: list[str]) -> int:
    """Renew the page, or with --check say what is wrong with it."""
    listed = dependencies()
    wrong = list(disagreements(listed))
    text = page(listed)
    if "--check" in arguments:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            wrong.append("THIRD-PARTY.md is not what the locks say: make third-party")
    else:
        PAGE.write_text(text, encoding="utf-8")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def _pins(lock: str) -> Iterator[tuple[str, str, set[str]]]:
    """(name, version, needed by) of each pin of a lock."""
    matches = list(_PIN.finditer(lock))
    ends = [match.start() for match in matches[1:]] + [len(lock)]
    for match, end in zip(matches, ends, strict=True):
        via = {normal_name(name) for name in _VIA.findall(lock[match.end() : end]) if name != "via"}
        yield normal_name(match[1]), match[2], via


def _reason(item: Dependency) -> str:
    if item.why:
        return item.why
    return "through " + (", ".join(item.needed_by) or "what its role asks for")


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
