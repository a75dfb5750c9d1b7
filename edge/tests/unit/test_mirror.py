"""The mirror holds the ledger, tells what is not so, and destroys nothing."""

import contextlib
import os
import resource
import signal

import pytest

from roeh.core.errors import StorageFailed
from roeh.ledger.mirror import MirrorAhead, MirrorDiffers, MirrorWhole
from roeh.ledger.records import BootRecord
from tests.ledgers import Ledger


@pytest.fixture
def ledger(memory_directory):
    ledger = Ledger(memory_directory)
    yield ledger
    ledger.close()


def mirrored(ledger, count):
    """A ledger with `count` records, all of them in the mirror, as its process left it."""
    ledger.mirror.reconcile()
    ledger.append(count)
    ledger.mirror.catch_up()
    return ledger


def whole(size, *, appended=0, torn_bytes=0, kept=None, lost=0):
    return MirrorWhole(
        size=size,
        appended=appended,
        torn_bytes=torn_bytes,
        kept=kept,
        lost_under_checkpoint=lost,
    )


def test_records_are_lines_in_parts(ledger):
    mirrored(ledger, 10)

    lines = [len(ledger.part(number).read_bytes().splitlines()) for number in range(3)]
    assert lines == [4, 4, 2]
    assert ledger.mirrored() == ledger.expected_mirror()
    assert ledger.mirror.size == 10
    assert ledger.mirror.bytes_written == len(ledger.mirrored())
    assert ledger.part(0).stat().st_mode & 0o777 == 0o600


def test_catching_up_appends_only_what_is_new(ledger):
    mirrored(ledger, 3)
    before = ledger.mirrored()
    inode = ledger.part(0).stat().st_ino
    assert ledger.mirror.catch_up() == 3
    ledger.append(3)

    assert ledger.mirror.catch_up() == 6
    assert ledger.mirrored() == ledger.expected_mirror()
    assert ledger.mirrored().startswith(before)
    assert ledger.part(0).stat().st_ino == inode


def test_nothing_is_mirrored_before_the_mirror_was_compared(ledger):
    ledger.append(1)
    with pytest.raises(StorageFailed, match="not compared"):
        ledger.mirror.catch_up()


def test_what_a_transaction_has_not_committed_is_never_mirrored(ledger):
    mirrored(ledger, 1)
    with ledger.database.writing() as connection:
        ledger.log.append(connection, BootRecord(version="1", was_clean=True))
        with pytest.raises(StorageFailed, match="inside a transaction"):
            ledger.mirror.catch_up()
    assert ledger.mirror.catch_up() == 2


def test_at_start_up_the_whole_mirror_is_left_alone(ledger):
    mirrored(ledger, 8).reopen()

    assert ledger.mirror.reconcile() == whole(8)
    ledger.append(1)
    assert ledger.mirror.catch_up() == 9
    assert ledger.mirrored() == ledger.expected_mirror()


def test_at_start_up_a_mirror_that_is_behind_is_caught_up(ledger):
    mirrored(ledger, 5)
    ledger.append(7)
    ledger.reopen()

    assert ledger.mirror.reconcile() == whole(12, appended=7)
    assert ledger.mirrored() == ledger.expected_mirror()


def test_a_database_with_records_and_no_mirror_is_mirrored(ledger):
    ledger.append(6)

    assert ledger.mirror.reconcile() == whole(6, appended=6)
    assert ledger.mirrored() == ledger.expected_mirror()


