"""After an outage the backlog drains most urgent first, within window and link budget."""

import contextlib
import random
import threading
from collections import Counter

import pytest

from roeh.core.clock import NS_PER_S, NS_PER_US
from roeh.core.delivery import OutboxKind
from roeh.core.flows import IN_FLIGHT
from roeh.core.ids import ClockIds
from roeh.core.paths import node_database
from roeh.core.peers import Role
from roeh.publish.pace import WIRE_OVERHEAD_BYTES
from roeh.transport.messages import Incoming, Outgoing
from roeh.transport.mqtt import packet_bytes
from roeh.transport.topics import Channel, parse_topic
from tests.alert_drafts import alert_draft
from tests.process.acknowledging_desk import AcknowledgingDesk
from tests.process.brokers import CLOCK, running_broker
from tests.process.publishing_node import PublishingNode
from tests.stores import AloneStore
from tests.waiting import wait_until

pytestmark = pytest.mark.apt("mosquitto")
ALERTS = 10_000
PRIORITIES = range(1, 10)
WINDOW = IN_FLIGHT.bound
MAX_BPS = 5_500_000
#: A bucket's burst is what goes in one second; as much for what arrives late together here.
BURST_S, LATE_S = 1.0, 1.0
DRAINED_WITHIN_S = 60.0
LINES = "max_bps = {max_bps}\ndesk_ack_timeout_s = 10.0\nheartbeat_s = 1.0\n"


class MeasuringDesk(AcknowledgingDesk):
    """Notes what every alert takes of the link, when it came, and how many are owed a word."""

    def __init__(self, port):
        self.arrivals = []
        self.most_owed = self._owed = 0
        self._owing = threading.Lock()
        super().__init__(port)

    def _take(self, event):
        if isinstance(event, Incoming) and parse_topic(event.topic).channel is Channel.ALERT:
            with self._owing:
                self._owed += 1
                self.most_owed = max(self.most_owed, self._owed)
            self.arrivals.append((CLOCK.mono_ns(), bits_on_the_link(event)))
        super()._take(event)

    def sign(self, entries, **more):
        """Before it is said: as soon as the pole hears it, it may send the next."""
        entries = tuple(entries)
        with self._owing:
            self._owed -= len(entries)
        return super().sign(entries, **more)


def bits_on_the_link(incoming):
    """As publish counts them."""
    message = Outgoing(parse_topic(incoming.topic), incoming.payload, incoming.user_properties)
    return 8 * (packet_bytes(message) + WIRE_OVERHEAD_BYTES)


def most_seconds_ahead(arrivals, max_bps):
    """By how much what came in any stretch was more than the link bears in that time."""
    ahead = most = 0.0
    before_ns = arrivals[0][0]
    for t_ns, bits in arrivals:
        ahead = max(0.0, ahead - (t_ns - before_ns) / NS_PER_S) + bits / max_bps
        before_ns = t_ns
        most = max(most, ahead)
    return most


def store_backlog(config, seed=4):
    """Ten thousand in the outbox of a pole that is off; the priority of each."""
    chance, ids, now = random.Random(seed), ClockIds(CLOCK), CLOCK.read()
    path = node_database(config)
    path.parent.mkdir(mode=0o700)
    store = AloneStore(path, CLOCK, outbox_max_bytes=config.outbox.max_bytes)
    priorities = {}
    with contextlib.closing(store):
        for _ in range(ALERTS):
            draft = alert_draft(
                alert_id=ids.new(),
                priority=chance.choice(PRIORITIES),
                node="pole",
                boot_id=now.boot_id,
                t_utc_us=now.t_utc_ns // NS_PER_US,
                t_mono_us=now.t_mono_ns // NS_PER_US,
            )
            store.store(draft, None)
            priorities[draft.id] = draft.priority
    return priorities


def most_overtaken(priorities):
    """How many less urgent messages came before the last of a priority, at the worst."""
    last = {priority: at for at, priority in enumerate(priorities)}
    return max(sum(other < priority for other in priorities[:at]) for priority, at in last.items())


def test_ten_thousand_alerts_drain_most_urgent_first_within_window_and_link(memory_directory):
    with running_broker("mosquitto") as broker, contextlib.ExitStack() as closing:
        broker.stop()
        desk = MeasuringDesk(broker.port)
        closing.callback(desk.close)
        lines = LINES.format(max_bps=MAX_BPS) + desk.node_lines(memory_directory)
        node = PublishingNode(memory_directory, broker.port, lines)
        closing.callback(node.close)
        priorities = store_backlog(node.config)
        node.start(Role.EVIDENCE, Role.PUBLISH)
        assert node.status().outbox_rows == ALERTS

        broker.start()
        desk.open()
        wait_until(lambda: len(desk.came) >= ALERTS, DRAINED_WITHIN_S)
        node.wait_for_status(lambda status: status.outbox_rows == 0)

        came = Counter(id_ for kind, id_ in desk.came if kind is OutboxKind.ALERT)
        assert set(came) == set(priorities)
        assert came.total() <= ALERTS + WINDOW
        assert most_overtaken([priorities[id_] for id_ in desk.alerts()]) <= WINDOW
        assert 1 < desk.most_owed <= WINDOW
        assert most_seconds_ahead(desk.arrivals, MAX_BPS) <= BURST_S + LATE_S
