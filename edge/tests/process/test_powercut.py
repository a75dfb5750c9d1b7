"""The power goes at any write: nothing acknowledged is lost (the long form: make powercut)."""

import contextlib
import errno
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from roeh.ledger.checkpoints import Checkpoints
from roeh.ledger.database import NodeDatabase, next_number
from tests.apt import require_packages
from tests.ledgers import FileLogKey, Ledger
from tests.powercut import ledger_findings as powercut_ledger
from tests.powercut.counting import count, count_and_fail
from tests.powercut.disks import DiskKind, cut_now, powered
from tests.powercut.forks import start
from tests.powercut.mounts import make_file_system, mount_points, mounted, workplace
from tests.powercut.panel import Panel
from tests.powercut.sectors import SECTOR_BYTES, VolatileSectors
from tests.powercut.unsynced import Unsynced

pytestmark = pytest.mark.apt("fuse3 e2fsprogs ffmpeg")

CUTS = 12
SEED = "20"
EDGE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def machine():
    """One that can mount a loop device and FUSE."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it mounts")
    require_packages("fuse3", "e2fsprogs", "ffmpeg")
    if not os.access("/dev/fuse", os.W_OK):
        assert not os.environ.get("CI"), "no /dev/fuse here"
        pytest.skip("needs /dev/fuse")


@pytest.fixture
def place(machine):
    with workplace() as place:
        yield place


@pytest.fixture
def image(place):
    image = place / "disk.img"
    make_file_system(image, 16 * 1024 * 1024)
    return image


@pytest.fixture
def panel(place):
    (place / "acknowledgements").touch()
    return Panel(place / "panel", place / "acknowledgements")


def put(path, content, *, synced):
    with path.open("wb", buffering=0) as file:
        file.write(content)
        if synced:
            os.fsync(file.fileno())


def cut_the_power(*options):
    """What `make powercut` does; (exit status, what it printed)."""
    command = [sys.executable, "-m", "tests.powercut", "--seed", SEED, *options]
    environment = os.environ | {"PYTHONPATH": str(EDGE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def test_nothing_that_was_acknowledged_is_lost(machine):
    status, said = cut_the_power("--cuts", str(CUTS))
    assert status == 0, said
    (cuts, things, unflushed) = re.search(
        r"^all: (\d+) cuts, (\d+) acknowledged .* (\d+) sectors unflushed, 0 lost, 0 wrong",
        said,
        re.M,
    ).groups()
    assert int(cuts) == CUTS
    assert int(things) > 10 * CUTS
    assert int(unflushed) > 0


@pytest.mark.parametrize("unsynced", [what.value for what in Unsynced])
def test_without_syncs_the_suite_finds_losses(machine, unsynced):
    status, said = cut_the_power("--cuts", "6", "--unsynced", unsynced)
    assert status == 1, said
    for kind in DiskKind:
        (lost,) = re.search(rf"^{kind.value}: .* (\d+) lost", said, re.MULTILINE).groups()
        assert int(lost) > 0, said


@pytest.mark.parametrize("kind", DiskKind)
def test_what_was_synced_is_there_after_the_cut_and_nothing_is_taken_after_it(
    kind, image, place, panel
):
    synced, unsynced = random.Random(1).randbytes(100_000), random.Random(2).randbytes(100_000)
    with powered(kind, image, place, panel) as point:
        put(point / "synced", synced, synced=True)
        put(point / "unsynced", unsynced, synced=False)
        cut_now(kind, point, panel)
        assert panel.numbers.is_cut
        with pytest.raises(OSError, match=r"error|system"):
            put(point / "late", b"late", synced=True)
    with mounted(image, place / "after") as point:
        assert (point / "synced").read_bytes() == synced
        assert not (point / "late").exists()
        left = point / "unsynced"
        assert not left.exists() or left.read_bytes() != unsynced


@pytest.mark.parametrize("kind", DiskKind)
def test_the_power_goes_at_the_write_that_was_named(kind, image, place, panel):
    with powered(kind, image, place, panel) as point:
        panel.numbers.cut_at_write = 40
        written = 0
        with contextlib.suppress(OSError):
            while True:
                put(point / "file", bytes(10_000), synced=True)
                written += 1
        assert panel.numbers.writes >= 40
        # A device that is watched from outside is late by as much as the machine is busy.
        if kind is DiskKind.VOLATILE:
            assert panel.numbers.writes == 40
            assert 1 <= written < 40


def test_a_flush_that_fails_is_told_and_takes_the_file_system_with_it(image, place, panel):
    with powered(DiskKind.VOLATILE, image, place, panel) as point:
        put(point / "before", b"before", synced=True)
        panel.numbers.fail_from_flush = panel.numbers.flushes + 1
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            put(point / "after", b"after", synced=True)
        assert (point / "before").read_bytes() == b"before"
    assert not panel.numbers.is_cut


def test_what_a_failed_write_left_in_the_cache_alone_is_not_built_upon(image, place, panel):
    with powered(DiskKind.VOLATILE, image, place, panel) as point:
        for target in (count_and_fail, count):
            process = start(target, point / "data" / "node.db", panel)
            process.join()
            assert process.exitcode == 0
        cut_now(DiskKind.VOLATILE, point, panel)
    with mounted(image, place / "after") as point:
        database = NodeDatabase(point / "data" / "node.db")
        with database.writing() as connection:
            assert next_number(connection, "things") == panel.numbers.acknowledged + 1 == 3
        database.close()


def test_nothing_stays_mounted_when_it_goes_wrong(image, place, panel):
    def go_wrong():
        with powered(DiskKind.VOLATILE, image, place, panel):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        go_wrong()
    assert not [point for point in mount_points() if place in point.parents]


def looked_at(ledger):
    """What the suite reads of a ledger."""
    with ledger.database.reading() as connection:
        return powercut_ledger.Ledger(connection)


def test_a_ledger_that_does_not_go_on_from_a_checkpoint_is_found(memory_directory):
    ledgers = []
    for name in ("one", "other"):
        (memory_directory / name).mkdir()
        ledgers.append(Ledger(memory_directory / name))
        ledgers[-1].append(5, detail=name)
        ledgers[-1].mirror.reconcile()
    one, other = ledgers
    checkpoints = Checkpoints(one.database, one.log, one.mirror, FileLogKey(), one.clock)
    checkpoints.renew()
    published = checkpoints.newest()
    one.append(3)
    assert list(looked_at(one).forks([published])) == []
    assert len(list(looked_at(other).forks([published]))) == 1
    shorter = looked_at(one)
    del shorter.lines[4:]
    assert len(list(shorter.forks([published]))) == 1
    for ledger in ledgers:
        ledger.close()


def sector(number):
    return bytes([number]) * SECTOR_BYTES


def test_a_sector_keeps_some_version_since_the_last_flush():
    kept = set()
    for seed in range(40):
        medium = bytearray(sector(0) * 2)
        disk = VolatileSectors(medium)
        disk.write(0, sector(1))
        disk.flush()
        for version in (2, 3):
            disk.write(0, sector(version))
        assert disk.read(0, SECTOR_BYTES) == sector(3)
        assert disk.unflushed == 1
        disk.power_off(random.Random(seed))
        assert medium[SECTOR_BYTES:] == sector(0)
        assert len(set(medium[:SECTOR_BYTES])) == 1
        kept.add(medium[0])
    assert kept == {1, 2, 3}


def test_a_write_across_sectors_may_be_torn_but_only_between_them():
    torn = set()
    for seed in range(40):
        medium = bytearray(sector(0) * 3)
        disk = VolatileSectors(medium)
        disk.write(SECTOR_BYTES // 2, sector(7) * 2)
        assert disk.unflushed == 3
        disk.power_off(random.Random(seed))
        torn.add((medium[SECTOR_BYTES // 2], medium[SECTOR_BYTES], medium[2 * SECTOR_BYTES]))
        assert set(medium[: SECTOR_BYTES // 2]) == {0}
    assert len(torn) == 8
