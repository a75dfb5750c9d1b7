"""Whether a firewall is loaded that drops what nobody asked for."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from roeh.core.clock import Clock
from roeh.doctor.codes import Code
from roeh.doctor.finding import Outcome, doubtful, good
from roeh.doctor.machine_view import MachineView


class _Chain(msgspec.Struct, frozen=True):
    """A chain as nft(8) lists it in JSON (libnftables-json(5))."""

    table: str
    name: str
    hook: str = ""
    policy: str = ""


class _Item(msgspec.Struct, frozen=True):
    chain: _Chain | None = None


class _Ruleset(msgspec.Struct, frozen=True):
    nftables: tuple[_Item, ...]


def check_firewall(view: MachineView, _clock: Clock) -> Iterator[Outcome]:
    """A chain at `input` whose policy is drop."""
    answer = view.tool("nft", "-j", "list", "chains")
    if answer is None:
        yield doubtful(Code.FIREWALL_OFF, "nftables is not installed, or does not answer")
        return
    if answer.status != 0:
        said = (answer.err.strip().splitlines() or ["no reason given"])[0]
        yield good(f"not to be seen from here, root may ({said})")
        return
    try:
        ruleset = msgspec.json.decode(answer.out, type=_Ruleset)
    except msgspec.MsgspecError:
        yield doubtful(Code.FIREWALL_OFF, "nft says what nobody can read")
        return
    chains = [item.chain for item in ruleset.nftables if item.chain is not None]
    drops = [f"{c.table} {c.name}" for c in chains if c.hook == "input" and c.policy == "drop"]
    if drops:
        yield good(f"loaded; {', '.join(drops)} drops what is not let in")
    else:
        yield doubtful(Code.FIREWALL_OFF, "no chain drops what comes in")
