"""`roeh verify` as it is called: its answer, its exit status, and nothing changed by it."""

import hashlib
import json
import subprocess
import sys

import pytest

from tests.authorities import City
from tests.sealed_stores import copied, root_pem, sealed_store


def roeh(*arguments):
    """The command as a person starts it: it imports little, so that takes no time."""
    command = [sys.executable, "-m", "roeh", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    directory = tmp_path_factory.mktemp("recording")
    city = City()
    sealed_store(directory / "store", city, segments=2)
    (directory / "root.pem").write_bytes(root_pem(city))
    return directory


def content_of(directory):
    return {
        path.relative_to(directory): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_a_store_is_verified_and_left_as_it_is(recording):
    before = content_of(recording)
    done = roeh("verify", recording / "store", "--trust", recording / "root.pem")
    assert done.returncode == 32
    assert done.stderr == ""
    assert "complete        OK" in done.stdout
    assert "time anchored   NOT CHECKED" in done.stdout
    assert content_of(recording) == before


def test_json_names_file_and_gop(recording, tmp_path):
    copy = copied(recording / "store", tmp_path / "copy")
    path = copy / "segments" / "north" / "00000001.mp4"
    content = bytearray(path.read_bytes())
    content[-30] ^= 4
    path.write_bytes(content)
    done = roeh("verify", copy, "--trust", recording / "root.pem", "--json")
    assert done.returncode == 64 | 32 | 1
    report = json.loads(done.stdout)
    (found,) = [each for each in report["findings"] if each["what"] == "gop_changed"]
    file = next(each for each in report["files"] if each["path"] == found["path"])
    assert found["path"] == "segments/north/00000001.mp4"
    assert found["gop"] == len(file["gops"])
    assert file["gops"][found["gop"] - 1]["hash_matches_ledger"] is False
    assert report["exit_status"] == done.returncode


def test_what_cannot_be_verified_has_its_own_status(recording, tmp_path):
    (tmp_path / "junk.pem").write_text("junk")
    assert roeh("verify", tmp_path / "nowhere").returncode == 29
    refused = roeh("verify", recording / "store", "--trust", tmp_path / "junk.pem")
    assert refused.returncode == 28
    assert refused.stderr.startswith("roeh: KEY_REFUSED: ")
