"""Figures of alarm management at the desk: by pole and day, as operators had the alarms."""

import pytest

from roeh.core.types import AlertPhase
from roeh.desk.alarms.choice import AlarmChoice
from roeh.desk.alarms.states import Close
from roeh.desk.report.figures import daily_figures
from tests.operated_desks import ANNA, OperatedDesk

HOUR_S = 3600
DAY_US = 86_400_000_000


@pytest.fixture
def desk(desk_config, desk_database):
    desk = OperatedDesk(desk_config, desk_database)
    # On from midnight, so that days are whole.
    desk.clock.advance((DAY_US - desk.now_us % DAY_US) / 1e6)
    return desk


def figures(desk, operators=1, **choice):
    with desk.store.reading() as transaction:
        return daily_figures(transaction, AlarmChoice(**choice), desk.now_us, operators)


def by_pole(found):
    return {(one.pole, one.day_us // DAY_US): one.figures for one in found.poles}


def test_alarms_of_a_day_by_pole_and_all_together(desk):
    today = desk.now_us // DAY_US
    for hour in range(24):
        desk.alert()
        if hour < 6:
            desk.alert(node="pole-8")
        desk.clock.advance(HOUR_S)
    found = figures(desk, operators=2, from_utc_us=today * DAY_US)
    assert by_pole(found)["harbour/pole-7", today].per_operator_hour == 1.0
    assert by_pole(found)["harbour/pole-8", today].per_operator_hour == 0.25
    (day,) = found.together
    assert (day.figures.alarms, day.figures.per_operator_hour) == (30, 30 / 24 / 2)
    assert day.figures.top[0].source == "harbour/pole-7 quay"


def test_what_is_raised_again_and_again_chatters_at_its_pole_alone(desk):
    today = desk.now_us // DAY_US
    for _ in range(3):
        desk.alert()
        desk.alert(node="pole-8", rule="other")
        desk.clock.advance(20)
        desk.alert(node="pole-8", rule="gate")
    desk.clock.advance(1)
    found = by_pole(figures(desk))
    assert found["harbour/pole-7", today].chattering == ("harbour/pole-7 quay",)
    assert found["harbour/pole-8", today].chattering == (
        "harbour/pole-8 gate",
        "harbour/pole-8 other",
    )


def test_an_alert_stands_until_its_pole_says_otherwise_or_somebody_closes_it(desk):
    today = desk.now_us // DAY_US
    over, closed, _standing = desk.alert(), desk.alert(), desk.alert()
    desk.clock.advance(60)
    desk.goes_on(over, AlertPhase.CLEARED, t_utc_us=over.t_utc_us + 60_000_000)
    (row,) = desk.alarms(f"subject = '{closed.raised_id}'")
    desk.work.act(row.id, Close(is_false_alarm=False), ANNA)
    desk.clock.advance(60)
    (day,) = figures(desk, from_utc_us=today * DAY_US).together
    assert (day.figures.alarms, day.figures.standing, day.figures.stale) == (3, 1, 0)


def test_what_stands_for_longer_than_a_day_is_stale_on_the_days_after(desk):
    first = desk.now_us // DAY_US
    desk.clock.advance(12 * HOUR_S)
    desk.alert()
    desk.clock.advance(48 * HOUR_S)
    found = by_pole(figures(desk))
    stale = [found["harbour/pole-7", first + n].stale for n in range(3)]
    assert stale == [0, 1, 1]


def test_a_choice_without_any_time_or_alarm_has_figures_of_nothing(desk):
    assert figures(desk, from_utc_us=desk.now_us + DAY_US).together == ()
    found = figures(desk)
    assert [one.figures.alarms for one in found.together] == [0] * len(found.together)
    assert found.poles == ()
