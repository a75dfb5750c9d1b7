"""Keys on a disk that is full or read only: the set in force stays, and the reason is said."""

import contextlib
import subprocess

import pytest

from roeh.core.clock import SystemClock
from roeh.core.errors import StorageFailed, StorageFull
from roeh.keys.open import key_sets, open_signers
from roeh.keys.signer import KeyUsage
from tests.ceremonies import KeyKeeper, pole_of, provision
from tests.key_nodes import node_with_keys

CLOCK = SystemClock()


@pytest.fixture
def small_disk(tmp_path, as_root):
    """256 KiB in memory, mounted."""
    point = tmp_path / "disk"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", point], check=True)
    yield point
    subprocess.run(["umount", point], check=True)


def fill(point):
    with (point / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))


def test_a_full_disk_is_said_and_changes_nothing(small_disk, tmp_path):
    config = node_with_keys(small_disk)
    keeper = KeyKeeper(tmp_path)
    pole = provision(config, keeper)
    old = open_signers(config, CLOCK)
    certificates = keeper.sign(pole.request([KeyUsage.MEDIA]))
    fill(small_disk)

    with pytest.raises(StorageFull):
        pole.install(certificates)

    assert open_signers(config, CLOCK).media.spki_der == old.media.spki_der
    (small_disk / "filler").unlink()
    assert pole.install(certificates) == [KeyUsage.MEDIA]
    assert open_signers(config, CLOCK).media.spki_der != old.media.spki_der


def test_no_room_for_a_first_set_leaves_none(small_disk):
    config = node_with_keys(small_disk)
    fill(small_disk)

    with pytest.raises(StorageFull):
        open_signers(config, CLOCK)

    assert key_sets(config).newest() == 0
    (small_disk / "filler").unlink()
    assert open_signers(config, CLOCK).media.sign(b"GOP")


def test_keys_on_a_read_only_disk_sign_and_cannot_be_changed(small_disk, tmp_path):
    config = node_with_keys(small_disk)
    keeper = KeyKeeper(tmp_path)
    pole = provision(config, keeper)
    certificates = keeper.sign(pole.request([KeyUsage.LOG]))
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)

    assert open_signers(config, CLOCK).media.sign(b"GOP")
    with pytest.raises(StorageFailed, match="mounted for writing"):
        pole_of(config).install(certificates)


def test_of_two_writers_one_brings_its_set_into_force(tmp_path):
    sets = key_sets(node_with_keys(tmp_path))

    assert sets.add({"media.pem": b"first"}, after=0)
    assert not sets.add({"media.pem": b"second"}, after=0)

    assert sets.read(1, "media.pem") == b"first"
