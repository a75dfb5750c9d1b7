"""A release is installed whole or not at all, and what is in force stays."""

import os
import shutil
import subprocess

import pytest

from roeh.core.errors import ReleaseFailed, ReleaseRefused
from roeh.release.carried import MachineRole
from roeh.release.history import record_highest
from roeh.release.install import install
from tests.released_machines import killed_at, put_release
from tests.releases import Maker

ROLE = MachineRole.CONTROL_ROOM
#: After how many of its steps an installation is killed: ROEH_KILLS=26 for each.
KILLS = int(os.environ.get("ROEH_KILLS", "3"))


@pytest.fixture
def maker(memory_directory):
    return Maker(memory_directory)


def installed(bundle, places, *, allow_older=False):
    return install(bundle, places, ROLE, allow_older=allow_older)


def test_the_first_release_is_in_force_and_later_ones_are_beside_it(maker):
    places = maker.machine()
    first = installed(maker.bundle("1.0.0"), places)
    assert (first.is_new, first.is_first) == (True, True)
    second = installed(maker.bundle("1.1.0"), places)
    assert (second.is_new, second.is_first) == (True, False)
    assert places.in_force().version == "1.0.0"
    said = subprocess.run([places.command], capture_output=True, text=True, check=True).stdout
    assert said == "roeh 1.0.0\n"
    again = installed(maker.root / "bundle-1.1.0", places)
    assert (again.is_new, again.is_first) == (False, False)


def test_the_oldest_make_room_and_never_what_is_in_force(maker):
    places = maker.machine()
    for number in range(3):
        put_release(places, f"1.{number}.0", role=ROLE)
    places.point(places.current, places.wanted("1.0.0"))
    assert installed(maker.bundle("1.3.0"), places).removed == ("1.1.0",)
    assert [one.version for one in places.all_installed()] == ["1.0.0", "1.2.0", "1.3.0"]


def test_an_older_signed_release_is_refused_also_when_the_newer_is_gone(maker):
    places = maker.machine()
    put_release(places, "1.1.0", role=ROLE)
    record_highest(places, "1.1.0")
    shutil.rmtree(places.releases / "1.1.0")
    older = maker.bundle("1.0.0")
    with pytest.raises(ReleaseRefused, match="older than"):
        installed(older, places)
    assert installed(older, places, allow_older=True).is_new


def test_another_release_of_the_same_version_is_refused(maker):
    places = maker.machine()
    put_release(places, "1.0.0", role=ROLE)
    with pytest.raises(ReleaseRefused, match="another release of that version"):
        installed(maker.bundle("1.0.0", commit="another"), places)


def test_a_release_that_cannot_be_imported_is_not_installed_and_leaves_its_room(maker):
    places = maker.machine()
    with pytest.raises(ReleaseFailed, match="broken on purpose"):
        installed(maker.bundle("1.0.0", broken=True), places)
    assert list(places.releases.iterdir()) == []


def test_a_control_room_whose_release_was_lost_stays_one(maker):
    places = maker.machine()
    put_release(places, "1.0.0", role=ROLE)
    places.point(places.previous, places.wanted("1.0.0"))
    done = install(maker.bundle("1.1.0"), places, None, allow_older=False)
    assert (done.is_first, done.release.role) == (True, ROLE)


def test_a_bundle_for_another_machine_is_refused(maker):
    with pytest.raises(ReleaseRefused, match="made for riscv64"):
        installed(maker.bundle("1.0.0", architecture="riscv64"), maker.machine())


def test_a_full_disk_is_seen_before_anything_is_written(maker, as_root):
    places = maker.machine()
    places.opt.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(places.opt)], check=True)
    try:
        with pytest.raises(ReleaseRefused, match="MB are free"):
            installed(maker.bundle("1.0.0"), places)
        assert list(places.releases.iterdir()) == []
    finally:
        subprocess.run(["umount", str(places.opt)], check=True)


#: Changes that an installation makes, roughly; beyond, nothing is killed.
STEPS = 26


@pytest.mark.parametrize("kill", range(KILLS))
def test_whatever_step_is_the_last_the_next_run_finishes_it(maker, kill):
    places = maker.machine()
    put_release(places, "1.0.0", role=ROLE)
    places.point(places.current, places.wanted("1.0.0"))
    bundle = maker.bundle("1.1.0")
    killed_at(round((kill + 0.5) * STEPS / KILLS), lambda: installed(bundle, places))
    assert places.in_force().version == "1.0.0"
    found = places.installed("1.1.0")
    assert found is None or subprocess.run([found.directory / "bin/roeh"], check=True)
    installed(bundle, places)
    assert places.installed("1.1.0") is not None
    assert not list(places.releases.glob(".making-*"))
