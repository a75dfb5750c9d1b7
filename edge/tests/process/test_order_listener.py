"""A process's ear for orders: each carried out once, told until it was heard, never in the way."""

import logging
import threading

import pytest

from roeh.core.delivery import OrderDone, OrderItem, Orders, TakeOrders
from roeh.core.errors import StorageFull
from roeh.core.ipc.stream import StreamServer
from roeh.core.order_listener import Carried, OrderListener
from roeh.core.orders import LogLevelOrder, Outcome, RestartOrder, SnapshotOrder
from roeh.core.peers import Done, Role
from roeh.core.users import node_users
from tests.process.children import CLOCK, node_config
from tests.waiting import wait_until

SNAPSHOT = SnapshotOrder(camera_id="north")


class Evidence:
    """The real protocol with a few orders to give; `refuse` is what it answers instead.

    `refuse_told` likewise, to what became of an order.
    """

    def __init__(self, directory):
        self.path = directory / "evidence.sock"
        self._users = node_users(node_config(directory))
        self.orders = []
        self.asked, self.told = [], []
        self.refuse, self.refused = None, 0
        self.refuse_told = None
        self._server = None
        self._news = threading.Condition()
        self._is_over = False

    def give(self, *items):
        with self._news:
            self.orders += items
            self._news.notify_all()

    def start(self):
        self._is_over = False
        self._server = StreamServer(self.path, self._users, self._handle, on_refused=print)
        self._server.start()

    def stop(self):
        with self._news:
            self._is_over = True
            self._news.notify_all()
        if self._server is not None:
            self._server.close()
            self._server = None

    def _handle(self, role, _verb, request):
        assert role is Role.DETECT
        refuse = self.refuse or (self.refuse_told if isinstance(request, OrderDone) else None)
        if refuse is not None:
            self.refused += 1
            raise refuse
        if isinstance(request, OrderDone):
            self.told.append(request)
            return Done()
        assert isinstance(request, TakeOrders)
        self.asked.append(request.after)
        with self._news:
            self._news.wait_for(lambda: self._due(request.after) or self._is_over, request.wait_s)
        return Orders(tuple(self._due(request.after)))

    def _due(self, after):
        return [item for item in self.orders if item.row > after]


@pytest.fixture
def evidence(short_directory):
    evidence = Evidence(short_directory)
    yield evidence
    evidence.stop()


@pytest.fixture
def listening(evidence):
    """A listener that carries snapshots out; what it did, and the process's wish to end."""
    done, stop, listeners = [], threading.Event(), []

    def begin():
        def carry_out(item):
            done.append(item.row)
            return Carried(picture=b"jpeg")

        listeners.append(OrderListener(evidence.path, Role.DETECT, CLOCK, stop, carry_out))
        return done, stop

    yield begin
    for listener in listeners:
        listener.close()


@pytest.fixture
def said():
    """What listeners said in the log."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger("roeh.orders")
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def test_an_order_is_carried_out_once_and_told(evidence, listening):
    evidence.orders = [OrderItem(row, "c", SNAPSHOT) for row in (4, 7)]
    evidence.start()
    done, _ = listening()
    wait_until(lambda: len(evidence.told) == 2)
    wait_until(lambda: evidence.asked[-1:] == [7])
    assert done == [4, 7]
    assert evidence.asked[0] == -1
    assert [(one.row, one.outcome, one.picture) for one in evidence.told] == [
        (4, Outcome.DONE, b"jpeg"),
        (7, Outcome.DONE, b"jpeg"),
    ]


def test_a_process_says_only_once_that_it_was_just_started(evidence, listening):
    evidence.orders = [OrderItem(3, "c", SNAPSHOT)]
    evidence.start()
    listening()
    # Told: so the first answer has arrived, whatever becomes of the next question.
    wait_until(lambda: evidence.told)
    evidence.stop()
    asked_before = len(evidence.asked)
    evidence.start()
    wait_until(lambda: len(evidence.asked) > asked_before)
    assert evidence.asked[0] == -1
    assert set(evidence.asked[1:]) == {3}


def test_evidence_that_is_away_is_waited_for(evidence, listening):
    done, _ = listening()
    evidence.orders = [OrderItem(1, "c", SNAPSHOT)]
    evidence.start()
    wait_until(lambda: evidence.told)
    evidence.stop()
    evidence.give(OrderItem(2, "c", SNAPSHOT))
    evidence.start()
    wait_until(lambda: len(evidence.told) == 2)
    assert done == [1, 2]


def test_a_refusal_ends_nothing_and_is_said_once(evidence, listening, said):
    evidence.refuse = StorageFull(what="no room", which="node.db", remedy="wait")
    evidence.start()
    done, stop = listening()
    wait_until(lambda: evidence.refused >= 3)
    evidence.give(OrderItem(1, "c", SNAPSHOT))
    evidence.refuse = None
    wait_until(lambda: evidence.told)
    assert done == [1]
    assert not stop.is_set()
    assert len(said) == 1
    assert "no room" in said[0]


def test_what_became_of_an_order_is_told_until_there_is_room_for_it(evidence, listening):
    full = StorageFull(what="no room", which="node.db", remedy="wait")
    evidence.refuse_told = full
    evidence.orders = [OrderItem(1, "c", SNAPSHOT)]
    evidence.start()
    done, _ = listening()
    wait_until(lambda: evidence.refused >= 2)
    evidence.refuse_told = None
    wait_until(lambda: evidence.told)
    assert done == [1]


def test_an_order_to_start_anew_lets_the_process_end_and_nothing_else(evidence, listening):
    evidence.orders = [OrderItem(1, "c", RestartOrder(process="detect"))]
    evidence.start()
    done, stop = listening()
    assert stop.wait(10.0)
    assert (done, evidence.told) == ([], [])


def test_every_process_knows_how_much_to_say(evidence, listening):
    logger = logging.getLogger("roeh")
    before = logger.level
    try:
        evidence.orders = [OrderItem(1, "c", LogLevelOrder(process="detect", level="warning"))]
        evidence.start()
        listening()
        wait_until(lambda: evidence.told)
        assert logger.level == logging.WARNING
    finally:
        logger.setLevel(before)
