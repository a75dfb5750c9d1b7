"""A bundle's zip: any reader opens it, and not a byte of it is unaccounted for."""

import contextlib
import io
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roeh.bundle.spill import Spill
from roeh.bundle.zip_file import ZipStream, member_pieces, read_zip
from roeh.bundle.zip_framing import ZipEnd, ZipMember, central_entry, ending, parse_entry
from roeh.core.errors import BundleRefused, ExportFailed
from tests.apt import require_packages

PARTS = st.text("abcxyz0189-_", min_size=1, max_size=8).filter(lambda part: part[0].isalnum())
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
FILES = st.dictionaries(NAMES, st.binary(max_size=60), max_size=5)


def zipped(files, pieces_of=lambda content: [content]):
    # Too little for a file of its own, so it is never made.
    with contextlib.closing(Spill(Path("/"))) as directory:
        stream = ZipStream(directory)
        written = [
            piece for name, content in files for piece in stream.member(name, pieces_of(content))
        ]
        return b"".join([*written, *stream.end()])


def contents(raw):
    """What a verifier reads: content by name, or BundleRefused."""
    source = io.BytesIO(raw)
    read = read_zip(source)
    if read.faults:
        raise BundleRefused(what=read.faults[0].what, which="", remedy="")
    return {one.name: b"".join(member_pieces(source, one)) for one in read.members}


@settings(max_examples=40)
@given(FILES, st.integers(1, 7))
def test_what_is_written_is_read_back_by_us_and_by_python(files, piece_bytes):
    def in_pieces(content):
        return [content[n : n + piece_bytes] for n in range(0, len(content), piece_bytes)]

    raw = zipped(files.items(), in_pieces)
    assert raw == zipped(files.items())  # however it came, it is the same zip
    assert contents(raw) == files
    with zipfile.ZipFile(io.BytesIO(raw)) as read:
        assert {name: read.read(name) for name in read.namelist()} == files


@settings(max_examples=40)
@given(FILES, st.data())
def test_no_byte_can_be_another_one(files, data):
    raw = bytearray(zipped(files.items()))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BundleRefused):
        contents(bytes(raw))


@settings(max_examples=40)
@given(FILES, st.data())
def test_no_byte_can_be_put_in_or_left_out(files, data):
    raw = zipped(files.items())
    place = data.draw(st.integers(0, len(raw)))
    with pytest.raises(BundleRefused):
        contents(raw[:place] + b"\x00" + raw[place:])
    with pytest.raises(BundleRefused):
        contents(raw[: max(0, place - 1)] + raw[max(1, place) :])


@given(st.binary(max_size=400))
def test_garbage_is_refused(raw):
    with pytest.raises(BundleRefused):
        contents(raw)


def test_every_single_byte_of_a_small_zip_is_accounted_for():
    raw = zipped([("bag/a", b"one"), ("bag/b", b"")])
    for place in range(len(raw)):
        for flip in (1, 0x80):
            changed = raw[:place] + bytes([raw[place] ^ flip]) + raw[place + 1 :]
            with pytest.raises(BundleRefused):
                contents(changed)


@pytest.mark.parametrize("what", ["between", "overlapping", "twice"])
def test_members_follow_each_other_without_a_hole(what):
    first, second = zipped([("a", b"1")]), zipped([("b", b"2")])
    head = {"between": b"PK\x03\x04 not listed"}.get(what, b"")
    one = read_zip(io.BytesIO(first)).members[0]
    body = first[: one.end_bytes] + head
    other = read_zip(io.BytesIO(second)).members[0]
    moved = ZipMember(other.name, len(body), other.size_bytes, other.crc32)
    members = {"between": [one, moved], "overlapping": [one, one], "twice": [one, moved]}[what]
    if what == "twice":
        moved = ZipMember("a", len(body), one.size_bytes, one.crc32)
        members, second = [one, moved], first
    if what != "overlapping":
        body += second[: other.end_bytes]
    directory = b"".join(map(central_entry, members))
    raw = body + directory + ending(ZipEnd(len(members), len(directory), len(body)))
    with pytest.raises(BundleRefused):
        contents(raw)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up", "a/../b", "a//b", "", "a\\b", "a/.b", "é"]
)
def test_no_name_leads_out_of_the_bag(name):
    with pytest.raises(ExportFailed):
        zipped([(name, b"")])
    if name.isascii():
        assert parse_entry(central_entry(ZipMember(name, 0, 0, 0))) is None


def test_more_than_four_gigabytes_fit():
    member = ZipMember("bag/data/video.mp4", 6 << 32, 5 << 32, 7)
    assert parse_entry(central_entry(member)) == member


@pytest.mark.apt("unzip", "7zip", "libarchive-tools")
def test_the_programs_of_a_system_open_it(tmp_path):
    require_packages("unzip", "7zip", "libarchive-tools")
    path = tmp_path / "bundle.zip"
    path.write_bytes(zipped([("bag/data/a.txt", b"evidence\n"), ("bag/data/b", b"x" * 100_000)]))
    for command in (["unzip", "-tq"], ["7zz", "t"], ["bsdtar", "tf"]):
        subprocess.run([*command, path], check=True, capture_output=True)
