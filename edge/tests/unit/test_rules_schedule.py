"""When a rule is on: days and hours of the wall clock where the pole stands."""

from __future__ import annotations

import datetime

import pytest

from roeh.core.clock import NS_PER_S
from roeh.core.config import ScheduleSection
from roeh.core.schedule import Schedule

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")


def utc_ns(text: str) -> int:
    instant = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)
    return int(instant.timestamp()) * NS_PER_S


def schedule(zone: str = "UTC", **section: object) -> Schedule:
    return Schedule(ScheduleSection(name="hours", **section), zone)


@pytest.mark.parametrize(
    ("at", "on"),
    [
        ("2023-11-14 07:59:59", False),
        ("2023-11-14 08:00:00", True),
        ("2023-11-14 17:59:59", True),
        ("2023-11-14 18:00:00", False),
        ("2023-11-18 12:00:00", False),  # a Saturday
    ],
)
def test_a_window_of_the_day_includes_its_start_and_not_its_end(at: str, on: bool):
    assert schedule(days=WEEKDAYS, start="08:00", end="18:00").holds(utc_ns(at)) is on


@pytest.mark.parametrize(
    ("at", "on"),
    [
        ("2023-11-17 21:59:59", False),
        ("2023-11-17 22:00:00", True),  # Friday night ...
        ("2023-11-18 05:59:59", True),  # ... runs into Saturday morning
        ("2023-11-18 06:00:00", False),
        ("2023-11-18 22:30:00", False),  # Saturday is not one of the days
        ("2023-11-19 05:00:00", False),
        ("2023-11-20 05:00:00", False),  # nor did Sunday night start one
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(at: str, on: bool):
    assert schedule(days=WEEKDAYS, start="22:00", end="06:00").holds(utc_ns(at)) is on


def test_the_default_is_always():
    hours = schedule()

    assert all(hours.holds(utc_ns("2023-11-13 00:00:00") + h * 3600 * NS_PER_S) for h in range(168))


def test_equal_start_and_end_are_a_whole_day_from_then():
    hours = schedule(days=("tue",), start="08:00", end="08:00")

    assert not hours.holds(utc_ns("2023-11-14 07:59:59"))
    assert hours.holds(utc_ns("2023-11-14 08:00:00"))
    assert hours.holds(utc_ns("2023-11-15 07:59:59"))
    assert not hours.holds(utc_ns("2023-11-15 08:00:00"))


@pytest.mark.parametrize(
    ("at", "on"),
    [
        ("2024-01-15 05:59:59", False),  # winter: Jerusalem is UTC+2
        ("2024-01-15 06:00:00", True),
        ("2024-07-15 04:59:59", False),  # summer: UTC+3
        ("2024-07-15 05:00:00", True),
    ],
)
def test_hours_are_those_of_the_wall_clock_in_winter_and_summer(at: str, on: bool):
    assert schedule("Asia/Jerusalem", start="08:00", end="18:00").holds(utc_ns(at)) is on
