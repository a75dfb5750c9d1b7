"""A start after years: what it looks at stays small, and what it finds is said once."""

import msgspec
import pytest

from roeh.core.clock import SimulatedClock
from roeh.ledger.database import NodeDatabase
from roeh.ledger.log import Log
from roeh.ledger.records import AccessRecord, Record, TamperRecord
from roeh.ledger.recovery import is_whole
from tests.lives import PoleLife

RECORDS = 11_000
PAGE_BYTES = 4096


@pytest.fixture
def grown(tmp_path):
    """A database whose ledger has more records than a start reads of a large one."""
    database = NodeDatabase(tmp_path / "node.db")
    log = Log(database, SimulatedClock(), site="hq", node="pole-1")
    with database.writing() as connection:
        for number in range(RECORDS):
            log.append(connection, AccessRecord(person="p", action="show", detail=f"<<{number}>>"))
    database.close()
    return tmp_path / "node.db"


def damage(path, content):
    """Break the page that holds `content`."""
    whole = bytearray(path.read_bytes())
    page = whole.index(content) // PAGE_BYTES * PAGE_BYTES
    whole[page : page + 16] = b"\xff" * 16
    path.write_bytes(whole)


def found_whole(path, at_most_bytes):
    database = NodeDatabase(path)
    try:
        with database.reading() as connection:
            return is_whole(connection, at_most_bytes)
    finally:
        database.close()


def test_a_database_that_was_not_hurt_is_whole(grown):
    assert found_whole(grown, 1 << 30)
    assert found_whole(grown, 0)


def test_every_page_of_a_small_database_is_looked_at(grown):
    damage(grown, b"<<1>>")
    assert not found_whole(grown, 1 << 30)


def test_of_a_large_one_what_was_written_last(grown):
    damage(grown, b"<<%d>>" % (RECORDS - 1))
    assert not found_whole(grown, 0)


def test_and_not_what_was_written_years_ago(grown):
    damage(grown, b"<<1>>")
    assert found_whole(grown, 0)


def test_a_ring_that_somebody_emptied_is_said_once_and_at_once(memory_directory):
    pole = PoleLife(memory_directory, cameras=("north",))
    pole.start()
    pole.record(12)
    pole.stop()
    for path in pole.data.glob("segments/north/*.mp4"):
        path.unlink()
    for _ in range(2):
        pole.start()
        with pole.parts.database.reading() as connection:
            rows = connection.execute("SELECT json FROM record WHERE kind = 'tamper'").fetchall()
        pole.stop()
    said = [msgspec.json.decode(json, type=Record) for (json,) in rows]
    assert [one.body.where for one in said] == [f"north/{n:08d}.mp4" for n in (1, 2, 3)]
    assert {type(one.body) for one in said} == {TamperRecord}
    assert len({one.t_mono_us for one in said}) == 1
