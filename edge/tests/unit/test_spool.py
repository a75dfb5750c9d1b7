"""The spool: what has a bundle's name is whole, whatever happened while it was written."""

import contextlib
import hashlib

import pytest

from roeh.core.errors import ExportFailed
from roeh.retrieve.exports.spool import Bundle, Spool

ONE = "01900000-0000-7000-8000-000000000001"
OTHER = "01900000-0000-7000-8000-000000000002"
CONTENT = b"encrypted" * 1000


def kept(spool, export_id=ONE, content=CONTENT):
    with spool.writing(export_id) as part:
        part.write(content)
    return part.bundle()


def test_a_bundle_is_hashed_as_it_is_written_and_found_the_same(tmp_path):
    spool = Spool(tmp_path / "exports")
    bundle = kept(spool)
    assert bundle == Bundle(len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert spool.find(ONE) == bundle
    assert spool.find(OTHER) is None
    assert spool.has(ONE)
    assert not spool.has(OTHER)


def test_nobody_else_looks_into_it(tmp_path):
    directory = tmp_path / "exports"
    directory.mkdir(mode=0o755)
    spool = Spool(directory)
    kept(spool)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / f"{ONE}.age").stat().st_mode & 0o777 == 0o600


def test_what_ends_by_an_error_leaves_nothing(tmp_path):
    spool = Spool(tmp_path)
    with contextlib.suppress(KeyboardInterrupt), spool.writing(ONE) as part:
        part.write(CONTENT)
        raise KeyboardInterrupt
    assert not spool.ids()


def test_what_was_left_by_a_kill_is_in_nobodys_way(tmp_path):
    spool = Spool(tmp_path)
    (tmp_path / f"{ONE}.part").write_bytes(b"half")
    assert spool.find(ONE) is None
    assert kept(spool) == spool.find(ONE)
    assert [path.name for path in tmp_path.iterdir()] == [f"{ONE}.age"]


def test_all_of_an_export_is_removed_and_nothing_of_another(tmp_path):
    spool = Spool(tmp_path)
    kept(spool)
    kept(spool, OTHER)
    spool.note_since(ONE, 77)
    (tmp_path / "notes.txt").write_text("not a bundle")
    assert spool.since_age_us(ONE) == 77
    spool.remove(ONE)
    assert spool.since_age_us(ONE) is None
    assert spool.ids() == {OTHER}
    assert (tmp_path / "notes.txt").exists()


def test_a_link_that_waits_there_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    spool = Spool(tmp_path / "exports")
    (tmp_path / "exports" / f"{ONE}.part").symlink_to(victim)
    kept(spool)
    assert victim.read_bytes() == b"precious"


def test_a_directory_that_cannot_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportFailed) as refused:
        Spool(tmp_path / "file" / "exports")
    assert "\n" not in refused.value.line()
