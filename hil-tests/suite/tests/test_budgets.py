"""A pole keeps to what it may take while footage plays: suite/budgets.toml, figure by figure."""

import json
from pathlib import Path

import pytest
import suite
from suite import faults
from suite.budgets import OF_A_BOARD, OF_BOOTING, excess, read_table
from suite.delivery import wait_for_alerts
from suite.pole import ROLES, unit_of
from suite.waiting import Stopwatch

PROBE = Path(suite.__file__).parent / "probes/usage.py"
MEASURED_FOR_S = 20.0
MIB = 1 << 20
FIGURES = read_table()


def of(*kinds):
    """Figures of these kinds, as parameters that are named as a person reads them."""
    return pytest.mark.parametrize(
        "figure",
        [pytest.param(one, id=one.name) for one in FIGURES if one.take.of in kinds],
    )


@pytest.fixture(scope="module")
def board(env):
    return env.config.get_option("board")


@pytest.fixture(scope="module")
def usage(steady_pole):
    """Unit → what it took while footage played and alerts were raised."""
    restarts = {role: steady_pole.restarts(role) for role in ROLES}
    lines = log_bytes(steady_pole)
    watch = Stopwatch()
    said = steady_pole.machine.python(
        PROBE,
        str(MEASURED_FOR_S),
        *(unit_of(role) for role in ROLES),
        interpreter="python3",
        patience_s=MEASURED_FOR_S + 60,
    )
    assert said.status == 0, said.err
    took_s = watch.elapsed_s
    by_unit = json.loads(said.out)
    found = {role: by_unit[unit_of(role)] for role in ROLES}
    found["all"] = {
        "memory_mib": sum(found[role]["memory_bytes"] for role in ROLES) / MIB,
        "log_mib_per_hour": (log_bytes(steady_pole) - lines) / MIB * 3600 / took_s,
        "restarts": sum(steady_pole.restarts(role) - restarts[role] for role in ROLES),
    }
    return found


@pytest.fixture(scope="module")
def steady_pole(provisioned_pole):
    """Well, and past what it does once after its start."""
    provisioned_pole.wait_until_well()
    wait_for_alerts(provisioned_pole, 2)
    return provisioned_pole


def log_bytes(pole):
    """What Roeh's units have said in this boot."""
    units = " ".join(f"-u {unit_of(role)}" for role in ROLES)
    return int(pole.machine.run(f"journalctl --boot --no-pager -o short {units} | wc -c"))


@pytest.mark.needs("systemd")
@pytest.mark.fault(faults.BUDGETS)
@of("cpu_percent", "memory_mib", "log_mib_per_hour", "restarts")
def test_while_footage_plays_a_pole_keeps_to_its(usage, board, figure, record_property):
    measured = usage[figure.take.process][figure.take.of]
    record_property("measured", f"{measured:.1f} {figure.unit}")
    assert not excess(figure, board, measured)


@pytest.mark.short
@pytest.mark.needs("systemd")
@pytest.mark.fault(faults.BOOT)
@of(*OF_BOOTING)
def test_a_pole_that_gets_its_power_back_keeps_to_its_time(cut, board, figure, record_property):
    measured = getattr(cut, figure.take.of)
    record_property("measured", f"{measured:.1f} {figure.unit}")
    assert not excess(figure, board, measured)


@pytest.mark.needs("systemd", "board")
@pytest.mark.fault(faults.BUDGETS_BOARD)
@of(*OF_A_BOARD)
def test_a_board_keeps_to_its(meter, board, figure, record_property):
    """`meter` is what the rig measures with: the board's own sensors, the power port's."""
    measured = meter.read(figure.take.of)
    record_property("measured", f"{measured:.1f} {figure.unit}")
    assert not excess(figure, board, measured)
