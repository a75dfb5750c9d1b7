"""kill -9 of anything at any time: the others go on, it comes back, nothing is lost."""

import os
import signal

import pytest

from roeh.core.peers import Role
from roeh.core.types import AlertPhase, ClearedBy
from tests.process.brokers import running_broker
from tests.process.running_node import (
    PATIENCE_S,
    ROLES,
    Arrivals,
    running_node,
    write_street,
)
from tests.waiting import wait_until


class Street:
    """One node, its broker and its control room."""

    def __init__(self, node, broker):
        self.node = node
        self.broker = broker
        self.arrivals = Arrivals(broker.port)
        #: Alerts up to this one may have died in a broker that was killed.
        self.broker_died_at_seq = 0


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Every test but the last leaves it in good health."""
    with running_broker("embedded") as broker:
        config_path = write_street(
            tmp_path_factory.mktemp("node"), port=broker.port, supervise="backoff_s = 0.05"
        )
        with running_node(config_path) as node:
            street = Street(node, broker)
            street.arrivals.wait_for_more()
            yield street
            street.arrivals.room.close()


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.value)
def test_a_killed_process_comes_back_and_the_others_never_noticed(street, role):
    node, arrivals = street.node, street.arrivals
    before = {other: node.pid(other) for other in ROLES}
    killed = node.kill(role)
    after = {other: node.pid(other) for other in ROLES}
    assert after[role] != killed
    assert {**after, role: killed} == before
    assert f"{role.value} was ended by SIGKILL; starting it again" in node.said()
    node.wait_for_news(role)
    arrivals.wait_for_more(2)
    assert "Traceback" not in node.said()


def test_a_process_that_somebody_ended_politely_comes_back_too(street):
    node = street.node
    said = len(node.said())
    before = node.pid(Role.RETRIEVE)
    os.kill(before, signal.SIGTERM)
    node.wait_for_line("retrieve ended with status 0; starting it again", since=said)
    node.wait_until(lambda: node.pids().get(Role.RETRIEVE) not in {None, before})


def test_what_a_killed_detection_had_raised_is_cleared_and_raised_again(street):
    node, arrivals = street.node, street.arrivals

    def raised():
        return [a for a in arrivals.alerts if (a.rule, a.phase) == ("anybody", AlertPhase.RAISED)]

    def cleared_by(cause):
        return {a.raised_id for a in arrivals.alerts if a.cleared_by is cause}

    wait_until(lambda: raised() and raised()[-1].id not in cleared_by(ClearedBy.RESTART))
    before = raised()[-1]
    node.kill(Role.DETECT)
    wait_until(lambda: before.id in cleared_by(ClearedBy.RESTART), PATIENCE_S)
    # The street is as busy as before, so somebody is there again.
    after = wait_until(lambda: raised()[-1].seq > before.seq and raised()[-1], PATIENCE_S)
    (cleared,) = [a for a in arrivals.alerts if a.raised_id == before.id and a is not before][-1:]
    assert cleared.phase is AlertPhase.CLEARED
    assert before.seq < cleared.seq < after.seq
    assert (cleared.rule, cleared.zone) == (before.rule, before.zone)


def test_of_all_alerts_that_were_counted_none_is_missing_at_the_control_room(street):
    arrivals = street.arrivals
    wait_until(lambda: arrivals.seqs == set(range(1, max(arrivals.seqs) + 1)), PATIENCE_S)


def test_what_happens_while_the_broker_is_dead_arrives_when_it_is_back(street):
    node, broker = street.node, street.broker
    said = len(node.said())
    os.kill(broker.pid, signal.SIGKILL)
    street.arrivals.room.close()
    last_seq = node.status().alerts_stored
    node.wait_for_line(r"publish degraded .*not connected", since=said)
    wait_until(lambda: node.status().alerts_stored >= last_seq + 2, PATIENCE_S)
    # The control room shall be there first: this broker tells nobody that nobody reads.
    publish = node.pid(Role.PUBLISH)
    os.kill(publish, signal.SIGSTOP)
    broker.start()
    street.arrivals = arrivals = Arrivals(broker.port)
    os.kill(publish, signal.SIGCONT)
    wait_until(lambda: {last_seq + 1, last_seq + 2} <= arrivals.seqs, PATIENCE_S)
    street.broker_died_at_seq = last_seq
    assert node.pid(Role.PUBLISH) == publish


def test_it_ends_in_order_when_asked_and_everything_has_left_the_pole(street):
    node, arrivals = street.node, street.arrivals
    arrivals.wait_for_more()
    node.pids()
    node.signal(signal.SIGTERM)
    assert node.ended() == 0
    assert node.leftovers() == set()
    stored = node.alerts()
    assert [alert.seq for alert in stored] == list(range(1, len(stored) + 1))
    expected = {alert.seq for alert in stored if alert.seq > street.broker_died_at_seq}
    wait_until(lambda: arrivals.seqs >= expected, PATIENCE_S)
    assert "Traceback" not in node.said()
    assert "could not be handed" not in node.said()
    assert "was killed" not in node.said()
