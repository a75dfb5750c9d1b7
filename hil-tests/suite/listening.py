"""What listens on a machine, as it sees it itself and as another one finds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from suite.machine import Machine

_SCAN = Path(__file__).parent / "probes/scan.py"
_SCAN_PATIENCE_S = 120.0
#: Addresses of ss that mean all of them.
_ALL = ("0.0.0.0", "*", "[::]")  # noqa: S104 - told, not bound to


class Listener(msgspec.Struct, frozen=True, order=True):
    """One socket that waits for somebody: `where` is `all`, or the address as ss has it."""

    protocol: str
    port: int
    where: str


class Reachable(msgspec.Struct, frozen=True):
    """Ports that answered somebody on another machine."""

    tcp: tuple[int, ...]
    udp: tuple[int, ...]


def listeners(machine: Machine) -> set[Listener]:
    """Every TCP socket that listens and every UDP socket that takes from anybody."""
    found = set()
    for line in machine.run("ss --no-header --listening --tcp --udp --numeric").splitlines():
        protocol, _, _, _, local, *_ = line.split()
        address, _, port = local.rpartition(":")
        where = "all" if address in _ALL else address.partition("%")[0]
        found.add(Listener(protocol, int(port), where))
    return found


def reachable_from_here(address: str) -> Reachable:
    """What answers on a machine, asked from where the tests run."""
    done = subprocess.run(
        [sys.executable, _SCAN, address],
        capture_output=True,
        timeout=_SCAN_PATIENCE_S,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=Reachable)


def reachable_from(machine: Machine, address: str) -> Reachable:
    """The same, asked from another machine."""
    said = machine.python(_SCAN, address, interpreter="python3", patience_s=_SCAN_PATIENCE_S)
    if said.status:
        raise AssertionError(f"{machine.name}: the scan failed: {said.err}")
    return msgspec.json.decode(said.out, type=Reachable)
