"""kill -9 of evidence round operations and outputs: each is on record once, and let on once."""

import threading

import pytest

from roeh.core.operations import OperationNow, TellOperations
from roeh.core.orders import DeterOrder
from roeh.core.outputs import OutputsOn, TakeOutputs
from roeh.core.paths import evidence_socket
from roeh.core.peers import Done, Role, Verb
from roeh.custody.actions_command import actions_of
from roeh.custody.holdings import read_records
from roeh.detect.operations_teller import OperationsTeller
from roeh.ledger.records import OperationRecord, OutputRecord
from roeh.vision.rules import Operations, OrderedOperation
from tests.alert_drafts import alert_draft
from tests.process.children import PATIENCE_S
from tests.process.commanding import CLOCK
from tests.process.ordered_pole import OrderedPole, running_pole
from tests.waiting import wait_until

MORE = """
[[operations]]
name = "festival"
[[outputs]]
kind = "trial"
name = "siren"
file = "siren.txt"
longest_on_s = 600.0
[[rules]]
kind = "zone_entry"
name = "gate"
zone = "z"
outputs = ["siren"]
"""
BEGUN = OperationNow("festival", True, "order", "c1")
ENDED = OperationNow("festival", False, "order", "c2")


class Pole(OrderedPole):
    """What detect and capture ask of evidence, and what of it is on record."""

    def tell(self, now):
        self.ask(Role.DETECT, Verb.OPERATIONS_TELL, TellOperations((now,)), Done)

    def take(self, from_leaf):
        request = TakeOutputs(from_leaf=from_leaf, wait_s=0.0)
        return self.ask(Role.CAPTURE, Verb.OUTPUTS_TAKE, request, OutputsOn)

    def alert(self):
        now = CLOCK.read()
        draft = alert_draft(
            boot_id=now.boot_id, t_mono_us=now.t_mono_ns // 1000, rule="gate", site="site"
        )
        self.evidence.store(draft)
        return draft

    def recorded(self):
        link = self.evidence.client(Role.CUSTODY)
        records = read_records(link, (OperationRecord, OutputRecord))
        return [(one.name, one.what, one.cause_id) for one in actions_of(records)]


@pytest.fixture
def pole(short_directory):
    with running_pole(Pole, short_directory, MORE) as pole:
        yield pole


def test_begin_and_end_are_written_once_whatever_is_killed_in_between(pole):
    for now in (BEGUN, BEGUN, ENDED, ENDED):
        pole.tell(now)
        pole.kill()
    assert pole.recorded() == [("festival", "begun", "c1"), ("festival", "ended", "c2")]


def test_a_new_detect_tells_nothing_before_it_has_its_orders_again(pole):
    """Until then what an order began would seem to have ended."""
    pole.tell(BEGUN)
    config = pole.evidence.config
    was_asked, knows_its_orders = threading.Event(), threading.Event()

    def may_tell():
        was_asked.set()
        return knows_its_orders.is_set()

    operations = Operations(config, {})
    teller = OperationsTeller(evidence_socket(config), CLOCK, operations, may_tell)
    try:
        assert was_asked.wait(PATIENCE_S)
        operations.order("festival", OrderedOperation(True, 2**62, "c1"))
        knows_its_orders.set()
        operations.order("festival", OrderedOperation(False, 2**62, "c2"))
        expected = [("festival", "begun", "c1"), ("festival", "ended", "c2")]
        wait_until(lambda: len(pole.recorded()) > 1, PATIENCE_S)
        assert pole.recorded() == expected
    finally:
        teller.close()


def test_an_alert_s_output_outlives_a_kill_and_is_let_on_once(pole):
    begin = pole.take(None)
    alert = pole.alert()
    pole.kill()
    taken = pole.take(begin.next_leaf)
    assert [item.output for item in taken.items] == ["siren"]
    pole.kill()
    assert pole.take(taken.next_leaf).items == ()
    pole.alert()
    assert [what for _, what, _ in pole.recorded()] == ["on", "refused"]
    assert pole.recorded()[0] == ("siren", "on", alert.raised_id)


def test_an_order_s_output_is_on_record_with_it_and_an_order_that_was_done_is_not_done_again(pole):
    command = pole.commanding.order(DeterOrder(output="siren", on_s=60))
    pole.kill()
    assert pole.recorded() == [("siren", "on", command.id)]
    assert pole.take(None).items == ()
