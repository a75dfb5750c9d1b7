"""kill -9 of evidence round a command, and a node.db made anew: nothing is done twice."""

import contextlib
import threading

import msgspec
import pytest

from roeh.core.delivery import OrderDone, Orders, TakeOrders
from roeh.core.orders import LogLevelOrder, Outcome, RestartOrder, ScheduleOrder, SnapshotOrder
from roeh.core.paths import node_database
from roeh.core.peers import Done, Role, Verb
from roeh.ledger.database import NodeDatabase
from tests.process.children import PATIENCE_S
from tests.process.commanding import CLOCK
from tests.process.ordered_pole import OrderedPole, running_pole

RULE = '[[rules]]\nkind = "zone_entry"\nname = "gate"\nzone = "z"\n'
SNAPSHOT = SnapshotOrder(camera_id="north")


class Ordered(OrderedPole):
    """A pole whose node.db can be lost, and whose processes take orders."""

    def rebuild(self):
        """node.db is lost while evidence is away."""
        for path in node_database(self.evidence.config).parent.glob("node.db*"):
            path.unlink()
        self.evidence.start()

    def orders(self, after, role=Role.DETECT):
        request = TakeOrders(after=after, wait_s=0.0)
        return self.ask(role, Verb.ORDERS_TAKE, request, Orders).items

    def done(self, item, role=Role.DETECT):
        request = OrderDone(row=item.row, outcome=Outcome.DONE)
        self.ask(role, Verb.ORDER_DONE, request, Done)


@pytest.fixture
def ordered(short_directory):
    with running_pole(Ordered, short_directory, RULE) as ordered:
        yield ordered


def test_what_was_recorded_before_a_kill_is_forwarded_after_it_once(ordered):
    ordered.commanding.order(SNAPSHOT)
    ordered.kill()
    (item,) = ordered.orders(after=-1)
    assert item.order == SNAPSHOT
    ordered.kill()
    assert ordered.orders(after=-1) == ()


def test_a_process_that_outlives_evidence_is_given_what_it_may_not_have_heard(ordered):
    assert ordered.orders(after=-1) == ()
    command = ordered.commanding.order(SNAPSHOT)
    before = ordered.orders(after=0)
    ordered.kill()
    assert ordered.orders(after=0) == before
    ordered.done(before[0])
    ordered.kill()
    assert ordered.orders(after=0) == ()
    assert ordered.commanding.final(command)[0].outcome is Outcome.DONE


def test_a_schedule_outlives_evidence_and_detect(ordered):
    until_us = CLOCK.read().t_utc_ns // 1000 + 3_600_000_000
    order = ScheduleOrder(rule="gate", mode="never", until_utc_us=until_us)
    ordered.commanding.order(order)
    (item,) = ordered.orders(after=-1)
    ordered.done(item)
    ordered.kill()
    assert ordered.orders(after=-1) == (item,)


def test_evidence_ends_as_it_should_when_ordered_to_and_knows_it_when_it_is_back(ordered):
    command = ordered.commanding.order(RestartOrder(process="evidence"))
    ordered.evidence.process.join(PATIENCE_S)
    assert ordered.evidence.process.exitcode == 0
    ordered.evidence.start()
    assert ordered.commanding.final(command)[0].outcome is Outcome.DONE


def test_after_a_rebuild_no_command_is_taken_a_second_time(ordered):
    done = ordered.commanding.order(LogLevelOrder(process="evidence", level="info"))
    answer, _ = ordered.commanding.final(done)
    undone = ordered.commanding.order(SNAPSHOT)
    (item,) = ordered.orders(after=-1)
    assert ordered.evidence.stop() == 0
    ordered.rebuild()
    ordered.commanding.take(done)
    again, _ = ordered.commanding.final(done)
    # The record was written some microseconds before the answer.
    assert 0 <= answer.t_utc_us - again.t_utc_us < 1_000_000
    assert msgspec.structs.replace(again, t_utc_us=answer.t_utc_us) == answer
    ordered.commanding.take(undone)
    again, _ = ordered.commanding.final(undone)
    assert (again.outcome, again.reason) == (Outcome.FAILED, "rebuilt")
    assert ordered.orders(after=-1) == ordered.orders(after=item.row) == ()


def test_a_command_whose_record_was_lost_with_node_db_is_not_taken_either(ordered):
    command = ordered.commanding.order(SNAPSHOT)
    assert len(ordered.orders(after=-1)) == 1
    ordered.evidence.kill()  # before the record came into the mirror
    ordered.rebuild()
    ordered.commanding.take(command)
    answer, _ = ordered.commanding.final(command)
    assert (answer.outcome, answer.reason) in {
        (Outcome.REFUSED, "before_rebuild"),
        (Outcome.FAILED, "rebuilt"),
    }
    assert ordered.orders(after=-1) == ()


class Taking:
    """A process that takes orders for as long as the test runs, and counts each."""

    def __init__(self, ordered):
        self._ordered = ordered
        self._stop = threading.Event()
        self.carried_out = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        after = -1
        while not self._stop.is_set():
            for item in self._ordered.orders(after, Role.RETRIEVE):
                self.carried_out.append(item.command_id)
                after = max(after, item.row)
                self._ordered.done(item, Role.RETRIEVE)
            after = max(after, 0)

    def close(self):
        self._stop.set()
        self._thread.join()


def test_killed_at_any_moment_each_command_is_carried_out_exactly_once(ordered):
    taking = Taking(ordered)
    given = []
    try:
        for _ in range(6):
            for _ in range(5):
                order = LogLevelOrder(process="retrieve", level="info")
                given.append(ordered.commanding.order(order))
            ordered.kill()
            for command in given:
                ordered.commanding.take(command)
        answers = [ordered.commanding.final(command)[0] for command in given]
    finally:
        taking.close()
    assert {answer.outcome for answer in answers} == {Outcome.DONE}
    assert sorted(taking.carried_out) == sorted(command.id for command in given)
    ordered.evidence.stop()
    database = NodeDatabase(node_database(ordered.evidence.config))
    with contextlib.closing(database), database.reading() as connection:
        counted = connection.execute(
            "SELECT kind, COUNT(*) FROM record WHERE kind IN ('command', 'outcome') GROUP BY kind"
        ).fetchall()
    assert dict(counted) == {"command": len(given), "outcome": len(given)}
