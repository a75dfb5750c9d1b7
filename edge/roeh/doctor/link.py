"""The network up to the first router, and names.

Sources: the kernel's Documentation/ABI/testing/sysfs-class-net; proc_net_route as in
route(8); /proc/net/ipv6_route.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from roeh.core.clock import Clock
from roeh.core.config import NodeConfig
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, bad, doubtful, good
from roeh.doctor.machine_view import MachineView, number_of, text_of

_SLOW_MBIT = 10
#: More damaged frames than one in so many: a cable, not chance.
_ONE_IN = 10_000
_FEW_ERRORS = 100
_RTF_GATEWAY = 0x2
_NAME_TIMEOUT_S = 6.0


class Port(msgspec.Struct, frozen=True):
    """A network interface. `speed_mbit` None where it does not say."""

    name: str
    is_up: bool
    speed_mbit: int | None
    duplex: str
    errors: int
    frames: int


def check_link(view: MachineView, _clock: Clock) -> Iterator[Outcome]:
    """Every port that is no loopback, and the way out."""
    own = own_ports(view.proc)
    ports = read_ports(view.sys, gateways(view.proc), own)
    hidden = sorted(own - {port.name for port in ports} - {"lo"}) if own is not None else []
    if not ports and hidden and (view.root / "run/systemd/container").exists():
        # A container whose /sys is its host's.
        yield good(f"{', '.join(hidden)}: whether it has a signal, a container cannot see")
    elif not ports:
        yield bad(Code.LINK_DOWN, "there is no network port")
    up = [port for port in ports if port.is_up]
    if ports and not up:
        names = ", ".join(port.name for port in ports)
        yield bad(Code.LINK_DOWN, f"no signal on {names}")
    for port in up:
        yield judge_port(port)
    ways = gateways(view.proc)
    if ways:
        yield good(f"the way out goes by {', '.join(sorted(ways))}")
    elif up:
        yield doubtful(Code.ROUTE_NONE, "there is no default route")


def own_ports(proc: Path) -> frozenset[str] | None:
    """The ports of this network namespace; None where the kernel does not list them."""
    lines = text_of(proc / "net/dev").splitlines()[2:]
    return frozenset(line.partition(":")[0].strip() for line in lines) if lines else None


def read_ports(
    sys: Path, in_use: frozenset[str] = frozenset(), own: frozenset[str] | None = None
) -> tuple[Port, ...]:
    """The ports that are hardware or carry a default route; without any, all of Ethernet."""
    # 1: Ethernet (ARPHRD_ETHER); everything else is no way to a control room.
    ethernet = [
        port
        for port in sorted((sys / "class/net").glob("*"))
        if number_of(port / "type") == 1 and (own is None or port.name in own)
    ]
    chosen = [port for port in ethernet if (port / "device").exists() or port.name in in_use]
    found = []
    for port in chosen or ethernet:
        speed = number_of(port / "speed")
        errors = sum(
            number_of(port / "statistics" / name) or 0 for name in ("rx_crc_errors", "rx_errors")
        )
        found.append(
            Port(
                name=port.name,
                is_up=text_of(port / "operstate") == "up",
                speed_mbit=speed if speed is not None and speed > 0 else None,
                duplex=text_of(port / "duplex"),
                errors=errors,
                frames=number_of(port / "statistics" / "rx_packets") or 0,
            )
        )
    return tuple(found)


def judge_port(port: Port) -> Outcome:
    """Of a port that has a signal."""
    speed = "" if port.speed_mbit is None else f" at {port.speed_mbit} Mbit/s"
    what = f"{port.name} is up{speed}"
    if port.errors > _FEW_ERRORS and port.errors * _ONE_IN > port.frames:
        return doubtful(Code.LINK_ERRORS, f"{what}; {port.errors} damaged frames of {port.frames}")
    is_slow = port.speed_mbit is not None and port.speed_mbit <= _SLOW_MBIT
    if is_slow or port.duplex == "half":
        return doubtful(Code.LINK_SLOW, f"{what}, {port.duplex or 'unknown'} duplex")
    return good(what)


def gateways(proc: Path) -> frozenset[str]:
    """The ports with a default route."""
    found = set()
    for line in text_of(proc / "net/route").splitlines()[1:]:
        fields = line.split()
        # Interface, destination, gateway, flags, ..., mask (the eighth).
        if len(fields) > 7 and fields[1] == fields[7] == "00000000":
            found.add(fields[0])
    for line in text_of(proc / "net/ipv6_route").splitlines():
        fields = line.split()
        is_default = len(fields) == 10 and set(fields[0]) == {"0"} and fields[1] == "00"
        if is_default and int(fields[8], 16) & _RTF_GATEWAY:
            found.add(fields[9])
    return frozenset(found)


def check_names(config: NodeConfig, _clock: Clock) -> Iterator[Outcome]:
    """The broker's name becomes an address, in time."""
    host = config.broker.host
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        yield good(f"the broker is given by address ({host}): no names are needed")
        return
    answer = resolved(host, _NAME_TIMEOUT_S)
    if isinstance(answer, str):
        yield good(f"{host} is {answer}")
    else:
        reason = "no answer in time" if answer is None else answer.strerror or str(answer)
        yield bad(Code.DNS_SILENT, f"{host} has no address: {reason}")


def resolved(host: str, timeout_s: float) -> str | OSError | None:
    """An address of a host; why not; None when nobody answered in time."""
    told: queue.SimpleQueue[str | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            told.put(str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0]))
        except OSError as error:
            told.put(error)

    # getaddrinfo(3) cannot be told how long to wait.
    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        return told.get(timeout=timeout_s)
    except queue.Empty:
        return None
