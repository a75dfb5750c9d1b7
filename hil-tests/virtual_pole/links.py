"""Links cut and slowed, from the laptop that routes between them.

What is cut is dropped without a word, as a cable that is pulled: nobody is told. A namespace's
rules end with it, so nothing of this outlives the street.
"""

from __future__ import annotations

from virtual_pole.commands import output
from virtual_pole.network import in_namespace
from virtual_pole.street import CONTROL_ROUTER, POLES_ROUTER, Street
from virtual_pole.troubles import PoleFailed

LAPTOP = "laptop"
_TABLE = "links"
#: Bytes that a slowed link holds back at most before it drops, as a modem's queue does.
_BURST_BYTES = 16_384
_QUEUE_MS = 400
MIN_RATE_BPS = 8_000


def cut(street: Street, one: str, other: str) -> None:
    """Nothing passes between two of the street any more, in either direction.

    Args:
        street: whose.
        one: a machine.
        other: a machine, or `laptop`, from which ssh comes too.
    """
    _lay_rules(street)
    _nft(street, f"add element inet {_TABLE} cut {{ {_pairs(street, one, other)} }}")


def mend(street: Street, one: str, other: str) -> None:
    """What was cut between two passes again; nothing where it was not cut.

    Args:
        street: whose.
        one: a machine.
        other: a machine, or `laptop`.
    """
    _lay_rules(street)
    # Added first: what is not in a set cannot be taken out.
    pairs = _pairs(street, one, other)
    _nft(
        street,
        f"add element inet {_TABLE} cut {{ {pairs} }}",
        f"delete element inet {_TABLE} cut {{ {pairs} }}",
    )


def slow(street: Street, name: str, rate_bps: int) -> None:
    """A machine's cable carries so much, each way; more waits, then is dropped.

    Args:
        street: whose.
        name: the machine.
        rate_bps: bits a second.

    Raises:
        PoleFailed: nothing would pass at such a rate.
    """
    if rate_bps < MIN_RATE_BPS:
        raise PoleFailed(f"a link of {rate_bps} bit/s: at least {MIN_RATE_BPS}, or cut it")
    for namespace, device in _ends(street, name):
        shape = (
            *("tc", "qdisc", "replace", "dev", device, "root", "tbf"),
            *("rate", f"{rate_bps}bit", "burst", str(_BURST_BYTES), "latency", f"{_QUEUE_MS}ms"),
        )
        output(in_namespace(namespace, *shape))


def free(street: Street, name: str) -> None:
    """A machine's cable is as quick as this host again.

    Args:
        street: whose.
        name: the machine.
    """
    for namespace, device in _ends(street, name):
        # Replaced by the default first: what was never slowed has nothing to take away.
        output(in_namespace(namespace, "tc", "qdisc", "replace", "dev", device, "root", "pfifo"))
        output(in_namespace(namespace, "tc", "qdisc", "del", "dev", device, "root"))


def mend_all(street: Street) -> None:
    """No link is cut or slowed any more."""
    _lay_rules(street)
    _nft(street, f"flush set inet {_TABLE} cut")
    for name in street.names:
        free(street, name)


def _ends(street: Street, name: str) -> tuple[tuple[str, str], ...]:
    place = street.place(name)
    return ((street.laptop, place.name), (street.namespace(place.name), "host0"))


def _pairs(street: Street, one: str, other: str) -> str:
    return ", ".join(
        f"{near} . {far}, {far} . {near}"
        for near in _addresses(street, one)
        for far in _addresses(street, other)
    )


def _addresses(street: Street, name: str) -> tuple[str, ...]:
    if name == LAPTOP:
        return (POLES_ROUTER, CONTROL_ROUTER)
    return (street.place(name).address,)


def _lay_rules(street: Street) -> None:
    """Table, set and chains where they are not there yet; said again they change nothing."""
    lines = [f"add table inet {_TABLE}"]
    lines.append(f"add set inet {_TABLE} cut {{ type ipv4_addr . ipv4_addr; }}")
    for hook in ("input", "forward", "output"):
        lines += (
            f"add chain inet {_TABLE} {hook} {{ type filter hook {hook} priority 0; }}",
            f"flush chain inet {_TABLE} {hook}",
            f"add rule inet {_TABLE} {hook} ip saddr . ip daddr @cut drop",
        )
    _nft(street, *lines)


def _nft(street: Street, *lines: str) -> None:
    """All of them in one transaction."""
    rules = "".join(f"{line}\n" for line in lines)
    output(in_namespace(street.laptop, "nft", "-f", "-"), given=rules.encode())
