"""What every test is given: the pole as it has to be, its control room, and what can befall it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from suite.control_room import ControlRoom
from suite.delivery import wait_for_alerts
from suite.evidence import Records, records
from suite.machine import Machine
from suite.pole import Pole
from suite.waiting import Stopwatch, wait_until


@dataclass(frozen=True)
class Cut:
    """What was there before the power went, and how long the way back took."""

    before: Records
    boot_s: float
    first_alert_s: float


@pytest.fixture(scope="session")
def booted(strategy, target):
    """The pole's shell, once systemd has booted; provisioned or not."""
    if strategy.status.value not in ("booted", "provisioned"):
        strategy.transition("booted")
    return Machine("pole", target.get_driver("SSHDriver"))


@pytest.fixture(scope="session")
def control_room(env):
    target = env.get_target("control-room")
    return ControlRoom(Machine("control room", target.get_driver("SSHDriver")))


@pytest.fixture(scope="session")
def camera_of_pole(target):
    return target.get_driver("CameraProtocol")


@pytest.fixture(scope="session")
def provisioned_pole(strategy, target, camera_of_pole):
    """Provisioned, with a camera that gives pictures; well or not."""
    camera_of_pole.plug()
    strategy.transition("provisioned")
    return Pole(Machine("pole", target.get_driver("SSHDriver")))


@pytest.fixture
def pole(provisioned_pole):
    """Provisioned and well."""
    provisioned_pole.wait_until_well()
    return provisioned_pole


@pytest.fixture
def camera(camera_of_pole):
    yield camera_of_pole
    camera_of_pole.plug()


@pytest.fixture
def link(target):
    link = target.get_driver("LinkProtocol")
    yield link
    link.mend()


@pytest.fixture
def disk(target):
    disk = target.get_driver("DiskProtocol")
    yield disk
    disk.free()


@pytest.fixture
def heat(target):
    heat = target.get_driver("HeatProtocol")
    yield heat
    heat.cool()


@pytest.fixture
def clock(target):
    clock = target.get_driver("ClockProtocol")
    yield clock
    clock.release()


@pytest.fixture(scope="session")
def meter(target):
    return target.get_driver("MeterProtocol")


@pytest.fixture
def writes(target):
    return target.get_driver("WritesProtocol")


@pytest.fixture
def broker(control_room):
    yield control_room.broker
    control_room.broker.start()


@pytest.fixture(scope="session")
def cut(strategy, provisioned_pole, control_room):
    """One cut of the pole's power while it works, and its way back to the first alert."""
    pole = provisioned_pole
    pole.wait_until_well()
    wait_for_alerts(pole, 1)
    before = records(pole.machine)
    strategy.transition("off")
    watch = Stopwatch()
    strategy.transition("provisioned")
    boot_s = watch.elapsed_s
    last = before.alerts[-1].seq
    wait_until(
        "an alert of this boot at the control room",
        lambda: any(one.seq > last for one in control_room.arrivals(pole.name)),
        180,
    )
    return Cut(before, boot_s, watch.elapsed_s)
