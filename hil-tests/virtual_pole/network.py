"""The street's cables: a namespace for each machine, and the laptop's, which routes.

Nothing of it is in this host's own namespace but the names under /run/netns, and no way leads
out. A record is on disk before anything is made, so a run that was killed is taken away by the
next `down`, and nothing else ever is.
"""

from __future__ import annotations

from pathlib import Path

from virtual_pole.commands import output
from virtual_pole.street import CONTROL_ROUTER, POLES_ROUTER, STRANGER, Place, Street
from virtual_pole.troubles import PoleFailed

_NAMESPACES = Path("/run/netns")
_BRIDGES = (("poles", POLES_ROUTER), ("control", CONTROL_ROUTER))


def in_namespace(namespace: str, *command: str) -> list[str]:
    """The command line that runs a command in a network namespace."""
    return ["nsenter", f"--net={_NAMESPACES / namespace}", "--", *command]


def is_laid(namespace: str) -> bool:
    """Whether the namespace is there."""
    return (_NAMESPACES / namespace).exists()


def lay_laptop(street: Street) -> None:
    """The laptop: a bridge to the poles, one to the control room, forwarding between them.

    Raises:
        PoleFailed: a namespace has the name that was not made from here.
    """
    if not _claim(street, street.laptop):
        return
    _ip("netns", "add", street.laptop)
    here = ("-n", street.laptop)
    _ip(*here, "link", "set", "lo", "up")
    for bridge, address in _BRIDGES:
        _ip(*here, "link", "add", bridge, "type", "bridge")
        _ip(*here, "addr", "add", f"{address}/24", "dev", bridge)
        _ip(*here, "link", "set", bridge, "up")
    _ip(*here, "addr", "add", f"{STRANGER}/24", "dev", "poles")
    output(in_namespace(street.laptop, "sysctl", "-qw", "net.ipv4.ip_forward=1"))
    _finish(street, street.laptop)


def lay_machine(street: Street, place: Place) -> None:
    """A machine's own namespace and its cable to the laptop.

    Args:
        street: whose.
        place: the machine's.

    Raises:
        PoleFailed: a namespace has the name that was not made from here.
    """
    namespace = street.namespace(place.name)
    if not _claim(street, namespace):
        return
    _ip("netns", "add", namespace)
    here, laptop = ("-n", namespace), ("-n", street.laptop)
    _ip(*laptop, "link", "add", place.name, "type", "veth", "peer", "name", "host0",
        "address", place.hardware_address, "netns", namespace)  # fmt: skip
    _ip(*laptop, "link", "set", place.name, "master", place.bridge)
    _ip(*laptop, "link", "set", place.name, "up")
    _ip(*here, "link", "set", "lo", "up")
    _ip(*here, "addr", "add", f"{place.address}/24", "dev", "host0")
    _ip(*here, "link", "set", "host0", "up")
    _ip(*here, "route", "add", "default", "via", place.router)
    _finish(street, namespace)


def remove(street: Street) -> None:
    """Every namespace that was made from here, whole or in part; with them, all cables."""
    for record in sorted(_records(street).glob("*")):
        if is_laid(record.name.removesuffix(_MAKING)):
            _ip("netns", "del", record.name.removesuffix(_MAKING))
        record.unlink()


_MAKING = ".making"


def _claim(street: Street, namespace: str) -> bool:
    """Write down that it is being made; False where it is made already."""
    records = _records(street)
    records.mkdir(parents=True, exist_ok=True)
    making, made = records / f"{namespace}{_MAKING}", records / namespace
    if made.exists() and is_laid(namespace):
        return False
    if making.exists() and is_laid(namespace):
        # Half laid when its run was killed.
        _ip("netns", "del", namespace)
    if is_laid(namespace):
        raise PoleFailed(
            f"there is a network namespace {namespace} that {street.state} knows nothing of;"
            f" where nobody uses it: ip netns del {namespace}"
        )
    made.unlink(missing_ok=True)
    making.touch()
    return True


def _finish(street: Street, namespace: str) -> None:
    records = _records(street)
    (records / f"{namespace}{_MAKING}").rename(records / namespace)


def _records(street: Street) -> Path:
    return street.state / "namespaces"


def _ip(*arguments: str) -> None:
    output(["ip", *arguments])
