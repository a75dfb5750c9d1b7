"""What a virtual pole under QEMU is made of, outside its machine."""

import subprocess

from qemu_machine.recipe import key_of, package_names
from qemu_pole.depot import copied
from qemu_pole.hardware import Board, board_command, tpm_command
from qemu_pole.recipe import FIRST_BOOT, HERE, INGREDIENTS, REPOSITORY


def a_board(directory):
    board = Board(directory / "board")
    board.tpm.mkdir(parents=True)
    (board.tpm / "tpm2-00.permall").write_text("sealed")
    board.disk.write_text("disk")
    board.firmware_variables.write_text("variables")
    return board


def test_a_changed_partition_or_overlay_makes_another_board():
    assert all(path.is_file() for path in INGREDIENTS)
    names = {str(path.relative_to(REPOSITORY)) for path in INGREDIENTS}
    assert "firmware-config/common/overlay-root/roeh-overlay" in names
    assert "firmware-config/common/repart.d/30-roeh-evidence.conf" in names
    assert key_of(INGREDIENTS, FIRST_BOOT) != key_of(INGREDIENTS, FIRST_BOOT + " ")


def test_package_lists_hold_names_alone():
    guest = package_names(HERE / "guest_packages.txt")
    assert {"linux-image-amd64", "systemd-boot-efi", "cryptsetup-bin"} < set(guest)
    # What Roeh needs comes with the bundle, as on a board.
    assert not {"chrony", "nftables", "mosquitto"} & set(guest)
    for name in (*guest, *package_names(HERE / "host_packages.txt")):
        assert name.strip() == name
        assert " " not in name


def test_the_script_that_builds_the_disk_is_a_script():
    subprocess.run(["sh", "-n", str(HERE / "image.sh")], check=True)


def test_a_board_has_a_watchdog_that_resets_it_and_a_tpm_unless_told_otherwise(tmp_path):
    board = Board(tmp_path)
    words = " ".join(board_command(board, "pole-1", "02:00:0a:4d:01:0b"))
    assert "i6300esb -action watchdog=reset" in words
    assert f"socket,id=tpm,path={board.tpm_socket}" in words
    assert str(board.tpm_socket) in " ".join(tpm_command(board))
    without = " ".join(board_command(board, "pole-1", "02:00:0a:4d:01:0b", has_tpm=False))
    assert "tpm" not in without
    # Nothing but the street: no user network, which would lead out of it.
    assert "tap,id=net,ifname=pole-1" in words
    assert "user," not in words


def test_a_thief_has_the_disk_and_an_empty_tpm_and_a_twin_has_both(tmp_path):
    board = a_board(tmp_path)
    thief = copied(board, tmp_path / "thief", has_its_tpm=False)
    assert thief.disk.read_text() == "disk"
    assert list(thief.tpm.iterdir()) == []
    twin = copied(board, tmp_path / "thief", has_its_tpm=True)
    assert (twin.tpm / "tpm2-00.permall").read_text() == "sealed"
