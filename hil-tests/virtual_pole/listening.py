"""What listens: as a machine itself says, and as somebody else on the street finds."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from virtual_pole.commands import output
from virtual_pole.machine import Machine
from virtual_pole.network import in_namespace
from virtual_pole.street import Street

_SCAN = Path(__file__).with_name("scan.py")
_SCAN_PATIENCE_S = 180.0


class Listener(msgspec.Struct, frozen=True, order=True):
    """A socket that waits for others.

    Attributes:
        protocol: `tcp` or `udp`.
        address: on which it waits; `*` and `0.0.0.0` and `::` are all.
        port: its number.
        program: who has it, as the kernel calls the process; empty where it is the kernel's.
    """

    protocol: str
    address: str
    port: int
    program: str


def listeners(machine: Machine) -> tuple[Listener, ...]:
    """What a machine says that listens in it.

    Raises:
        PoleFailed: it cannot be asked.
    """
    return parsed_listeners(machine.run("ss --no-header --listening --tcp --udp -np"))


def parsed_listeners(said: str) -> tuple[Listener, ...]:
    """What `ss -Hltunp` says.

    Args:
        said: a line for each socket: protocol, state, two queues, own address, peer, process.
    """
    found = []
    for line in said.splitlines():
        fields = line.split()
        address, _, port = fields[4].rpartition(":")
        # users:(("sshd",pid=33,fd=3))
        program = fields[6].split('"')[1] if len(fields) > 6 and '"' in fields[6] else ""
        # An address of one interface ends with its name: 10.0.0.1%eth0.
        bare = address.partition("%")[0].strip("[]")
        found.append(Listener(fields[0], bare, int(port), program))
    return tuple(sorted(found))


def reachable_ports(street: Street, source: str, address: str) -> tuple[int, ...]:
    """Every TCP port, of all, that takes a connection from an address of the laptop's.

    Args:
        street: whose.
        source: `street.POLES_ROUTER`, whom poles know as the laptop, or `street.STRANGER`, who
            is on no list.
        address: of the machine that is tried.

    Raises:
        PoleFailed: it could not be tried.
    """
    command = in_namespace(street.laptop, sys.executable, str(_SCAN), address, source)
    return tuple(int(word) for word in output(command, patience_s=_SCAN_PATIENCE_S).split())
