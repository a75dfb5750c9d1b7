"""Whoever has publish can ask for much, and gets no more writes of it than a broker is good for."""

import pytest

from roeh.core.clock import NS_PER_S, SimulatedClock
from roeh.core.delivery import ConnectionBegin, ConnectionNumber
from roeh.core.errors import PeerRefused
from roeh.core.peers import NodeStatus, NodeStatusRequest, Role, Verb
from roeh.evidence.service import EvidenceService
from roeh.evidence.write_pace import BURST, RATES_HZ, WritePace
from roeh.ledger.alerts import NodeStore
from roeh.ledger.database import NodeDatabase
from roeh.publish.down import DownGate
from roeh.transport.messages import Incoming
from roeh.transport.topics import Channel, Topic


def answered(service, verb, request):
    try:
        return service.handle(Role.PUBLISH, verb, request)
    except PeerRefused:
        return None


def test_a_publish_gone_mad_is_slowed_down_and_the_others_are_answered(memory_directory):
    clock = SimulatedClock()
    database = NodeDatabase(memory_directory / "node.db")
    store = NodeStore(database, clock, outbox_max_bytes=1 << 20)
    numbers = {Verb.CONNECTION_BEGIN: lambda _: ConnectionNumber(store.next_number("connection"))}
    service = EvidenceService(store, clock, on_progress=lambda: None, more=numbers)
    begin = ConnectionBegin()
    given = [answered(service, Verb.CONNECTION_BEGIN, begin) for _ in range(1000)]
    assert None not in given[:BURST]
    elapsed_s = clock.mono_ns() / NS_PER_S  # each refusal took its time
    assert elapsed_s > 10.0
    most = BURST + elapsed_s * RATES_HZ[Verb.CONNECTION_BEGIN]
    assert most - 1 <= sum(number is not None for number in given) <= most
    assert isinstance(
        service.handle(Role.RETRIEVE, Verb.NODE_STATUS, NodeStatusRequest()), NodeStatus
    )
    database.close()


@pytest.mark.parametrize(
    ("channel", "verb"),
    [(Channel.CMD, Verb.COMMAND_TAKE), (Channel.COSIGN, Verb.COSIGNATURE_KEEP)],
)
def test_what_publish_lets_in_of_a_flood_never_meets_the_bound(channel, verb):
    clock = SimulatedClock()
    gate, pace = DownGate("harbour", "pole-7", clock), WritePace(clock)
    incoming = Incoming(str(Topic("harbour", "pole-7", channel)), b"", (), retained=False)
    for _ in range(2000):
        clock.advance(0.05)
        if gate.lets_in(incoming):
            pace.check(verb)


def ask_often(pace, verb):
    for _ in range(BURST + 1):
        pace.check(verb)


@pytest.mark.parametrize("verb", RATES_HZ)
def test_who_asks_too_often_is_told_for_what(verb):
    with pytest.raises(PeerRefused, match=f"asks for {verb.value} more than"):
        ask_often(WritePace(SimulatedClock()), verb)
