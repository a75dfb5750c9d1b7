"""`make bundle`: all that a machine without a network needs (edge/docs/releases.md)."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from roeh.core.clock import Clock, SystemClock
from roeh.core.errors import EXIT_OK, RoehError
from roeh.release.archive import Release, read_release
from roeh.release.carried import BUNDLE_FILE, BundleDescription, MachineRole, description_bytes
from roeh.release.contents import of_bundle
from roeh.release.debs import (
    CarriedPackage,
    fetch_packages,
    package_path,
    packages_index,
    read_packages,
)
from roeh.release.locks import Pin, pins_for
from roeh.release.machines import ARCHITECTURES, SUITES, Architecture, Suite
from roeh.release.make import BUILD, CHECKOUT, LOCKS, add_seal_options, make_release, seal_from
from roeh.release.mirror import debian_sources
from roeh.release.sbom import SBOM_FILE, sbom_bytes
from roeh.release.sealing import Seal
from roeh.release.sums import SUMS_FILE, SUMS_SIGNATURE_FILE, sums_bytes
from roeh.release.wheels import CarriedWheel, fetch_wheels

#: Whose pip a machine uses, which has none.
_PIP_LOCK = "requirements/dev.txt"
_PACKAGE_LISTS = CHECKOUT / "deploy" / "ansible" / "packages"
_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make one bundle; the exit status."""
    chosen = _parser().parse_args(arguments)
    clock = SystemClock()
    try:
        seal = seal_from(chosen, clock)
        path = chosen.release
        if path is None:
            path = make_release(CHECKOUT, chosen.version, BUILD, seal, clock)
        bundle = Bundle(
            release_path=path,
            architecture=ARCHITECTURES[chosen.arch],
            suite=SUITES[chosen.suite],
            cache=chosen.cache,
        )
        made = bundle.make(chosen.to, seal, clock, renew=chosen.renew)
    except RoehError as error:
        print(error.line(), file=sys.stderr)
        return error.exit_status
    size_bytes = sum(file.stat().st_size for file in made.rglob("*") if file.is_file())
    print(f"made {made} ({size_bytes / 1e6:.0f} MB)")
    return EXIT_OK


class Bundle:
    """One bundle in the making.

    Raises:
        ReleaseRefused: the release is not signed by who signs the bundle.
    """

    def __init__(
        self, *, release_path: Path, architecture: Architecture, suite: Suite, cache: Path
    ) -> None:
        self._release_path = release_path
        self._architecture = architecture
        self._suite = suite
        self._cache = cache

    def make(self, to: Path, seal: Seal, clock: Clock, *, renew: bool) -> Path:
        """Make it whole or not at all; its folder."""
        release = read_release(self._release_path, seal.authority_pem())
        name = f"roeh-{release.manifest.version}-{self._suite.name}-{self._architecture.name}"
        making = to / f".making-{name}"
        shutil.rmtree(making, ignore_errors=True)
        (making / "locks").mkdir(parents=True)
        (making / "wheels").mkdir()
        (making / "debs").mkdir()
        shutil.copyfile(self._release_path, making / f"roeh-{release.manifest.version}.tar")
        shutil.copyfile(_BOOTSTRAP, making / _BOOTSTRAP.name)
        wheels = self._add_wheels(release, making)
        packages = self._add_packages(making, renew=renew)
        made_utc_s = release.manifest.made_utc_s
        components = of_bundle(wheels, packages, self._architecture, self._suite)
        bill = sbom_bytes(name, release.manifest.version, made_utc_s, components)
        (making / SBOM_FILE).write_bytes(bill)
        about = BundleDescription(
            format="roeh-bundle-1",
            version=release.manifest.version,
            suite=self._suite.name,
            architecture=self._architecture.name,
            python=self._suite.python,
        )
        finish_bundle(making, about, seal, clock)
        made = to / name
        shutil.rmtree(made, ignore_errors=True)
        making.rename(made)
        return made

    def _add_wheels(self, release: Release, making: Path) -> list[CarriedWheel]:
        pip = self._pins((CHECKOUT / _PIP_LOCK).read_text(encoding="utf-8"), only="pip")
        carried: dict[str, CarriedWheel] = {}
        for role, lock in LOCKS.items():
            pins = self._pins(release.contents[lock].decode())
            wheels = fetch_wheels(pins, self._architecture, self._suite, self._cache)
            lines = "".join(wheel.requirement() for wheel in wheels)
            (making / "locks" / f"{role}.txt").write_text(lines, encoding="utf-8")
            carried |= {wheel.path.name: wheel for wheel in wheels}
        for wheel in fetch_wheels(pip, self._architecture, self._suite, self._cache):
            carried[wheel.path.name] = wheel
        for name, wheel in carried.items():
            shutil.copyfile(wheel.path, making / "wheels" / name)
        return list(carried.values())

    def _pins(self, lock: str, only: str | None = None) -> list[Pin]:
        pins = pins_for(lock, self._architecture, self._suite)
        return [pin for pin in pins if only is None or pin.name == only]

    def _add_packages(self, making: Path, *, renew: bool) -> list[CarriedPackage]:
        names = {
            name
            for role in MachineRole
            for name in read_packages(_PACKAGE_LISTS / f"{role.value}.txt")
        }
        packages = fetch_packages(
            sorted(names),
            self._architecture,
            self._suite,
            self._cache,
            debian_sources(self._suite.name),
            renew=renew,
        )
        for package in packages:
            kept = package_path(self._cache, package, self._architecture.name, self._suite.name)
            shutil.copyfile(kept, making / "debs" / package.file_name)
        (making / "debs" / "Packages").write_text(packages_index(packages), encoding="utf-8")
        return packages


def finish_bundle(making: Path, about: BundleDescription, seal: Seal, clock: Clock) -> None:
    """Say what a bundle is for, list all that is in it, and sign the list."""
    (making / BUNDLE_FILE).write_bytes(description_bytes(about))
    sums = sums_bytes(making)
    (making / SUMS_FILE).write_bytes(sums)
    (making / SUMS_SIGNATURE_FILE).write_bytes(seal.signature(sums, clock))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m roeh.release.bundle", description=__doc__)
    parser.add_argument("--arch", choices=sorted(ARCHITECTURES), required=True)
    parser.add_argument("--suite", choices=sorted(SUITES), required=True, help="of Debian")
    parser.add_argument("--release", type=Path, metavar="TAR", help="default: made from here")
    parser.add_argument("--version", metavar="N.N.N", help="of the release that is made")
    parser.add_argument("--to", type=Path, default=CHECKOUT / "build/bundle", metavar="DIR")
    parser.add_argument("--cache", type=Path, default=CHECKOUT / "build/cache/bundle")
    parser.add_argument("--renew", action="store_true", help="newest Debian packages")
    add_seal_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
