"""Begin and end of operations stand in the ledger once each, whoever is started anew."""

import pytest

from roeh.core.errors import StorageFailed
from roeh.core.operations import OperationNow, TellOperations
from roeh.core.peers import Verb
from roeh.evidence.operations import OperationsBook
from roeh.ledger.mirror import Mirror
from roeh.ledger.operations import operations_in_force
from roeh.ledger.rebuild import rebuild
from roeh.ledger.records import OperationRecord
from tests.rings import Ring


class Node:
    """Evidence's store and what detect tells it; `restart` is a new start of evidence."""

    def __init__(self, directory):
        self.directory = directory
        self.ring = Ring(directory)
        self.begin()

    def begin(self):
        self.book = OperationsBook(self.ring.database, self.ring.log)

    def restart(self):
        self.ring.reopen()
        self.begin()

    def tell(self, *now):
        self.book.answerers[Verb.OPERATIONS_TELL](TellOperations(now))

    def recorded(self):
        bodies = (envelope.body for envelope in self.ring.envelopes())
        return [
            (body.operation, body.step, body.cause, body.command_id)
            for body in bodies
            if isinstance(body, OperationRecord)
        ]


@pytest.fixture
def node(tmp_path):
    node = Node(tmp_path)
    yield node
    node.ring.close()


ON = OperationNow("festival", True, "order", "c1")
OFF = OperationNow("festival", False, "hours")
SCHOOL = OperationNow("school", True, "hours")
BEGUN = ("festival", "begun", "order", "c1")
ENDED = ("festival", "ended", "hours", "")


def test_what_never_began_does_not_end(node):
    node.tell(OFF)
    assert node.recorded() == []


def test_told_twice_it_is_written_once(node):
    node.tell(ON)
    node.tell(ON)
    node.tell(OperationNow("festival", True, "hours"))  # a detect that was started anew
    node.tell(OFF)
    node.tell(OFF)
    assert node.recorded() == [BEGUN, ENDED]


def test_a_start_of_evidence_in_between_writes_nothing_again(node):
    node.tell(ON, SCHOOL)
    node.restart()
    node.tell(ON, SCHOOL)
    node.restart()
    node.tell(OFF, SCHOOL)
    node.restart()
    node.tell(OFF, SCHOOL)
    assert node.recorded() == [BEGUN, ("school", "begun", "hours", ""), ENDED]


def test_one_that_is_configured_no_more_has_ended(node):
    node.tell(ON, SCHOOL)
    node.restart()
    node.tell(SCHOOL)
    assert node.recorded()[-1] == ("festival", "ended", "configuration", "")


def test_what_could_not_be_stored_is_written_when_it_is_told_again(node):
    with node.ring.database.writing() as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON record BEGIN SELECT RAISE(ABORT, ''); END"
        )
    with pytest.raises(StorageFailed):
        node.tell(ON)
    with node.ring.database.writing() as connection:
        connection.execute("DROP TRIGGER full")
    node.tell(ON)
    assert node.recorded() == [BEGUN]


def test_after_a_rebuild_it_is_as_the_ledger_says(node):
    node.tell(ON, SCHOOL)
    node.tell(OFF, SCHOOL)
    ring = node.ring
    Mirror(node.directory / "ledger", ring.database, ring.log).reconcile()
    ring.close()
    rebuild(
        node.directory / "node.db",
        node.directory / "segments",
        node.directory / "ledger",
        ring.clock,
        site="harbour",
        node="pole-7",
        reason="a test",
        move_aside=True,
    )
    node.ring = Ring(node.directory)
    node.begin()
    with node.ring.database.reading() as connection:
        assert operations_in_force(connection) == {"school"}
    before = len(node.recorded())
    node.tell(OFF, SCHOOL)
    assert len(node.recorded()) == before
