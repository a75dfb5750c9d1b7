"""The queue table is whole, and the page for engineers shows it as it is."""

from pathlib import Path

from roeh.core.clock import SimulatedClock
from roeh.core.config import EvidenceSection, OutboxSection
from roeh.core.delivery import MAX_LEASE_ROWS, MAX_NAMED_ROWS
from roeh.core.flows import (
    ACCESS_UNITS,
    ALERTS,
    ANSWERS,
    FLOWS,
    FRAMES,
    IN_FLIGHT,
    ORDERS,
    OUTBOX,
    OUTBOX_HISTORY_BYTES,
    STATEMENTS,
)
from roeh.core.gop import MAX_GOP_BYTES, MAX_GOP_UNITS
from roeh.core.ipc.framing import MAX_MESSAGE_BYTES
from roeh.core.peers import Role
from roeh.ledger.alerts import MAX_ALERT_BYTES, MAX_THUMBNAIL_BYTES
from roeh.publish.down import DownGate
from roeh.transport.messages import Incoming
from roeh.transport.topics import Channel, Topic

PAGE = Path(__file__).parents[2] / "design" / "ipc.md"


def test_every_flow_joins_processes_and_has_a_bound_and_a_counter_of_its_own():
    processes = {role.value for role in Role} | {"broker", "each process"}
    for flow in FLOWS:
        assert {flow.producer, flow.consumer} <= processes
        assert flow.bound > 0
    assert len({flow.counter for flow in FLOWS}) == len(FLOWS)
    on_the_way_up = (FRAMES, ACCESS_UNITS, ALERTS, OUTBOX, IN_FLIGHT)
    assert (*on_the_way_up, STATEMENTS, ORDERS, ANSWERS) == FLOWS


def test_as_many_statements_come_at_once_as_the_table_says():
    gate = DownGate("harbour", "pole-7", SimulatedClock())
    channels = (Channel.ACK, Channel.CMD, Channel.COSIGN, Channel.STATE)
    topics = [str(Topic("harbour", "pole-7", channel)) for channel in channels]
    came = [Incoming(topic, b"", (), retained=False) for topic in topics for _ in range(100)]
    assert sum(map(gate.lets_in, came)) == STATEMENTS.bound


def test_the_defaults_of_the_configuration_are_those_of_the_table():
    assert OutboxSection().max_bytes == OUTBOX.bound
    assert EvidenceSection().ring_bytes == ACCESS_UNITS.bound
    assert OutboxSection().history_max_bytes == OUTBOX_HISTORY_BYTES


def test_a_window_can_be_leased_and_named_in_one_request():
    assert IN_FLIGHT.bound <= MAX_LEASE_ROWS <= MAX_NAMED_ROWS


def test_the_largest_lease_fits_into_one_message():
    largest = max(MAX_ALERT_BYTES, MAX_THUMBNAIL_BYTES) + 1024
    assert MAX_LEASE_ROWS * largest <= MAX_MESSAGE_BYTES


def test_the_largest_group_of_pictures_fits_into_one_message():
    overhead_bytes_a_picture = 64
    largest = MAX_GOP_BYTES + MAX_GOP_UNITS * overhead_bytes_a_picture + 64 * 1024
    assert largest <= MAX_MESSAGE_BYTES
    assert ACCESS_UNITS.bound > MAX_GOP_BYTES


def test_the_page_shows_every_flow_as_it_is():
    rows = [
        f"| {flow.producer} → {flow.consumer} | {flow.carries} | {flow.bound} {flow.unit} "
        f"| {flow.when_full.value} | `{flow.counter}` |"
        for flow in FLOWS
    ]
    lines = PAGE.read_text().splitlines()
    assert [
        line for line in lines if line.endswith(tuple(f"| `{f.counter}` |" for f in FLOWS))
    ] == rows
