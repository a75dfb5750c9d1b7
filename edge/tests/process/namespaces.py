"""Two machines for a test: network namespaces with a cable between them that can be made bad.

The pole's side and the control room's side each have a network of their own; nothing of this
machine's is touched. Needs root, iproute2 and nftables.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess

import msgspec

POLE_ADDRESS = "10.77.0.1"
ROOM_ADDRESS = "10.77.0.2"
PACKAGES = ("iproute2", "nftables")

_LOSS = """
table ip loss {{
    chain arriving {{
        type filter hook input priority 0
        iifname "cable" {rule}
    }}
}}
"""
_COUNTERS = """
table ip bytes {
    chain arriving {
        type filter hook input priority -10
        iifname "cable" counter
    }
    chain leaving {
        type filter hook output priority -10
        oifname "cable" counter
    }
}
"""


class Carried(msgspec.Struct, frozen=True):
    """Bytes of IP packets, headers included, seen from the pole."""

    up_bytes: int
    down_bytes: int


class Cable:
    """The link between the two; both its ends see the same."""

    def __init__(self, name):
        self._sides = (f"{name}-pole", f"{name}-room")

    @property
    def pole(self):
        """What a command line begins with to run on the pole's side."""
        return ("ip", "netns", "exec", self._sides[0])

    @property
    def room(self):
        """Likewise on the control room's."""
        return ("ip", "netns", "exec", self._sides[1])

    def lay(self):
        for side in self._sides:
            _run("ip", "netns", "add", side)
        pole, room = self._sides
        _run(
            *("ip", "-n", pole, "link", "add", "cable", "type", "veth"),
            *("peer", "name", "cable", "netns", room),
        )
        for side, address in zip(self._sides, (POLE_ADDRESS, ROOM_ADDRESS), strict=True):
            _run("ip", "-n", side, "address", "add", f"{address}/24", "dev", "cable")
            for device in ("lo", "cable"):
                _run("ip", "-n", side, "link", "set", device, "up")

    def take_up(self):
        for side in self._sides:
            with contextlib.suppress(AssertionError):
                _run("ip", "netns", "delete", side)

    def limit(self, rate_bps):
        """No more than this rate, each way."""
        for side in self._sides:
            _run(
                *("tc", "-n", side, "qdisc", "replace", "dev", "cable", "root", "tbf"),
                *("rate", f"{rate_bps}bit", "burst", "16kb", "latency", "300ms"),
            )

    def lose(self, percent):
        """So many of a hundred packets are lost, each way; 100: the link is cut."""
        rule = "drop" if percent >= 100 else f"numgen random mod 100 < {percent} drop"
        table = _LOSS.format(rule=rule) if percent else ""
        for side in self._sides:
            _nft(side, f"add table ip loss\ndelete table ip loss\n{table}")

    def count(self):
        """Begin to count what is carried."""
        _nft(self._sides[0], _COUNTERS)

    def carried(self):
        text = _run(
            "ip", "netns", "exec", self._sides[0], "nft", "-j", "list", "table", "ip", "bytes"
        )
        found = {}
        for entry in json.loads(text)["nftables"]:
            rule = entry.get("rule")
            if rule:
                counters = [e["counter"] for e in rule["expr"] if "counter" in e]
                found[rule["chain"]] = counters[0]["bytes"]
        return Carried(up_bytes=found["leaving"], down_bytes=found["arriving"])


@contextlib.contextmanager
def two_machines(name=None):
    """A cable, taken up again at the end with all that was done to it."""
    cable = Cable(name or f"roeh{os.getpid()}")
    try:
        cable.lay()
        yield cable
    finally:
        cable.take_up()


def _nft(side, rules):
    command = ["ip", "netns", "exec", side, "nft", "-f", "-"]
    subprocess.run(command, input=rules, text=True, check=True, capture_output=True)


def _run(*command):
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout
