"""The Debian packages of a bundle: chosen by apt for another machine, kept, and indexed.

apt runs with a configuration and a state of its own: nothing of this machine's is read or
changed beside the addresses of its mirrors and the archive's keys.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import msgspec

from roeh.core.errors import ReleaseFailed
from roeh.release.machines import Architecture, Suite
from roeh.release.sums import sha256_of

_FIELD = re.compile(r"^([A-Za-z0-9-]+):[ \t]*(.*)$", re.MULTILINE)
_WORD = re.compile(r"^[a-z0-9][a-z0-9+.-]*$")
KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"


class CarriedPackage(msgspec.Struct, frozen=True):
    """A Debian package that the bundle carries.

    Attributes:
        stanza: its entry in an index, with the file's name as in the bundle.
    """

    name: str
    version: str
    source: str
    sha256: str
    file_name: str
    stanza: str


def read_packages(path: Path) -> list[str]:
    """The packages that a list names.

    Raises:
        ReleaseFailed: the list cannot be read, or a line is no package's name.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise _failed(f"cannot be read ({error.strerror})", str(path), "restore it") from error
    words = [line.partition("#")[0].strip() for line in lines]
    for word in words:
        if word and not _WORD.match(word):
            raise _failed(f"not a package's name: {word[:100]!r}", str(path), "correct the line")
    return [word for word in words if word]


def fetch_packages(
    names: list[str],
    architecture: Architecture,
    suite: Suite,
    cache: Path,
    sources: str,
    *,
    renew: bool,
) -> list[CarriedPackage]:
    """The packages with all that they depend on.

    What was chosen once stays chosen while the list is the same, until `renew`.

    Args:
        names: what is wanted.
        architecture: of the machine.
        suite: of the machine.
        cache: where apt's state and what it fetched are kept.
        sources: deb822 text: where Debian is had.
        renew: ask the mirror what is newest.

    Raises:
        ReleaseFailed: one is not to be had.
    """
    apt = _Apt(cache / f"debs-{suite.name}-{architecture.name}", architecture)
    apt.write_configuration(sources)
    chosen_file = apt.directory / "chosen.json"
    chosen = _chosen_before(chosen_file, names)
    if renew or chosen is None:
        apt.run("apt-get", "update")
        chosen = _Chosen(names=names, packages=apt.choose(names))
        chosen_file.write_bytes(msgspec.json.encode(chosen))
    missing = [one for one in chosen.packages if not _is_whole(apt, one)]
    if missing:
        apt.fetch(missing)
    for one in missing:
        if not _is_whole(apt, one):
            raise _failed("differs from what the archive's index says", one.name, "try again")
    return chosen.packages


def package_path(cache: Path, package: CarriedPackage, architecture: str, suite: str) -> Path:
    """Where the cache has a package's file."""
    return cache / f"debs-{suite}-{architecture}" / "archives" / package.file_name


def packages_index(packages: list[CarriedPackage]) -> str:
    """The index that apt reads beside the files."""
    return "\n".join(f"{package.stanza}\n" for package in packages)


class _Chosen(msgspec.Struct, frozen=True):
    names: list[str]
    packages: list[CarriedPackage]


def _chosen_before(path: Path, names: list[str]) -> _Chosen | None:
    try:
        chosen = msgspec.json.decode(path.read_bytes(), type=_Chosen)
    except (OSError, msgspec.DecodeError):
        return None
    return chosen if chosen.names == names else None


def _is_whole(apt: _Apt, package: CarriedPackage) -> bool:
    """Whether the file is there as it should be; a damaged one is thrown away."""
    path = apt.archives / package.file_name
    if path.exists() and sha256_of(path) != package.sha256:
        path.unlink()
    return path.exists()


class _Apt:
    """apt for another machine, in a directory of its own."""

    def __init__(self, directory: Path, architecture: Architecture) -> None:
        self.directory = directory
        self.archives = directory / "archives"
        self._architecture = architecture
        self._configuration = directory / "apt.conf"

    def write_configuration(self, sources: str) -> None:
        for name in ("lists/partial", "archives/partial", "etc/preferences.d"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "status").touch()
        (self.directory / "etc/debian.sources").write_text(sources, encoding="utf-8")
        here = self.directory.absolute()
        self._configuration.write_text(
            f"""
Dir "{here}/";
Dir::State "{here}/"; Dir::State::status "{here}/status"; Dir::State::lists "{here}/lists/";
Dir::Cache "{here}/"; Dir::Cache::archives "{here}/archives/";
Dir::Etc "{here}/etc/"; Dir::Etc::sourcelist "{here}/etc/debian.sources";
Dir::Etc::sourceparts "/dev/null"; Dir::Etc::main "/dev/null"; Dir::Etc::parts "/dev/null";
APT::Architecture "{self._architecture.debian}";
APT::Architectures {{ "{self._architecture.debian}"; }};
APT::Install-Recommends "false"; APT::Sandbox::User "root"; APT::Get::AllowUnauthenticated "false";
Acquire::Languages "none"; Acquire::Retries "3"; Acquire::IndexTargets::deb::Contents-deb "false";
""",
            encoding="utf-8",
        )

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            arguments,
            env={"APT_CONFIG": str(self._configuration), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            cwd=self.archives,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())[-1000:]
            raise _failed(
                f"apt could not ({said})",
                " ".join(arguments[:2]),
                "try again; what was fetched is kept",
            )
        return done.stdout

    def choose(self, names: list[str]) -> list[CarriedPackage]:
        """What apt would install on a machine that has nothing."""
        said = self.run("apt-get", "install", "--simulate", "--quiet", *names)
        wanted = dict(re.findall(r"^Inst (\S+) \((\S+) ", said, re.MULTILINE))
        words = [f"{name.partition(':')[0]}={version}" for name, version in wanted.items()]
        shown = self.run("apt-cache", "show", "--no-all-versions", *words)
        stanzas = [stanza for stanza in re.split(r"\n\s*\n", shown) if stanza.strip()]
        return sorted((_carried(stanza) for stanza in stanzas), key=lambda one: one.name)

    def fetch(self, packages: list[CarriedPackage]) -> None:
        """Have apt download these very versions, checked against the archive's signed index."""
        self.run("apt-get", "download", *(f"{one.name}={one.version}" for one in packages))
        for one in packages:
            # apt writes the epoch's colon as %3a.
            escaped = one.version.replace(":", "%3a")
            for path in self.archives.glob(f"{one.name}_{escaped}_*.deb"):
                if path.name != one.file_name:
                    path.replace(self.archives / one.file_name)


def _carried(stanza: str) -> CarriedPackage:
    fields = {key.lower(): value for key, value in _FIELD.findall(stanza)}
    file_name = fields["filename"].rpartition("/")[2]
    return CarriedPackage(
        name=fields["package"],
        version=fields["version"],
        source=fields.get("source", fields["package"]).split(" ")[0],
        sha256=fields["sha256"],
        file_name=file_name,
        stanza=re.sub(
            r"^Filename:.*$", f"Filename: ./{file_name}", stanza.strip(), flags=re.MULTILINE
        ),
    )


def _failed(what: str, which: str, remedy: str) -> ReleaseFailed:
    return ReleaseFailed(what=what, which=which, remedy=remedy)
