"""Every look and refusal is on record, and a flood of them does not fill the ledger."""

import msgspec
import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.errors import PeerRefused
from roeh.evidence.looks import Looks
from roeh.ledger.database import NodeDatabase
from roeh.ledger.log import Log
from roeh.ledger.records import AccessRecord, AccessRefusedRecord, Record

LOOK = AccessRecord(person="p-1", action="see_preview", detail="north")


class Book:
    def __init__(self, directory):
        self.clock = SimulatedClock()
        self.database = NodeDatabase(directory / "node.db")
        self.log = Log(self.database, self.clock, site="haifa", node="pole-7")
        self.looks = Looks(self.database, self.log, self.clock)

    def bodies(self):
        with self.database.reading() as connection:
            found = self.log.records(connection, 0, 10_000)
        return [msgspec.json.decode(one, type=Record).body for one in found]


@pytest.fixture
def book(memory_directory):
    book = Book(memory_directory)
    yield book
    book.database.close()


def test_the_same_look_within_a_minute_is_one_record_and_another_is_another(book):
    for _ in range(30):
        book.looks.look(LOOK)
        book.clock.advance(1.9)
    assert book.bodies() == [LOOK]
    book.looks.look(msgspec.structs.replace(LOOK, cameras=("north",), to_utc_us=5))
    book.clock.advance(10.0)
    book.looks.look(LOOK)
    assert len(book.bodies()) == 3


def test_ten_thousand_refusals_are_few_records_that_count_them_all(book):
    stranger = AccessRefusedRecord(person="", action="enter", reason="unknown_authority")
    known = AccessRefusedRecord(person="p-1", action="approve", reason="not_this_role")
    for _ in range(5000):
        book.looks.refuse(stranger)
        book.looks.refuse(known)
        book.clock.advance(0.1)
    book.looks.settle(is_last=True)
    found = book.bodies()
    assert book.looks.refused == 10_000
    for asked, most in ((stranger, 3), (known, 11)):
        of_them = [body for body in found if body.reason == asked.reason]
        assert sum(body.count for body in of_them) == 5000
        assert of_them[0].count == 1
        assert len(of_them) <= most


def test_what_was_only_counted_comes_on_record_by_itself(book):
    refused = AccessRefusedRecord(person="p-1", action="approve", reason="not_this_role")
    for _ in range(3):
        book.looks.refuse(refused)
    book.looks.settle()
    assert [body.count for body in book.bodies()] == [1]
    book.clock.advance(61.0)
    book.looks.settle()
    book.looks.settle()
    assert [body.count for body in book.bodies()] == [1, 2]


def test_whoever_looks_at_ever_new_things_writes_no_more_than_a_rate(book):
    made = 0
    for number in range(3000):
        try:
            book.looks.look(msgspec.structs.replace(LOOK, detail=f"{number}"))
        except PeerRefused:
            continue
        made += 1
    assert len(book.bodies()) == made == 1024
    book.clock.advance(10.0)
    book.looks.look(LOOK)


def test_refusals_of_ever_new_kinds_are_counted_without_being_told_apart(book):
    for number in range(3000):
        reason = f"made up {number}"
        book.looks.refuse(AccessRefusedRecord(person="", action="enter", reason=reason))
    book.looks.settle(is_last=True)
    found = book.bodies()
    assert sum(body.count for body in found) == book.looks.refused == 3000
    assert len(found) <= 1024 + 2
    assert found[-1].reason == "more kinds of refusal than are told apart"
