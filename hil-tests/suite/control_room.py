"""What arrived at the control room, as its own database says."""

from __future__ import annotations

from pathlib import Path

import msgspec

from suite.machine import Machine
from suite.waiting import wait_until

_PROBES = Path(__file__).parent / "probes"
_DESK_TOML = "/etc/roeh/desk.toml"
_USER = "roeh-desk"


class Arrival(msgspec.Struct, frozen=True):
    """One row: an alert message that was stored there."""

    seq: int
    id: str
    phase: str


class PoleLine(msgspec.Struct, frozen=True):
    """A pole as `roeh desk poles` shows it, as far as the suite reads it."""

    node: str
    link: str
    condition: str | None
    temperature_c: float | None
    throttled: tuple[str, ...]
    missing: str


class Broker:
    """The control room's broker.

    Args:
        machine: where it runs.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def stop(self) -> None:
        """Nobody listens on its port any more."""
        self._machine.run("systemctl stop mosquitto.service")

    def start(self) -> None:
        """As it was; one that runs stays as it is."""
        self._machine.run("systemctl start mosquitto.service")


class ControlRoom:
    """The control room of a pole.

    Args:
        machine: how it is asked.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.broker = Broker(machine)

    def arrivals(self, node: str) -> list[Arrival]:
        """Every alert message of a pole that was stored, in the order of its arrival."""
        said = self.machine.python(
            _PROBES / "arrivals.py", _DESK_TOML, node, before=f"runuser -u {_USER} --"
        )
        if said.status:
            raise AssertionError(f"the control room's database is not read: {said.err.strip()}")
        return msgspec.json.decode(said.out, type=list[Arrival])

    def pole_line(self, node: str) -> PoleLine:
        """How a pole stands there now."""
        said = self.machine.run(
            f"runuser -u {_USER} -- /usr/local/bin/roeh desk poles -c {_DESK_TOML} --json"
        )
        lines = [msgspec.json.decode(line, type=PoleLine) for line in said.splitlines()]
        return next(line for line in lines if line.node == node)

    def condition_of(self, node: str) -> str | None:
        """The worst of a pole's processes, as it told last."""
        return self.pole_line(node).condition

    def wait_for_seqs(self, node: str, last: int, patience_s: float) -> list[Arrival]:
        """Until every number from 1 to `last` has arrived; nothing more is asked."""

        def look() -> list[Arrival] | None:
            arrived = self.arrivals(node)
            return arrived if set(range(1, last + 1)) <= {one.seq for one in arrived} else None

        return wait_until(f"alerts 1 to {last} of {node} at the control room", look, patience_s)
