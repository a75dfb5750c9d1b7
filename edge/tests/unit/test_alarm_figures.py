"""The figures of alarm management, on alarms whose figures are known."""

import pytest

from roeh.core.alarm_figures import DAY_US, AlarmCount, AlarmTimes

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US


def figures(*alarms, to_us=DAY_US, operators=1):
    count = AlarmCount(0, to_us, operators)
    for alarm in sorted(alarms, key=lambda one: one.raised_us):
        count.add(alarm)
    return count.figures()


def brief(raised_us, source="pole gate"):
    return AlarmTimes(source, raised_us, raised_us + 1_000_000)


def each(step_us, count, source="pole gate", from_us=0):
    return [brief(from_us + n * step_us, source) for n in range(count)]


def test_six_an_hour_are_acceptable_and_one_more_is_told():
    even = figures(*each(10 * MINUTE_US, 144))
    assert (even.alarms, even.per_operator_hour, even.exceeded) == (144, 6.0, ())
    more = figures(*each(10 * MINUTE_US, 144), brief(1))
    assert more.exceeded == ("6.0 alarms an operator hour (up to 6 are acceptable)",)


def test_beyond_twelve_an_hour_nobody_can_manage():
    (missed,) = figures(*each(4 * MINUTE_US, 360)).exceeded
    assert missed == "15.0 alarms an operator hour (at most 12 can be managed)"


def test_two_operators_share_alarms():
    alone, both = (figures(*each(4 * MINUTE_US, 360), operators=n) for n in (1, 2))
    assert both.per_operator_hour == alone.per_operator_hour / 2


def test_the_peak_is_of_any_ten_minutes_not_of_those_of_the_clock():
    halves = [*each(30_000_000, 6, "a", 7 * MINUTE_US), *each(30_000_000, 6, "b", 10 * MINUTE_US)]
    found = figures(*halves)
    assert found.peak == 12
    assert "12 within ten minutes (at most 10)" in found.exceeded


def test_a_flood_lasts_until_a_period_has_fewer_than_five():
    counts = [11, 7, 4, 6]
    alarms = [
        brief(period * 10 * MINUTE_US + n * 50_000_000, f"rule {n}")
        for period, count in enumerate(counts)
        for n in range(count)
    ]
    assert figures(*alarms, to_us=4 * 10 * MINUTE_US).flood_share == 2 / 4


def test_hours_with_more_than_thirty():
    found = figures(*each(MINUTE_US, 31), *each(MINUTE_US, 30, from_us=5 * HOUR_US))
    assert found.busy_hours_share == pytest.approx(1 / 24)
    assert "4% of hours with more than 30" in found.exceeded


@pytest.mark.parametrize(("apart_s", "chatters"), [(29, True), (30, False)])
def test_three_of_one_source_within_a_minute_chatter(apart_s, chatters):
    apart_us = apart_s * 1_000_000
    found = figures(*each(apart_us, 3), *each(10 * MINUTE_US, 3, "pole line", HOUR_US))
    assert found.chattering == (("pole gate",) if chatters else ())


def test_sources_do_not_chatter_together():
    alarms = [brief(n * 1_000_000, f"pole {n}") for n in range(9)]
    assert figures(*alarms).chattering == ()


def test_stale_is_longer_than_a_day_and_standing_what_is_not_over():
    alarms = (
        AlarmTimes("a", -DAY_US, 1_000_000),  # longer than a day, over in this one
        AlarmTimes("b", -DAY_US - 1, 0),  # over before it
        AlarmTimes("c", -1),  # stands for a day and a moment
        AlarmTimes("d", HOUR_US),
        AlarmTimes("e", HOUR_US, DAY_US),  # over in the moment after
        AlarmTimes("f", HOUR_US, DAY_US - 1),
    )
    found = figures(*alarms)
    assert (found.stale, found.standing, found.alarms) == (2, 3, 3)


def test_top_contributors_with_their_share():
    found = figures(*each(HOUR_US, 6, "often"), *each(HOUR_US, 2, "seldom"))
    assert [(one.source, one.alarms, one.share) for one in found.top] == [
        ("often", 6, 0.75),
        ("seldom", 2, 0.25),
    ]


def test_of_no_alarms_nothing_is_missed():
    found = figures()
    assert (found.alarms, found.peak, found.top, found.exceeded) == (0, 0, (), ())
