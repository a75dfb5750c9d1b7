"""`make release`: a signed release of a source tree (edge/docs/releases.md)."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from roeh.core.clock import NS_PER_S, Clock, SystemClock
from roeh.core.errors import EXIT_OK, ReleaseFailed, RoehError
from roeh.keys.asking import passphrase_from
from roeh.release.archive import release_file, write_release
from roeh.release.carried import MachineRole
from roeh.release.contents import of_release
from roeh.release.manifest import ReleaseManifest, is_version
from roeh.release.sbom import SBOM_FILE, sbom_bytes
from roeh.release.sealing import RELEASE_CA_FILE, Seal, open_seal, trial_seal
from roeh.release.wheel import build_wheel

CHECKOUT = Path(__file__).parents[3]
BUILD = CHECKOUT / "build" / "release"
#: The lock of each role.
LOCKS = {MachineRole.POLE.value: "node.txt", MachineRole.CONTROL_ROOM.value: "desk.txt"}
_TREE_VERSION = re.compile(r'^version = "([^"]*)"$', re.MULTILINE)
_TREE_SCHEMA = re.compile(r"^SCHEMA_VERSION = (\d+)$", re.MULTILINE)
_TREE_PYTHON = re.compile(r'^requires-python = ">=([0-9.]+)"$', re.MULTILINE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make one release; the exit status."""
    chosen = _parser().parse_args(arguments)
    clock = SystemClock()
    try:
        seal = seal_from(chosen, clock)
        path = make_release(chosen.source, chosen.version, chosen.to, seal, clock)
    except RoehError as error:
        print(error.line(), file=sys.stderr)
        return error.exit_status
    print(f"made {path}")
    return EXIT_OK


def add_seal_options(parser: argparse.ArgumentParser) -> None:
    """Options of who signs."""
    parser.add_argument("--signer", type=Path, metavar="KEY.pem", help="of roeh keys releaser")
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="of the signer's key")


def seal_from(chosen: argparse.Namespace, clock: Clock) -> Seal:
    """What to sign with; without a signer a key for trials.

    Raises:
        KeyRefused: the signer's file cannot be used.
    """
    if chosen.signer is not None:
        return open_seal(chosen.signer, passphrase_from(chosen.passphrase_file))
    directory = BUILD / "trial"
    seal = trial_seal(directory, clock)
    print(f"signed with a key for TRIALS; believed with {directory / RELEASE_CA_FILE}")
    return seal


def make_release(source: Path, version: str | None, to: Path, seal: Seal, clock: Clock) -> Path:
    """Make the release of a tree; its path.

    Raises:
        ReleaseFailed: the tree cannot be built, or says nothing that can be a version.
    """
    project = (source / "pyproject.toml").read_text(encoding="utf-8")
    version = version or _word(_TREE_VERSION, project)
    if not is_version(version):
        raise ReleaseFailed(
            what="not a version", which=version[:100], remedy="three numbers: --version 1.2.3"
        )
    commit, made_utc_s = _commit(source, clock)
    to.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".making-", dir=to))
    try:
        wheel = build_wheel(source, version, made_utc_s, work)
        contents = {wheel.name: wheel.read_bytes()}
        for lock in LOCKS.values():
            contents[lock] = (source / "requirements" / lock).read_bytes()
        locks = {role: contents[lock].decode() for role, lock in LOCKS.items()}
        components = of_release(source, locks)
        contents[SBOM_FILE] = sbom_bytes("roeh", version, made_utc_s, components)
    finally:
        shutil.rmtree(work)
    manifest = ReleaseManifest(
        format="roeh-release-1",
        version=version,
        store_schema=_schema(source / "edge/roeh/ledger/database.py"),
        desk_schema=_schema(source / "edge/roeh/desk/store/schema.py"),
        minimal_python=_word(_TREE_PYTHON, project),
        commit=commit,
        made_utc_s=made_utc_s,
        files=tuple(release_file(name, content) for name, content in contents.items()),
    )
    path = to / f"roeh-{version}.tar"
    write_release(path, manifest, contents, seal, clock)
    return path


def _commit(source: Path, clock: Clock) -> tuple[str, int]:
    """The commit of a tree and when it was made; without git: none, and now."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(source), *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    words = git("log", "-1", "--format=%H %ct").split()
    if len(words) != 2:
        return "none", clock.read().t_utc_ns // NS_PER_S
    changed = git("status", "--porcelain", "--", "edge/roeh", "models", "pyproject.toml")
    return words[0] + ("+changed" if changed else ""), int(words[1])


def _schema(path: Path) -> int:
    """The tree's own, which need not be that of the code that runs here."""
    found = _word(_TREE_SCHEMA, path.read_text(encoding="utf-8"))
    if not found:
        raise ReleaseFailed(what="says no SCHEMA_VERSION", which=str(path), remedy="write it")
    return int(found)


def _word(pattern: re.Pattern[str], project: str) -> str:
    found = pattern.search(project)
    return found[1] if found else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m roeh.release.make", description=__doc__)
    parser.add_argument("--source", type=Path, default=CHECKOUT, metavar="TREE", help="a checkout")
    parser.add_argument("--version", metavar="N.N.N", help="another than the tree's")
    parser.add_argument("--to", type=Path, default=BUILD, metavar="DIR")
    add_seal_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
