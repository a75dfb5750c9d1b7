"""A bundle is opened whole or not at all, and writes nothing outside the directory named."""

import fcntl
import io
import os
import zipfile
import zlib

import pytest

from roeh.bundle.encryption import new_identity
from roeh.bundle.zip_framing import (
    ZipEnd,
    ZipMember,
    central_entry,
    descriptor,
    ending,
    local_header,
)
from roeh.core.errors import BundleRefused, ExportFailed, OutputRefused
from roeh.police.opening import opened_bundle
from tests.bundles import EXPORT_ID, encrypted

TOP = f"roeh-export-{EXPORT_ID}"
FILES = {f"{TOP}/bagit.txt": b"a" * 100, f"{TOP}/data/video.mp4": bytes(range(256)) * 2000}


def zip_of(*members, move=0):
    """A zip in the form of bundles, whatever its members are called; (name, content) each.

    `move`: so many bytes before where it stands the second member is said to begin.
    """
    content, directory = b"", b""
    for index, (name, piece) in enumerate(members):
        member = ZipMember(
            name, len(content) - (move if index else 0), len(piece), zlib.crc32(piece)
        )
        content += local_header(name) + piece + descriptor(member)
        directory += central_entry(member)
    return content + directory + ending(ZipEnd(len(members), len(directory), len(content)))


def opened(content, directory, keys=()):
    """What stands in `out` afterwards, and what was said to be wrong."""
    bundle, out = directory / "bundle", directory / "out"
    bundle.write_bytes(content)
    with opened_bundle(bundle, keys, out, lambda _bytes: None) as found:
        assert not out.exists()
        faults = found.faults
    return {
        str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()
    }, faults


def only_the_bundle(directory):
    return [path.name for path in directory.iterdir()] == ["bundle"]


def test_an_encrypted_bundle_is_unpacked_as_it_was(tmp_path):
    identity = new_identity()
    content = encrypted(zip_of(*FILES.items()), identity.recipient)
    assert opened(content, tmp_path, [identity.secret]) == (FILES, ())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "out"]


def test_damage_in_a_file_is_told_and_the_rest_handed_over(tmp_path):
    content = bytearray(zip_of(*FILES.items()))
    content[len(local_header(f"{TOP}/bagit.txt")) + 7] ^= 1
    files, faults = opened(bytes(content), tmp_path)
    assert len(files) == 2
    assert len(faults) == 1


def test_what_is_for_another_key_or_was_changed_leaves_nothing(tmp_path):
    identity = new_identity()
    whole = encrypted(zip_of(*FILES.items()), identity.recipient)
    for content, key in (
        (whole, new_identity()),
        (whole[:-1], identity),
        (whole[:200_000], identity),
        (whole[:100_000] + b"?" + whole[100_001:], identity),
        (b"", identity),
        (b"PK\x03\x04", identity),
    ):
        with pytest.raises(BundleRefused):
            opened(content, tmp_path, [key.secret])
        assert only_the_bundle(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        f"{TOP}/../../outside",
        "/tmp/outside",
        f"{TOP}/data/../x",
        f"{TOP}/.hidden",
        f"{TOP}//x",
        f"{TOP}/a\\..\\b",
        f"{TOP}/\x00",
        f"{TOP}/",
        "elsewhere/x",
        "",
    ],
)
def test_no_name_leads_elsewhere(tmp_path, name):
    with pytest.raises(BundleRefused):
        opened(zip_of(*FILES.items(), (name, b"x")), tmp_path)
    assert only_the_bundle(tmp_path)


def test_zips_that_are_none_of_ours_are_refused(tmp_path):
    ordinary = io.BytesIO()
    with zipfile.ZipFile(ordinary, "w", zipfile.ZIP_DEFLATED) as writing:
        link = zipfile.ZipInfo(f"{TOP}/link")
        link.external_attr = 0o120777 << 16
        writing.writestr(link, "/etc/passwd")
        writing.writestr(f"{TOP}/zeros", bytes(10_000_000))
    twice = zip_of(*FILES.items(), *FILES.items())
    a_file_and_a_directory = zip_of((f"{TOP}/a", b"1"), (f"{TOP}/a/b", b"2"))
    overlapping = zip_of((f"{TOP}/a", b"1" * 5000), (f"{TOP}/b", b"2" * 5000), move=4000)
    for content in (ordinary.getvalue(), twice, a_file_and_a_directory):
        with pytest.raises((BundleRefused, OutputRefused)):
            opened(content, tmp_path)
        assert only_the_bundle(tmp_path)
    files, faults = opened(overlapping, tmp_path)
    assert faults
    assert sum(map(len, files.values())) <= len(overlapping)


def test_nothing_is_written_over_and_what_a_killed_one_left_is_not_taken_for_whole(tmp_path):
    content = zip_of(*FILES.items())
    (tmp_path / "out.part" / TOP).mkdir(parents=True)
    (tmp_path / "out.part" / TOP / "rest").write_bytes(b"of another bundle")
    (tmp_path / "out.part" / "link").symlink_to("/etc")
    assert opened(content, tmp_path)[0] == FILES
    with pytest.raises(OutputRefused, match="something of that name"):
        opened(content, tmp_path)


def test_two_do_not_open_into_one_directory(tmp_path):
    (tmp_path / "out.part").mkdir()
    other = os.open(tmp_path / "out.part", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(ExportFailed, match="somebody else"):
        opened(zip_of(*FILES.items()), tmp_path)
    os.close(other)
    assert opened(zip_of(*FILES.items()), tmp_path)[0] == FILES
