"""The ledger grows with the transaction that it describes, or not at all."""

import hashlib

import msgspec
import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.errors import MessageRefused, StorageFailed
from roeh.ledger import merkle
from roeh.ledger.database import NodeDatabase
from roeh.ledger.log import Log, LogFault
from roeh.ledger.records import AccessRecord, BootRecord, Record
from tests.trees import Tree


@pytest.fixture
def clock():
    return SimulatedClock(t_utc_ns=1_700_000_000_123_456_789, t_mono_ns=5_999, utc_error_ns=1_001)


@pytest.fixture
def database(memory_directory):
    database = NodeDatabase(memory_directory / "node.db")
    yield database
    database.close()


@pytest.fixture
def log(database, clock):
    return Log(database, clock, site="hq", node="pole-1")


def access(number):
    return AccessRecord(person="p", action="show", detail=str(number))


def append(database, log, count):
    with database.writing() as connection:
        return [log.append(connection, access(number)) for number in range(count)]


def test_leaves_count_from_zero_without_holes(database, log):
    assert append(database, log, 3) == [0, 1, 2]
    assert append(database, log, 2) == [3, 4]
    with database.reading() as connection:
        assert log.size(connection) == 5
        read = [msgspec.json.decode(json, type=Record) for json in log.records(connection, 1, 3)]
    assert [record.leaf for record in read] == [1, 2, 3]


def test_a_record_says_where_and_when_it_was_written(database, log, clock):
    with database.writing() as connection:
        log.append(connection, BootRecord(version="1", was_clean=True))
        record = log.newest(connection, BootRecord)

    assert (record.site, record.node, record.leaf) == ("hq", "pole-1", 0)
    assert (record.t_utc_us, record.t_mono_us) == (1_700_000_000_123_456, 5)
    # A bound of the error is never rounded down.
    assert record.utc_error_us == 2
    assert record.synchronised
    assert record.boot_id == clock.read().boot_id
    assert record.body == BootRecord(version="1", was_clean=True)


def test_the_newest_of_a_kind_is_found_among_others(database, log):
    with database.writing() as connection:
        assert log.newest(connection, BootRecord) is None
        log.append(connection, BootRecord(version="1", was_clean=True))
        log.append(connection, BootRecord(version="2", was_clean=False))
        log.append(connection, access(0))
        assert log.newest(connection, BootRecord).body.version == "2"


def test_the_root_is_that_of_the_record_bytes(database, log):
    append(database, log, 11)
    with database.reading() as connection:
        tree = Tree()
        for size, json in enumerate(log.records(connection, 0, 100), start=1):
            tree.append(hashlib.sha256(b"\x00" + json).digest())
            assert log.root(connection, size) == merkle.root(size, tree.read)
        assert log.root(connection, 0) == hashlib.sha256().digest()


def test_proofs_hold(database, log):
    append(database, log, 11)
    with database.reading() as connection:
        old, new = log.root(connection, 6), log.root(connection, 11)
        json = log.records(connection, 4, 1)[0]
        assert merkle.is_included(
            4, 11, merkle.leaf_hash(json), log.inclusion_proof(connection, 4, 11), new
        )
        assert merkle.is_consistent(6, old, 11, new, log.consistency_proof(connection, 6, 11))


def test_what_is_rolled_back_never_was(database, log):
    append(database, log, 3)
    with database.reading() as connection:
        before = log.root(connection, 3)

    def append_and_fail():
        with database.writing() as connection:
            log.append(connection, access("lost"))
            raise KeyError

    with pytest.raises(KeyError):
        append_and_fail()

    with database.reading() as connection:
        assert log.size(connection) == 3
        assert log.root(connection, 3) == before
    assert append(database, log, 2) == [3, 4]


def test_a_body_without_canonical_form_is_refused_and_leaves_nothing(database, log):
    with pytest.raises(MessageRefused), database.writing() as connection:
        log.append(connection, access("\ud800"))

    with database.reading() as connection:
        assert log.size(connection) == 0


def test_a_node_that_was_taken_away_is_named(database, log):
    append(database, log, 5)
    with database.writing() as connection:
        connection.execute("DELETE FROM tree_node WHERE level = 2")
        with pytest.raises(StorageFailed, match="level 2, position 0"):
            log.root(connection, 5)


def test_the_origin_names_site_and_node(log):
    assert log.origin == "roeh/hq/pole-1"


def test_a_sound_ledger_has_no_fault(database, log):
    append(database, log, 13)
    with database.reading() as connection:
        assert log.check(connection, 0, 100) is None
        assert log.check(connection, 5, 3) is None


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("DELETE FROM record WHERE leaf = 6", LogFault(6, "missing")),
        ("UPDATE record SET json = x'00' WHERE leaf = 6", LogFault(6, "unreadable")),
        (
            "UPDATE record SET json = (SELECT json FROM record WHERE leaf = 7) WHERE leaf = 6",
            LogFault(6, "misplaced"),
        ),
        (
            "UPDATE record SET json = CAST(replace(CAST(json AS TEXT), 'show', 'list') AS BLOB)"
            " WHERE leaf = 6",
            LogFault(6, "hash"),
        ),
        ("UPDATE tree_node SET hash = zeroblob(32) WHERE level = 0", LogFault(0, "hash")),
        ("UPDATE tree_node SET hash = zeroblob(32) WHERE level = 2", LogFault(3, "hash")),
        ("DELETE FROM tree_node WHERE level = 1 AND position = 3", LogFault(7, "hash")),
    ],
)
def test_an_edited_row_is_found_and_placed(database, log, change, fault):
    append(database, log, 13)
    with database.writing() as connection:
        assert connection.execute(change).rowcount > 0
        assert log.check(connection, 0, 100) == fault
