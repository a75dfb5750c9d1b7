"""Nothing leaves the outbox but on the word of whom the configuration names."""

import logging
import os

import pytest

from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.delivery import OutboxKind
from roeh.core.errors import ConfigError, MessageRefused, PeerRefused
from roeh.core.ids import ClockIds
from roeh.evidence.delivery import MAX_LEARNT_CONNECTION
from roeh.evidence.refusals import RefusedStatements
from roeh.ledger.records import RefusedStatementRecord
from roeh.transport.down import AckEntry
from roeh.transport.signed import StatementKind
from tests.delivering_nodes import AckingDesk, DeliveringNode, entry, numbers
from tests.rings import Ring

JPEG = b"\xff\xd8" + bytes(1000)


@pytest.fixture
def node(memory_directory):
    node = DeliveringNode(memory_directory)
    yield node
    node.close()


def test_what_the_desk_signs_for_leaves_the_outbox_and_nothing_else_does(node):
    for _ in range(3):
        node.store_alert(JPEG)
    items = node.waiting()
    statement = node.desk.acknowledge(items[:3])
    assert node.acknowledge(statement) == tuple(item.row for item in items[:3])
    assert node.waiting() == items[3:]
    assert node.kept() == [1, 2, 3]


def test_an_acknowledgement_that_comes_twice_is_answered_twice(node):
    node.store_alert(JPEG)
    items = node.waiting()
    statement = node.desk.acknowledge(items)
    first = node.acknowledge(statement)
    node.reopen()
    assert node.acknowledge(statement) == first == tuple(item.row for item in items)
    assert node.refused.total == 0


def test_other_bytes_at_the_desk_delete_nothing_and_are_counted(node):
    node.store_alert(JPEG)
    alert, picture = node.waiting()
    wrong = [entry(alert, b"{}"), entry(picture, JPEG + b"x")]
    assert node.acknowledge(node.desk.sign(wrong)) == ()
    assert node.waiting() == [alert, picture]
    assert node.refused.total == 2
    # One of a list that is wrong does not spoil the others.
    assert node.acknowledge(node.desk.sign([wrong[0], entry(picture)])) == (picture.row,)


def test_what_is_known_no_more_is_neither_an_answer_nor_an_offence(node):
    stranger = AckEntry(OutboxKind.ALERT, ClockIds(SimulatedClock()).new(), "0" * 64)
    assert node.acknowledge(node.desk.sign([stranger])) == ()
    assert node.refused.total == 0


@pytest.mark.parametrize(
    "forge",
    [
        lambda node, items: AckingDesk().acknowledge(items),
        lambda node, items: node.desk.sign(map(entry, items), key=AckingDesk().key),
        lambda node, items: node.desk.sign(map(entry, items), addressee="hq/pole-2"),
        lambda node, items: node.desk.sign(map(entry, items), kind=StatementKind.COMMAND),
        lambda node, items: node.desk.acknowledge(items).replace(b"alert", b"thumb"),
        lambda node, items: b"",
        lambda node, items: os.urandom(3000),
    ],
    ids=["stranger", "stolen name", "other pole", "other kind", "altered", "empty", "garbage"],
)
def test_a_forged_acknowledgement_deletes_nothing_and_is_on_record(node, forge):
    node.store_alert(JPEG)
    items = node.waiting()
    with pytest.raises(MessageRefused):
        node.acknowledge(forge(node, items))
    assert node.waiting() == items
    assert node.refused.total == 1
    (record,) = node.bodies(RefusedStatementRecord)
    assert (record.statement, record.count) == ("ack", 1)


def test_a_flood_of_forged_ones_is_one_record_an_hour_that_counts_them(node):
    for _ in range(50):
        with pytest.raises(MessageRefused):
            node.acknowledge(b"x")
    node.clock.advance(3600)
    with pytest.raises(MessageRefused):
        node.acknowledge(b"x")
    assert [record.count for record in node.bodies(RefusedStatementRecord)] == [1, 50]
    assert node.refused.total == 51


def test_a_flood_that_no_record_can_be_made_of_does_not_fill_the_log_instead(memory_directory):
    clock = SimulatedClock()
    ring = Ring(memory_directory, clock)
    refused = RefusedStatements(ring.database, ring.log, clock)
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logging.getLogger("roeh.evidence").addHandler(handler)
    ring.close()  # nothing can be stored
    for _ in range(50):
        refused.refuse("command", "forged")
    assert len(said) == 2
    clock.advance(61)
    refused.refuse("command", "forged")
    assert len(said) == 4
    assert refused.total == 51
    logging.getLogger("roeh.evidence").removeHandler(handler)


