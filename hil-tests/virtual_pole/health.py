"""Whether a provisioned pole is well: as its doctor says, and by what listens on it."""

from __future__ import annotations

import msgspec

from virtual_pole.listening import Listener, listeners, reachable_ports
from virtual_pole.machine import Machine
from virtual_pole.street import POLES_ROUTER, STRANGER, Street
from virtual_pole.troubles import PoleFailed

#: What edge/design/provisioning.md says that listens on a pole: protocol, whether on the loopback
#: alone, port.
MAY_LISTEN = frozenset({("tcp", False, 22), ("tcp", True, 8440), ("tcp", False, 8443)})
#: Of these, what the laptop may reach: sshd, and the page for people.
FROM_LAPTOP = (22, 8443)


class Finding(msgspec.Struct, frozen=True):
    """A line of `roeh doctor --json`, as far as it is looked at here."""

    check: str
    verdict: str
    code: str
    what: str


def findings(pole: Machine) -> tuple[Finding, ...]:
    """What the doctor says on a pole, good and bad.

    Raises:
        PoleFailed: it says nothing that can be read.
    """
    said = pole.run("roeh doctor -c /etc/roeh/node.toml --json || true")
    try:
        found = tuple(msgspec.json.decode(line, type=Finding) for line in said.splitlines())
    except msgspec.DecodeError as error:
        raise PoleFailed(f"the doctor's lines are not what they should be: {error}") from None
    if not found:
        raise PoleFailed(f"roeh doctor says nothing on {pole.name}")
    return found


def doctor(pole: Machine) -> str:
    """How many checks the doctor made on a pole, in words.

    Raises:
        PoleFailed: one of them failed; it is named.
    """
    found = findings(pole)
    bad = [one for one in found if one.verdict == "FAIL"]
    if bad:
        words = "; ".join(f"{one.code}: {one.what}" for one in bad)
        raise PoleFailed(f"roeh doctor on {pole.name}: {words}")
    return f"{len(found)} checks, none failed"


def only_what_may_listen(street: Street, pole: Machine) -> str:
    """What listens on a pole is what the table says, from inside and from others' networks.

    Raises:
        PoleFailed: something else listens or is reached, or something is missing.
    """
    inside = {kind_of(one) for one in listeners(pole)}
    if inside != MAY_LISTEN:
        raise PoleFailed(f"on {pole.name} listens {sorted(inside)}, and may {sorted(MAY_LISTEN)}")
    for source, may in ((POLES_ROUTER, FROM_LAPTOP), (STRANGER, ())):
        reached = reachable_ports(street, source, pole.place.address)
        if reached != may:
            raise PoleFailed(f"{source} reaches {reached} of {pole.name}, and may {may}")
    return f"{len(inside)} sockets, {len(FROM_LAPTOP)} ports for the laptop, none for a stranger"


def kind_of(listener: Listener) -> tuple[str, bool, int]:
    """As the table has it: protocol, whether on the loopback alone, port."""
    is_loopback = listener.address.startswith("127.") or listener.address == "::1"
    return (listener.protocol, is_loopback, listener.port)