@pytest.mark.parametrize("count", [1, 4, 5])
def test_torn_at_every_byte_the_mirror_is_whole_again(ledger, count):
    """Wherever a cut left the last part, it is completed and nothing is kept aside."""
    mirrored(ledger, count)
    last = ledger.part((count - 1) // 4)
    content = last.read_bytes()
    for size_bytes in range(len(content)):
        last.write_bytes(content[:size_bytes])
        complete = content[:size_bytes].count(b"\n")
        ledger.reopen()
        found = ledger.mirror.reconcile()

        torn = size_bytes - (content.rfind(b"\n", 0, size_bytes) + 1)
        appended = content.count(b"\n") - complete
        assert found == whole(count, appended=appended, torn_bytes=torn)
        assert last.read_bytes() == content
    assert ledger.kept() == []


@pytest.mark.parametrize(
    "tail", [b"\0" * 4096, b'{"body":{"person', b"\xff\xfe\n\n\n", b"\n", b"x" * 70_000]
)
def test_an_end_that_is_not_the_databases_is_kept(ledger, tail):
    mirrored(ledger, 6)
    expected = ledger.mirrored()
    with ledger.part(1).open("ab") as file:
        file.write(tail)
    ledger.append(1)
    ledger.reopen()

    assert ledger.mirror.reconcile() == whole(
        7, appended=1, torn_bytes=len(tail), kept="000001.jsonl.kept-1"
    )
    assert ledger.mirrored().startswith(expected)
    assert ledger.mirrored() == ledger.expected_mirror()
    assert (ledger.ledger_directory / "000001.jsonl.kept-1").read_bytes() == tail


def test_records_that_were_under_a_checkpoint_and_are_gone_are_told(ledger):
    mirrored(ledger, 6)
    put_checkpoint(ledger, 6)
    lines = ledger.part(1).read_bytes().splitlines(keepends=True)
    ledger.part(1).write_bytes(lines[0])
    ledger.reopen()

    assert ledger.mirror.reconcile() == whole(6, appended=1, lost=1)


def put_checkpoint(ledger, size):
    with ledger.database.writing() as connection:
        connection.execute("INSERT INTO checkpoint VALUES (?, 'note', 0, 0)", (size,))


# What the mirror cannot settle by itself.


@pytest.mark.parametrize("lost", [1, 2, 3, 5, 9, 10])
def test_a_database_that_lost_records_is_told_and_nothing_is_touched(ledger, lost):
    mirrored(ledger, 10)
    before = ledger.mirrored()
    forget(ledger, lost)
    ledger.reopen()

    found = ledger.mirror.reconcile()

    assert found == MirrorAhead(database_size=10 - lost, mirror_size=10)
    assert ledger.mirrored() == before
    with pytest.raises(StorageFailed, match="not compared"):
        ledger.mirror.catch_up()


def forget(ledger, count):
    """The database as it was before its last records, as an old copy of it would be."""
    with ledger.database.writing() as connection:
        size = ledger.log.size(connection) - count
        connection.execute("DELETE FROM record WHERE leaf >= ?", (size,))
        connection.execute("DELETE FROM tree_node WHERE (position + 1) << level > ?", (size,))


@pytest.mark.parametrize("leaf", [4, 5, 6])
def test_another_record_is_told_with_its_leaf(ledger, leaf):
    mirrored(ledger, 7)
    lines = ledger.part(1).read_bytes().splitlines(keepends=True)
    lines[leaf - 4] = lines[leaf - 4].replace(b'"detail":"x"', b'"detail":"y"')
    ledger.part(1).write_bytes(b"".join(lines))
    before = ledger.mirrored()
    ledger.reopen()

    assert ledger.mirror.reconcile() == MirrorDiffers(leaf=leaf, what="other_record")
    assert ledger.mirrored() == before


def test_a_record_taken_out_of_the_middle_is_told(ledger):
    mirrored(ledger, 7)
    lines = ledger.part(1).read_bytes().splitlines(keepends=True)
    ledger.part(1).write_bytes(lines[0] + lines[2])
    ledger.reopen()

    assert ledger.mirror.reconcile() == MirrorDiffers(leaf=5, what="other_record")


def test_garbage_under_a_checkpoint_is_no_torn_end(ledger):
    mirrored(ledger, 7)
    put_checkpoint(ledger, 7)
    content = ledger.part(1).read_bytes()
    ledger.part(1).write_bytes(b"\0" + content[1:])
    ledger.reopen()

    assert ledger.mirror.reconcile() == MirrorDiffers(leaf=4, what="unreadable")


@pytest.mark.parametrize("part", [0, 1])
def test_a_missing_part_is_told(ledger, part):
    mirrored(ledger, 10)
    ledger.part(part).unlink()
    ledger.reopen()

    assert ledger.mirror.reconcile() == MirrorDiffers(leaf=part * 4, what="missing_part")


def test_an_earlier_part_that_ends_early_is_told(ledger):
    mirrored(ledger, 10)
    lines = ledger.part(0).read_bytes().splitlines(keepends=True)
    ledger.part(0).write_bytes(b"".join(lines[:3]))
    ledger.reopen()

    assert ledger.mirror.reconcile() == MirrorDiffers(leaf=0, what="short_part")


def test_what_is_told_can_be_settled_and_the_old_file_is_kept(ledger):
    mirrored(ledger, 10)
    changed = ledger.part(2).read_bytes().replace(b'"detail":"x"', b'"detail":"y"')
    ledger.part(2).write_bytes(changed)
    ledger.part(0).unlink()
    ledger.reopen()

    kept = []
    while isinstance(found := ledger.mirror.reconcile(), MirrorDiffers):
        kept += ledger.mirror.replace(found.leaf)

    assert found == whole(10)
    assert kept == ["000002.jsonl.kept-1"]
    assert (ledger.ledger_directory / kept[0]).read_bytes() == changed
    assert ledger.mirrored() == ledger.expected_mirror()


def test_a_mirror_ahead_can_be_set_aside(ledger):
    mirrored(ledger, 10)
    forget(ledger, 5)
    ledger.reopen()
    ahead = ledger.mirror.reconcile()

    kept = ledger.mirror.replace(ahead.database_size)

    assert sorted(kept) == ["000001.jsonl.kept-1", "000002.jsonl.kept-1"]
    assert ledger.mirror.reconcile() == whole(5)
    assert ledger.mirrored() == ledger.expected_mirror()


# Files that change or refuse while the node runs.


@pytest.mark.parametrize("size_bytes", [0, 10])
def test_a_file_that_something_else_changed_is_kept_and_written_anew(ledger, size_bytes):
    mirrored(ledger, 6)
    os.truncate(ledger.part(1), size_bytes)
    ledger.append(1)

    with pytest.raises(StorageFailed, match="something else changed it"):
        ledger.mirror.catch_up()
    assert ledger.mirror.size == 6

    assert ledger.mirror.catch_up() == 7
    assert ledger.mirrored() == ledger.expected_mirror()
    assert ledger.kept() == ["000001.jsonl.kept-1"]


def test_a_file_that_something_else_removed_is_written_anew(ledger):
    mirrored(ledger, 6)
    ledger.part(1).unlink()
    ledger.append(1)

    with pytest.raises(StorageFailed, match="something else changed it"):
        ledger.mirror.catch_up()
    assert ledger.mirror.catch_up() == 7
    assert ledger.mirrored() == ledger.expected_mirror()


@pytest.mark.parametrize("is_running", [True, False])
@pytest.mark.parametrize("is_dangling", [True, False])
def test_a_symbolic_link_is_not_written_through(ledger, tmp_path, is_running, is_dangling):
    mirrored(ledger, 4)
    outside = tmp_path / "outside"
    if not is_dangling:
        outside.touch()
    ledger.part(1).symlink_to(outside)
    ledger.append(1)

    if is_running:
        with pytest.raises(StorageFailed):
            ledger.mirror.catch_up()
        assert ledger.mirror.catch_up() == 5
    else:
        ledger.reopen()
        with pytest.raises(StorageFailed):
            ledger.mirror.reconcile()
        assert ledger.mirror.reconcile() == whole(5, appended=1)
    assert ledger.mirrored() == ledger.expected_mirror()
    assert outside.exists() is not is_dangling
    assert is_dangling or outside.read_bytes() == b""


def test_a_full_disk_leaves_no_half_record_and_goes_on_when_there_is_room(ledger):
    mirrored(ledger, 5)
    before = ledger.mirrored()
    ledger.append(2, detail="y" * 4000)
    limit = len(ledger.part(1).read_bytes()) + 5000

    with file_size_limit(limit), pytest.raises(StorageFailed):
        ledger.mirror.catch_up()

    assert ledger.mirrored() == before
    assert ledger.mirror.catch_up() == 7
    assert ledger.mirrored() == ledger.expected_mirror()
    assert ledger.kept() == []


@contextlib.contextmanager
def file_size_limit(size_bytes):
    """Writes beyond it fail after a part of them was written, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