def test_where_there_is_a_desk_publish_cannot_delete_by_itself(node):
    node.store_alert()
    (item,) = node.waiting()
    with pytest.raises(PeerRefused, match="without the desk's signature"):
        node.delivered([item.row])
    assert node.waiting() == [item]


def test_where_there_is_none_the_brokers_word_counts(memory_directory):
    node = DeliveringNode(memory_directory, ack="broker")
    node.store_alert()
    (item,) = node.waiting()
    node.delivered([item.row])
    assert node.waiting() == []
    node.close()


# Tombstones.


def test_a_tombstone_leaves_on_the_desks_word_too(memory_directory):
    node = DeliveringNode(memory_directory, outbox_max_bytes=2500)
    for _ in range(4):
        node.store_alert()
    tombstones = node.waiting(OutboxKind.TOMBSTONE)
    assert tombstones
    node.acknowledge(node.desk.acknowledge(tombstones))
    assert node.waiting(OutboxKind.TOMBSTONE) == []
    node.close()


def test_an_alert_that_was_evicted_while_it_was_under_way_needs_no_tombstone(memory_directory):
    node = DeliveringNode(memory_directory, outbox_max_bytes=2500)
    node.store_alert()
    (under_way,) = node.waiting()
    for _ in range(3):
        node.store_alert()
    assert 1 in numbers(node.waiting(), OutboxKind.TOMBSTONE)
    assert node.acknowledge(node.desk.acknowledge([under_way])) == (under_way.row,)
    assert 1 not in numbers(node.waiting(), OutboxKind.TOMBSTONE)
    node.close()


# Keys.


def test_a_new_key_counts_as_soon_as_it_is_in_the_file_and_an_old_one_until_it_is_not(node):
    newer = AckingDesk("haifa-desk-2")
    node.store_alert()
    node.store_alert()
    first, second = node.waiting()
    node.keys_file.write_text(node.desk.line + newer.line)
    assert node.acknowledge(newer.acknowledge([first])) == (first.row,)
    node.keys_file.write_text(newer.line)
    with pytest.raises(MessageRefused, match="no key that is known"):
        node.acknowledge(node.desk.acknowledge([second]))
    assert node.acknowledge(newer.acknowledge([second])) == (second.row,)


@pytest.mark.parametrize(
    "break_file",
    [lambda path: path.unlink(), lambda path: path.write_text("ack nonsense\n")],
    ids=["gone", "nonsense"],
)
def test_a_keys_file_that_breaks_takes_nothing_away_and_is_an_alarm_until_it_is_whole(
    node, break_file
):
    node.store_alert()
    (item,) = node.waiting()
    whole = node.keys_file.read_text()
    break_file(node.keys_file)
    (alarm,) = node.trust.alarms()
    assert str(node.keys_file) in alarm
    assert "the keys before stay in force" in alarm
    assert node.acknowledge(node.desk.acknowledge([item])) == (item.row,)
    node.keys_file.write_text(whole)
    assert node.trust.alarms() == ()


def test_a_keys_file_without_a_key_for_acknowledgements_is_an_alarm(node):
    node.keys_file.write_text("# soon\n")
    (alarm,) = node.trust.alarms()
    assert "nothing leaves the outbox" in alarm


def test_a_keys_file_that_cannot_be_read_at_the_start_is_one_clear_error(node):
    node.keys_file.unlink()
    with pytest.raises(ConfigError, match="keys_file"):
        node.reopen()


# The number of a connection.


def test_a_connection_is_numbered_above_what_the_broker_knows_and_that_lasts(node):
    assert [node.connect().number for _ in range(2)] == [1, 2]
    assert node.connect(at_least=41).number == 42
    node.reopen()
    assert node.connect().number == 43
    assert node.connect(at_least=7).number == 44


def test_a_broker_cannot_use_up_the_numbers(node):
    assert node.connect(at_least=2**53 - 2).number == 1
    assert node.connect(at_least=MAX_LEARNT_CONNECTION).number == MAX_LEARNT_CONNECTION + 1
    # Where it is now, its own count goes on.
    assert node.connect().number == MAX_LEARNT_CONNECTION + 2


def test_what_a_rebuilt_node_goes_on_from_can_be_learnt_though_its_clock_says_1970(
    memory_directory,
):
    node = DeliveringNode(memory_directory, clock=SimulatedClock(t_utc_ns=100 * NS_PER_S))
    assert node.connect(at_least=1_790_000_000).number == 1_790_000_001
    node.close()


def test_the_certificates_of_the_ledgers_key_come_with_it(node):
    assert node.connect().log_chain_pem == node.key.chain_pem.decode()
