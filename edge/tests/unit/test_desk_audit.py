"""The audit cannot be trimmed: neither through the database's door nor behind its back."""

import base64
import dataclasses
import sqlite3

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roeh.core.errors import ChecksFailed, DeskFailed, EvidenceRefused
from roeh.desk.audit.check import Trust, check_audit
from roeh.desk.audit.checkpoints import AuditCheckpoints, newest_cosigned
from roeh.desk.audit.log import AuditAction, AuditEntry, AuditLog, audit_root, audit_size
from roeh.desk.audit.reading import AuditChoice, read_entries
from roeh.desk.keys import make_desk_keys, open_audit_key
from roeh.desk.store.sqlite import SqliteStore
from roeh.ledger.canonical import canonical_struct
from roeh.ledger.merkle import is_consistent
from roeh.ledger.note import parse_checkpoint, parse_note
from tests.cosigners import Cosigner
from tests.desks import desk_in
from tests.operated_desks import ANNA, NOA, OperatedDesk


@pytest.fixture
def desk(desk_config, desk_database):
    make_desk_keys(desk_config)
    return OperatedDesk(desk_config, desk_database)


def fill(desk, count):
    with desk.store.writing() as transaction:
        for number in range(count):
            desk.audit.append(transaction, ANNA, AuditAction.ALARMS_VIEWED, f"list {number}")


def checkpoints(desk, **options):
    key = open_audit_key(desk.config)
    return AuditCheckpoints(desk.store, key, desk.clock, desk.config.name, **options)


def test_an_entry_says_who_when_what_and_is_canonical(desk):
    with desk.store.writing() as transaction:
        desk.audit.append(
            transaction, NOA, AuditAction.REPORT_EXPORTED, "all", count=3, sha256="a" * 64
        )
    (entry,) = desk.entries()
    assert (entry.operator, entry.os_user, entry.count) == ("noa", "noa", 3)
    assert entry.t_utc_us == desk.now_us
    with desk.store.reading() as transaction:
        ((json,),) = transaction.values("SELECT json FROM audit")
    assert json == canonical_struct(entry)
    assert msgspec.json.decode(json, type=AuditEntry) == entry


@pytest.mark.parametrize("table", ["audit", "audit_node", "audit_checkpoint"])
def test_the_database_refuses_to_change_or_delete(desk, table):
    fill(desk, 2)
    checkpoints(desk).due()
    for statement in (
        f"DELETE FROM {table}",
        f"UPDATE {table} SET {column(table)} = {column(table)}",
    ):
        with pytest.raises(DeskFailed, match="written once"), desk.store.writing() as transaction:
            transaction.execute(statement)
    assert desk.check().entries == 2


def column(table):
    return {"audit": "operator", "audit_node": "hash", "audit_checkpoint": "note"}[table]


def test_what_is_rolled_back_leaves_no_entry(desk):
    def fail():
        with desk.store.writing() as transaction:
            desk.audit.append(transaction, ANNA, AuditAction.NOTE_ADDED, "x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with desk.store.reading() as transaction:
        assert audit_size(transaction) == 0
    fill(desk, 1)
    assert desk.check().entries == 1


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 33])
def test_a_sound_audit_of_any_size_is_found_sound(desk, count):
    fill(desk, count)
    with desk.store.reading() as transaction:
        root = audit_root(transaction, count)
    found = desk.check()
    assert (found.entries, found.root) == (count, root.hex())


def test_entries_are_found_by_time_operator_and_action(desk):
    fill(desk, 2)
    desk.clock.advance(10)
    since_us = desk.now_us
    desk.work.add_note(None, "hello", NOA)
    with desk.store.reading() as transaction:
        for choice, count in (
            (AuditChoice(), 3),
            (AuditChoice(from_utc_us=since_us), 1),
            (AuditChoice(operator="noa"), 1),
            (AuditChoice(action=AuditAction.ALARMS_VIEWED), 2),
            (AuditChoice(operator="anna", action=AuditAction.NOTE_ADDED), 0),
        ):
            assert len(read_entries(transaction, choice, 100)) == count
        newest = read_entries(transaction, AuditChoice(), 2)
    assert [entry.leaf for entry in newest] == [1, 2]


