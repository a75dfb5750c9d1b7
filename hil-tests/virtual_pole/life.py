"""A street made and taken away: what survives in between is only what is on its disk."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator

from street_camera.camera import StreetCamera

from roeh.core.clock import SystemClock
from virtual_pole import network, ways_in
from virtual_pole.base import base, cache_directory
from virtual_pole.machine import Machine
from virtual_pole.street import Street, names_of

#: What is in a state directory; nothing else in it is touched.
_MADE = ("machines", "ssh", "keys", "officers", "trust", "bundle", "inventory.yml")


def up(street: Street, poles: int) -> list[Machine]:
    """Machines made, cabled and booted; what is there already stays as it is.

    Args:
        street: where.
        poles: how many, beside the control room.

    Raises:
        PoleFailed: one of them cannot be made or does not boot.
    """
    ready = base(cache_directory())
    with alone(street):
        ways_in.make_key(street)
        machines = [Machine(street, name) for name in names_of(poles)]
        for machine in machines:
            machine.make(ready)
        ways_in.write_config(street)
        for machine in machines:
            machine.boot()
    return machines


def add(street: Street, machine: Machine) -> None:
    """One more machine, made and booted.

    Raises:
        PoleFailed: it cannot be made or does not boot.
    """
    ready = base(cache_directory())
    with alone(street):
        machine.make(ready)
        ways_in.write_config(street)
        machine.boot()


def down(street: Street) -> None:
    """Every process, namespace and disk that was made from here ends; nothing else does."""
    if not street.state.is_dir():
        return
    with alone(street):
        StreetCamera(street.state, SystemClock()).unplug()
        for name in street.names:
            Machine(street, name).cut()
        network.remove(street)
        for made in (*_MADE, "namespaces"):
            path = street.state / made
            if path.is_file():
                path.unlink()
            else:
                shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def alone(street: Street) -> Iterator[None]:
    """No other command changes this street meanwhile; a second one waits."""
    street.state.mkdir(parents=True, exist_ok=True)
    with (street.state / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
