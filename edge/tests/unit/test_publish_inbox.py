"""What a broker sends of its own accord has a bound; nothing else is ever turned away."""

from roeh.core.flows import STATEMENTS
from roeh.publish.inbox import FromBroker, QueueInbox, Woken
from roeh.transport.messages import Incoming
from roeh.transport.mqtt import Acknowledged, Disconnected

STATEMENT = FromBroker(1, Incoming("down/ack", b"", (), retained=False))


def test_no_more_statements_wait_than_the_table_of_queues_says():
    inbox = QueueInbox()
    assert sum(inbox.put(STATEMENT) for _ in range(10 * STATEMENTS.bound)) == STATEMENTS.bound
    assert inbox.get(0.0) == STATEMENT
    assert inbox.put(STATEMENT)
    assert not inbox.put(STATEMENT)


def test_a_flood_of_statements_turns_nothing_else_away():
    inbox = QueueInbox()
    while inbox.put(STATEMENT):
        pass
    others = [FromBroker(1, Acknowledged(7, 0)), FromBroker(1, Disconnected("gone")), Woken()]
    for happening in others:
        assert inbox.put(happening)
    came = [inbox.get(0.0) for _ in range(STATEMENTS.bound + len(others))]
    assert came[-3:] == others
    assert inbox.get(0.0) is None