_ANOTHER = "CAST(replace(CAST(json AS TEXT), 'anna', 'noah') AS BLOB)"


@dataclasses.dataclass
class Behind:
    """A SQLite desk whose file somebody writes to behind its back."""

    path: str
    desk: OperatedDesk

    def does(self, *statements):
        with sqlite3.connect(self.path) as connection:
            for name in ("audit", "audit_node", "audit_checkpoint"):
                for verb in ("update", "delete"):
                    connection.execute(f"DROP TRIGGER IF EXISTS {name}_never_{verb}")
            for statement in statements:
                connection.execute(statement)
        connection.close()


@pytest.fixture
def behind(memory_directory):
    config = desk_in(memory_directory)
    make_desk_keys(config)
    path = memory_directory / "desk.db"
    store = SqliteStore(path)
    desk = OperatedDesk(config, store)
    fill(desk, 12)
    yield Behind(path, desk)
    store.close()


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        (f"UPDATE audit SET json = {_ANOTHER} WHERE leaf = 5", "entry 5"),
        ("UPDATE audit SET operator = 'noah' WHERE leaf = 5", "entry 5"),
        ("UPDATE audit SET t_utc_us = t_utc_us + 1 WHERE leaf = 5", "entry 5"),
        ("DELETE FROM audit WHERE leaf = 5", "entry 5"),
        ("DELETE FROM audit WHERE leaf = 0", "entry 0"),
        ("UPDATE audit_node SET hash = zeroblob(32) WHERE level = 1 AND position = 2", "entry 5"),
        ("DELETE FROM audit_node WHERE level = 2 AND position = 1", "entry 7"),
        ("INSERT INTO audit_node VALUES (3, 1, zeroblob(32))", "entry 12"),
    ],
)
def test_whatever_is_done_behind_its_back_is_found_at_its_place(behind, statement, place):
    behind.does(statement)
    with pytest.raises(ChecksFailed) as told:
        behind.desk.check()
    assert told.value.which == place


def test_an_audit_cut_short_is_found_by_its_checkpoint(behind):
    checkpoints(behind.desk).due()
    behind.does(
        "DELETE FROM audit WHERE leaf = 11",
        "DELETE FROM audit_node WHERE level = 0 AND position = 11",
        "DELETE FROM audit_node WHERE level = 1 AND position = 5",
        "DELETE FROM audit_node WHERE level = 2 AND position = 2",
    )
    with pytest.raises(ChecksFailed, match="cut short: a checkpoint of 12 entries"):
        behind.desk.check()


def test_an_audit_written_anew_is_found_by_what_the_witness_keeps(behind):
    signed = checkpoints(behind.desk).due().note
    cosigner = Cosigner()
    kept_outside = cosigner.cosign(signed)
    behind.does(*(f"DELETE FROM {name}" for name in ("audit", "audit_node", "audit_checkpoint")))
    fill(behind.desk, 11)
    behind.desk.work.add_note(None, "nothing happened", ANNA)
    assert behind.desk.check().entries == 12
    with pytest.raises(ChecksFailed, match="not what was signed"):
        behind.desk.check(kept_outside, witnesses=[cosigner.key])


def test_a_checkpoint_of_another_key_or_another_ledger_is_no_proof(behind, memory_directory):
    note = checkpoints(behind.desk).due().note
    other = desk_in(memory_directory / "other")
    make_desk_keys(other)
    foreign = Trust(behind.desk.audit.origin, open_audit_key(other).spki_der)
    with pytest.raises(ChecksFailed, match="signature"), behind.desk.store.reading() as reading:
        check_audit(reading, foreign, [])
    elsewhere = msgspec.structs.replace(behind.desk.trust(), origin="roeh/desk/other")
    with pytest.raises(ChecksFailed, match="is of roeh"), behind.desk.store.reading() as reading:
        check_audit(reading, elsewhere, [note])


