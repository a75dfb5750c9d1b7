"""What can be seen of a provisioned pole, and what is asked of it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from suite.machine import Machine
from suite.waiting import wait_until

ROLES = ("capture", "detect", "evidence", "publish", "retrieve")
DATA_DIR = "/var/lib/roeh/data"
NODE_TOML = "/etc/roeh/node.toml"
_PROBES = Path(__file__).parent / "probes"
#: From a process that was killed to all of them having spoken: two reports of each.
_WELL_PATIENCE_S = 90.0
#: What detect says where the board does not let it look as often as asked for.
_BUDGET_WORDS = "given up to hold the budget"


class ProcessHealth(msgspec.Struct, frozen=True):
    """One process in /health.json."""

    process: str
    condition: str
    detail: str


class Outbox(msgspec.Struct, frozen=True):
    """What waits for the broker."""

    rows: int
    evicted: int


class Health(msgspec.Struct, frozen=True):
    """What the suite reads of /health.json; more is there."""

    schema: Literal["roeh/node-health/1"]
    site: str
    node: str
    software: str
    condition: str
    processes: tuple[ProcessHealth, ...]
    alerts_stored: int
    outbox: Outbox
    storage_state: str

    def of(self, process: str) -> ProcessHealth:
        """One process."""
        return next(each for each in self.processes if each.process == process)

    @property
    def is_well(self) -> bool:
        """Whether every process does its work; a board that is too slow may hold its budget."""
        return all(
            each.condition == "ok"
            or (each.condition == "degraded" and each.detail.startswith(_BUDGET_WORDS))
            for each in self.processes
        )


class Access(msgspec.Struct, frozen=True):
    """[access] of the configuration, as far as the suite reads it."""

    host: str


class Settings(msgspec.Struct, frozen=True):
    """What the suite reads of the pole's own configuration."""

    access: Access


def unit_of(role: str) -> str:
    """The unit that runs a process."""
    return f"roeh-{role}.service"


class Pole:
    """A pole that was provisioned.

    Args:
        machine: how it is asked.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._name: str | None = None

    def health(self) -> Health | None:
        """What its own page says; None while evidence or retrieve does not answer."""
        said = self.machine.python(_PROBES / "health.py", interpreter="python3")
        if said.status:
            return None
        return msgspec.json.decode(said.out, type=Health)

    @property
    def name(self) -> str:
        """Its node's name."""
        if self._name is None:
            self._name = self.wait_until_answers().node
        return self._name

    def wait_until_answers(self, patience_s: float = _WELL_PATIENCE_S) -> Health:
        """Until its page shows how it is, well or not."""
        return wait_until("the pole's page", self.health, patience_s)

    def wait_until_well(self, patience_s: float = _WELL_PATIENCE_S) -> Health:
        """Until every process says that it is."""

        def look() -> Health | None:
            health = self.health()
            return health if health is not None and health.is_well else None

        return wait_until("every process of the pole is well", look, patience_s)

    def settings(self) -> Settings:
        """Its configuration with every default, as the product shows it."""
        said = self.machine.run(f"/usr/local/bin/roeh config show -c {NODE_TOML}")
        return msgspec.toml.decode(said, type=Settings)

    def main_pid(self, role: str) -> int:
        """The process id of a role's unit; 0: none."""
        return int(self.machine.show(unit_of(role), "MainPID")["MainPID"])

    def restarts(self, role: str) -> int:
        """How often systemd has started a role's unit anew since it was asked to start it."""
        return int(self.machine.show(unit_of(role), "NRestarts")["NRestarts"])

    def watchdog_timeouts(self, role: str) -> int:
        """How often systemd ended a role's unit in this boot because it said nothing."""
        said = self.machine.ask(
            f"journalctl --boot --no-pager -o cat -u {unit_of(role)} | grep -c 'Watchdog timeout'"
        )
        return int(said.out or 0)
