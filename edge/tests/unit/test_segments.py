"""Segment files: append only, never again after a failure, never outside their directory."""

import hashlib
import os
import resource
import signal

import pytest

from roeh.core.errors import StorageFailed
from roeh.ledger.segments import SegmentFile, SegmentFiles, StrayFile, hash_next


@pytest.fixture
def files(memory_directory):
    files = SegmentFiles(memory_directory / "segments")
    yield files
    files.close()


def path_of(files, number=1):
    return files.directory / "north" / f"{number:08d}.mp4"


def test_what_is_appended_stands_behind_the_rest_with_its_place_and_hash(files):
    opened = files.create("north", 1, b"init")
    appended = [opened.append(part) for part in (b"first", b"second")]
    assert path_of(files).read_bytes() == b"initfirstsecond"
    assert [(one.offset_bytes, one.size_bytes) for one in appended] == [(4, 5), (9, 6)]
    assert appended[1].sha256 == hashlib.sha256(b"second").digest()
    assert opened.sha256 == hashlib.sha256(b"initfirstsecond").digest()
    assert opened.init.sha256 == hashlib.sha256(b"init").digest()
    opened.close()


def test_what_was_taken_back_was_never_there(files):
    opened = files.create("north", 1, b"init")
    opened.append(b"first")
    opened.append(b"not stored")
    opened.take_back()
    opened.append(b"second")
    assert path_of(files).read_bytes() == b"initfirstsecond"
    assert opened.sha256 == hashlib.sha256(b"initfirstsecond").digest()
    opened.close()


def test_after_a_failed_write_the_file_ends_where_it_was_and_is_not_written_again(files):
    opened = files.create("north", 1, b"init")
    opened.append(b"first")
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        with pytest.raises(StorageFailed, match="File too large"):
            opened.append(bytes(100))  # of which eleven are written
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert path_of(files).read_bytes() == b"initfirst"
    assert opened.ends_acknowledged
    with pytest.raises(StorageFailed, match="not written again"):
        opened.append(b"second")
    assert opened.sha256 == hashlib.sha256(b"initfirst").digest()
    opened.close()


def test_a_file_that_is_there_is_left_as_it_is(files):
    files.create("north", 1, b"init").close()
    with pytest.raises(FileExistsError):
        files.create("north", 1, b"other")
    assert path_of(files).read_bytes() == b"init"


@pytest.mark.parametrize("camera_id", ["", ".", "..", "../north", "a/b", "/tmp"])
def test_nothing_outside_the_directory_can_be_named(files, camera_id):
    with pytest.raises(StorageFailed, match="cannot have a directory"):
        files.create(camera_id, 1, b"init")


def test_a_link_is_not_followed(files, memory_directory):
    target = memory_directory / "elsewhere"
    target.mkdir()
    (files.directory / "north").symlink_to(target)
    with pytest.raises(StorageFailed):
        files.create("north", 1, b"init")
    assert list(target.iterdir()) == []


def replaced(path):
    path.rename(path.with_name("away"))
    path.mkdir()


@pytest.mark.parametrize(
    "change",
    [
        lambda files: replaced(files.directory),
        lambda files: replaced(files.directory / "north"),
        lambda files: path_of(files).unlink(),
        lambda files: path_of(files).replace(path_of(files, 7)),
    ],
)
def test_what_was_moved_under_us_is_not_written_to(files, change):
    opened = files.create("north", 1, b"init")
    change(files)
    before = os.fstat(opened._descriptor).st_size
    with pytest.raises(StorageFailed, match="moved, removed or replaced"):
        opened.append(b"first")
    assert os.fstat(opened._descriptor).st_size == before
    opened.close()


def test_files_are_cut_listed_and_removed(files):
    for number in (2, 1):
        files.create("north", number, b"init").close()
    (files.directory / "note").write_text("x")
    (files.directory / "north" / "1.mp4").write_text("x")
    files.truncate("north", 1, 3)
    files.truncate("north", 2, 99)
    assert files.list_files() == (
        [SegmentFile("north", 1, 3), SegmentFile("north", 2, 4)],
        [StrayFile("north/1.mp4"), StrayFile("note")],
    )
    assert files.delete("north", 1)
    assert not files.delete("north", 1)
    assert not files.delete("south", 1)
    with pytest.raises(FileNotFoundError):
        files.truncate("north", 1, 0)
    whole = hashlib.sha256()
    with files.reading("north", 2) as descriptor:
        assert hash_next(descriptor, 2, whole) == hashlib.sha256(b"in").digest()
        assert hash_next(descriptor, 9, whole) == hashlib.sha256(b"it").digest()
    assert whole.digest() == hashlib.sha256(b"init").digest()