def test_a_checkpoint_goes_out_when_there_is_more_and_until_it_is_cosigned(desk):
    signing = checkpoints(desk, interval_s=60.0)
    assert signing.due() is None
    fill(desk, 3)
    assert signing.due() is None, "not before its time"
    desk.clock.advance(60)
    first = signing.due()
    assert (first.site, first.node) == ("desk", desk.config.name)
    assert (first.from_size, first.hashes) == (0, ())
    assert parse_checkpoint(parse_note(first.note).text).size == 3
    desk.clock.advance(60)
    assert signing.due() == first, "again while no witness said anything"

    cosigner = Cosigner()
    assert signing.keep_cosigned(cosigner.cosign(first.note), [cosigner.key])
    assert not signing.keep_cosigned(cosigner.cosign(first.note), [cosigner.key])
    desk.clock.advance(60)
    assert signing.due() is None
    with desk.store.reading() as transaction:
        assert newest_cosigned(transaction) == cosigner.cosign(first.note)
    found = desk.check(witnesses=[cosigner.key])
    assert (found.checkpoints, found.signed_size, found.cosigned_size) == (2, 3, 3)


def test_a_checkpoint_carries_the_proof_that_it_continues_the_cosigned_one(desk):
    signing, cosigner = checkpoints(desk, interval_s=1.0), Cosigner()
    fill(desk, 5)
    old = signing.due().note
    signing.keep_cosigned(cosigner.cosign(old), [cosigner.key])
    fill(desk, 9)
    desk.clock.advance(1)
    new = signing.due()
    assert new.from_size == 5
    before, after = (parse_checkpoint(parse_note(note).text) for note in (old, new.note))
    proof = [base64.b64decode(step) for step in new.hashes]
    assert is_consistent(before.size, before.root, after.size, after.root, proof)


def test_what_no_known_witness_signed_is_not_kept(desk):
    signing, cosigner = checkpoints(desk), Cosigner()
    fill(desk, 5)
    note = signing.due().note
    for wrong in (note, Cosigner().cosign(note), cosigner.cosign(note).replace("\n5\n", "\n4\n")):
        with pytest.raises(EvidenceRefused):
            signing.keep_cosigned(wrong, [cosigner.key])
    with desk.store.reading() as transaction:
        assert newest_cosigned(transaction) is None


def test_nothing_is_signed_of_an_audit_that_does_not_continue(behind):
    signing = checkpoints(behind.desk, interval_s=1.0)
    signing.due()
    behind.does("DELETE FROM audit", "DELETE FROM audit_node")
    fill(behind.desk, 3)
    behind.desk.clock.advance(1)
    with pytest.raises(DeskFailed, match="does not continue"):
        signing.due()


@settings(max_examples=20)
@given(st.text(), st.text(max_size=3000), st.text(max_size=100))
def test_any_text_of_an_operator_is_kept_and_checked(subject, detail, name):
    subject, detail, name = (
        text.encode("utf-8", "replace").decode("utf-8") for text in (subject, detail, name)
    )
    entry = AuditEntry(
        leaf=0,
        desk="haifa",
        t_utc_us=1,
        clock_synchronised=True,
        operator=name,
        os_user=name,
        action=AuditAction.NOTE_ADDED,
        subject=subject[:2000],
        detail=detail[:2000],
    )
    assert msgspec.json.decode(canonical_struct(entry), type=AuditEntry) == entry


def test_the_name_of_an_audit_is_that_of_a_ledger(desk):
    assert AuditLog(desk.clock, "haifa").origin == "roeh/desk/haifa"
