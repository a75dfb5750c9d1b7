"""The way to the control room is gone, and comes back: no alert is lost, none comes twice."""

import pytest
from suite import faults
from suite.delivery import check_all_arrived, wait_for_alerts
from suite.waiting import Stopwatch, wait_until

pytestmark = pytest.mark.needs("systemd")

ALERTS_MEANWHILE = 3
#: An hour of a busy pole: one alert message a minute.
ALERTS_OF_AN_HOUR = 60


@pytest.mark.short
@pytest.mark.needs("netns")
@pytest.mark.fault(faults.LINK)
def test_what_is_raised_while_the_link_is_cut_arrives_once_it_is_back(pole, link, control_room):
    check_all_arrived(pole, control_room)
    link.cut()
    last = wait_for_alerts(pole, ALERTS_MEANWHILE)
    assert last not in {one.seq for one in control_room.arrivals(pole.name)}
    assert pole.wait_until_answers().outbox.rows >= ALERTS_MEANWHILE
    link.mend()
    check_all_arrived(pole, control_room)
    wait_until("nothing waits any more", lambda: pole.wait_until_answers().outbox.rows <= 2, 60)


@pytest.mark.needs("netns")
@pytest.mark.fault(faults.LINK)
def test_a_link_that_comes_and_goes_costs_no_alert(pole, link, control_room):
    for _ in range(5):
        link.cut()
        wait_for_alerts(pole, 1)
        link.mend()
        wait_for_alerts(pole, 1)
    check_all_arrived(pole, control_room)


@pytest.mark.fault(faults.BROKER)
def test_a_broker_that_is_gone_costs_no_alert(pole, broker, control_room, env):
    """What an hour without a broker does to a pole, in less.

    It is as many alerts as a busy pole raises in an hour, and attempts until each waits its
    longest; how long at the least is told by the tier (`broker_gone_s`; a rig may take its hour).
    """
    gone = Stopwatch()
    at_least_s = float(env.config.get_option("broker_gone_s"))
    broker.stop()
    first = pole.wait_until_answers().alerts_stored
    wait_until(
        f"an hour's alerts, and {at_least_s:g} s",
        lambda: (
            gone.elapsed_s >= at_least_s
            and pole.wait_until_answers().alerts_stored >= first + ALERTS_OF_AN_HOUR
        ),
        at_least_s + 600,
    )
    health = pole.wait_until_answers()
    assert health.outbox.evicted == 0
    assert health.of("publish").condition == "degraded"
    broker.start()
    check_all_arrived(pole, control_room)
    pole.wait_until_well()
