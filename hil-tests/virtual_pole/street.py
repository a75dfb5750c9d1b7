"""What is where: machines, their addresses, their names on this host. Nothing runs here."""

from __future__ import annotations

import hashlib
import re
import uuid
from pathlib import Path

import msgspec

from virtual_pole.troubles import PoleFailed

REPOSITORY = Path(__file__).parent.parent.parent
DEFAULT_STATE = REPOSITORY / "build/poles"

POLES_ROUTER = "10.77.1.1"
CONTROL_ROUTER = "10.77.2.1"
#: Another address of the laptop, which no inventory lets in anywhere.
STRANGER = "10.77.1.250"
CONTROL_ROOM = "control-1"
_CONTROL_ADDRESS = "10.77.2.2"
_POLES_NETWORK = "10.77.1"
#: The first pole's last byte is one more.
_BEFORE_POLES = 10
MAX_POLES = 200
_POLE = re.compile(r"pole-([1-9][0-9]{0,2})")

#: So that serials and hardware addresses are the same each time, and another street's differ.
_SERIALS = uuid.UUID("3f0a4e3a-6f0e-4c56-8b53-1d0a35f1b6a4")


class Place(msgspec.Struct, frozen=True):
    """Where one machine stands.

    Attributes:
        name: as its hostname says.
        address: IPv4.
        router: the laptop's address on its side.
        bridge: the interface of the laptop that it hangs on.
        serial: what the machine tells as its board's: its machine-id(5), 32 hexadecimal digits.
        hardware_address: of its network card.
    """

    name: str
    address: str
    router: str
    bridge: str
    serial: str
    hardware_address: str


class Street(msgspec.Struct, frozen=True):
    """A state directory, and every name that follows from it.

    Attributes:
        state: where disks, keys and records are; absolute.
    """

    state: Path

    @classmethod
    def at(cls, state: Path) -> Street:
        """The street whose state is kept there."""
        return cls(state.resolve())

    @property
    def tag(self) -> str:
        """What every namespace and control group of this street begins with."""
        return "rp" + hashlib.sha256(str(self.state).encode()).hexdigest()[:6]

    @property
    def laptop(self) -> str:
        """The namespace of technician and tests, which routes between the others."""
        return f"{self.tag}-laptop"

    def namespace(self, name: str) -> str:
        """The network namespace of one machine."""
        return f"{self.tag}-{name}"

    def place(self, name: str) -> Place:
        """Where the machine of that name stands.

        Raises:
            PoleFailed: no machine is called so.
        """
        serial = uuid.uuid5(_SERIALS, f"{self.tag}/{name}").hex
        if name == CONTROL_ROOM:
            return Place(
                name, _CONTROL_ADDRESS, CONTROL_ROUTER, "control", serial, "02:00:0a:4d:02:02"
            )
        match = _POLE.fullmatch(name)
        if match is None or int(match[1]) > MAX_POLES:
            raise PoleFailed(f"no machine is called {name!r}: pole-1, pole-2, ... or control-1")
        last = _BEFORE_POLES + int(match[1])
        return Place(
            name,
            f"{_POLES_NETWORK}.{last}",
            POLES_ROUTER,
            "poles",
            serial,
            f"02:00:0a:4d:01:{last:02x}",
        )

    def directory(self, name: str) -> Path:
        """Where one machine's disk and console are."""
        return self.state / "machines" / name

    @property
    def names(self) -> tuple[str, ...]:
        """The machines that were made here, by their records."""
        machines = self.state / "machines"
        made = [path.name for path in machines.iterdir()] if machines.is_dir() else []
        return tuple(sorted(made))

    @property
    def ssh_config(self) -> Path:
        """What ssh is told with -F: hosts by name, the key, the known host keys."""
        return self.state / "ssh/config"

    @property
    def connections(self) -> Path:
        """Where Ansible's shared connections are."""
        return self.state / "ssh/connections"

    @property
    def inventory(self) -> Path:
        """What Ansible is told beside inventories/virtual: this street's keys and bundle."""
        return self.state / "inventory.yml"

    @property
    def logs(self) -> Path:
        """What Ansible said, playbook by playbook."""
        return self.state / "logs"


def names_of(poles: int) -> tuple[str, ...]:
    """The machines of a street with so many poles."""
    return (CONTROL_ROOM, *(f"pole-{number}" for number in range(1, poles + 1)))
