"""Bringing a release onto a machine; what is in force stays as it is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import msgspec

from roeh.core.durable_files import sync_directory
from roeh.core.errors import ReleaseRefused
from roeh.release.carried import CheckedBundle, MachineRole, read_bundle
from roeh.release.environments import (
    check_environment,
    check_machine,
    make_environment,
    sync_file_system,
)
from roeh.release.history import highest_version, record_highest
from roeh.release.manifest import MANIFEST_FILE, SIGNATURE_FILE, manifest_bytes, version_key
from roeh.release.places import MAKING, ROLE_FILE, InstalledRelease, Places, replace_link

#: How many releases stay, those in use always among them.
KEPT: Final = 3


class Installation(msgspec.Struct, frozen=True):
    """What was done.

    Attributes:
        is_new: it was not there before.
        is_first: and nothing was in force, so that it is now.
        removed: versions that were taken away to make room.
        is_trial: signed with a key that was made on the spot.
    """

    release: InstalledRelease
    is_new: bool
    is_first: bool
    removed: tuple[str, ...]
    is_trial: bool


def install(
    directory: Path, places: Places, role: MachineRole | None, *, allow_older: bool
) -> Installation:
    """Install the release of a bundle; nothing when it is there.

    Args:
        directory: the bundle.
        places: of this machine.
        role: what this machine is; None: what it was before, or a pole.
        allow_older: also one older than any that was ever installed here.

    Raises:
        ReleaseRefused: not whole, not believed, not for this machine, no room, too old, or
            another release of that version is here.
        ReleaseFailed: its environment could not be made, or another one is at work.
    """
    with places.held():
        bundle = read_bundle(directory, places.believed_pem())
        in_force = places.in_force()
        known = in_force or places.before()
        role = role or (known.role if known else MachineRole.POLE)
        version = bundle.release.manifest.version
        check_not_older(version, places, allow_older=allow_older)
        _remove_unfinished(places)
        found = places.installed(version)
        if found is not None:
            _check_same(found, bundle, role)
        else:
            _make(bundle, places, role)
        release = places.wanted(version)
        record_highest(places, version)
        is_first = in_force is None
        if is_first:
            places.point(places.current, release)
        _link_command(places)
        return Installation(
            release=release,
            is_new=found is None,
            is_first=is_first,
            removed=_prune(places, release),
            is_trial=bundle.release.signer.is_trial,
        )


def check_not_older(version: str, places: Places, *, allow_older: bool) -> None:
    """Refuse what is older than any that was ever here: it may be signed and known to be weak.

    Raises:
        ReleaseRefused: it is, and was not asked for.
    """
    highest = highest_version(places)
    if highest is None or allow_older or version_key(version) >= version_key(highest):
        return
    raise ReleaseRefused(
        what=f"older than {highest}, which was installed here",
        which=version,
        remedy="to go back on purpose: --allow-older",
    )


def _make(bundle: CheckedBundle, places: Places, role: MachineRole) -> None:
    check_machine(bundle, role, places.opt)
    release = bundle.release
    making = places.releases / f"{MAKING}{release.manifest.version}"
    try:
        _fill(making, bundle, role)
    except BaseException:
        # What is in force needs the room.
        shutil.rmtree(making, ignore_errors=True)
        raise
    making.rename(places.releases / release.manifest.version)
    sync_directory(places.releases)


def _fill(making: Path, bundle: CheckedBundle, role: MachineRole) -> None:
    """All of a release in a folder, on the disk when this returns."""
    release = bundle.release
    make_environment(bundle, role, making)
    check_environment(making / "bin" / "python", release.manifest.version, role)
    for name, content in release.contents.items():
        if not name.endswith(".whl"):
            (making / name).write_bytes(content)
    (making / SIGNATURE_FILE).write_bytes(release.signature)
    (making / ROLE_FILE).write_text(role.value, encoding="ascii")
    (making / MANIFEST_FILE).write_bytes(manifest_bytes(release.manifest))
    # Thousands of files: one call for all of them, before the name that makes them count.
    sync_file_system(making)


def _remove_unfinished(places: Places) -> None:
    """What an installation that was cut short has left."""
    for path in places.releases.glob(f"{MAKING}*"):
        shutil.rmtree(path)


def _check_same(found: InstalledRelease, bundle: CheckedBundle, role: MachineRole) -> None:
    if found.manifest != bundle.release.manifest:
        raise ReleaseRefused(
            what="another release of that version is installed",
            which=found.version,
            remedy="give the new one a version of its own",
        )
    if found.role is not role:
        raise ReleaseRefused(
            what=f"installed as {found.role.value}, not as {role.value}",
            which=found.version,
            remedy="set this machine up anew, or leave out --role",
        )


def _link_command(places: Places) -> None:
    target = places.current / "bin" / "roeh"
    if not places.command.is_symlink() or places.command.readlink() != target:
        places.command.parent.mkdir(parents=True, exist_ok=True)
        replace_link(places.command, target)


def _prune(places: Places, newest: InstalledRelease) -> tuple[str, ...]:
    """Take the oldest away until so many are left; never one that is in use."""
    used = {release.version for release in (newest, places.in_force(), places.before()) if release}
    everything = [release.version for release in places.all_installed()]
    surplus = [version for version in everything if version not in used]
    surplus = surplus[: max(0, len(everything) - KEPT)]
    for version in surplus:
        # First the name: half of a release is none.
        gone = places.releases / f"{MAKING}{version}"
        (places.releases / version).rename(gone)
        shutil.rmtree(gone)
    return tuple(surplus)
