"""A board that is hot and slows down: told, and it goes on."""

import pytest
from suite import faults
from suite.delivery import check_all_arrived, wait_for_alerts
from suite.waiting import wait_until

HOT_C = 91.5
#: Where boards begin to slow down.
REALLY_HOT_C = 80.0


@pytest.mark.needs("systemd")
@pytest.mark.fault(faults.HEAT)
def test_a_hot_board_is_told_at_the_control_room_and_goes_on(pole, heat, control_room):
    """The heat is a file: what the product reads, tells and does is real."""
    heat.heat(HOT_C)
    pole.wait_until_well()

    def told():
        line = control_room.pole_line(pole.name)
        return line.temperature_c == pytest.approx(HOT_C) and line.throttled == ("throttled",)

    wait_until("the control room knows how hot it is, and that it is slowed", told, 90)
    wait_for_alerts(pole, 1)
    heat.cool()
    pole.wait_until_well()
    wait_until(
        "the control room knows that it is not",
        lambda: control_room.pole_line(pole.name).throttled == (),
        90,
    )
    check_all_arrived(pole, control_room)


@pytest.mark.needs("systemd", "board")
@pytest.mark.fault(faults.HEAT_BOARD)
def test_a_board_that_is_really_hot_tells_it_and_goes_on(pole, heat, control_room):
    heat.heat(REALLY_HOT_C)
    wait_until(
        "the control room knows how hot it is",
        lambda: (control_room.pole_line(pole.name).temperature_c or 0.0) >= REALLY_HOT_C - 5,
        120,
    )
    wait_for_alerts(pole, 3)
    heat.cool()
    pole.wait_until_well()
    check_all_arrived(pole, control_room)
