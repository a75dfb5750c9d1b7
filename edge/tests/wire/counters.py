"""Bytes of IP packets between a pole and its broker, each way, in a network of the test's own.

Run in a network namespace made for it (`unshare --net`): the loopback in it is cut into packets
as an Ethernet cuts them, and counted by nftables. An Ethernet frame adds 18 bytes to each packet,
a mobile link its own.
"""

from __future__ import annotations

import json
import subprocess

import msgspec

_MTU_BYTES = 1500
_RULES = """
table ip wire
delete table ip wire
table ip wire {{
    chain leaving {{
        type filter hook output priority 0
        tcp dport {port} counter comment "up"
        tcp sport {port} counter comment "down"
    }}
}}
"""


class Carried(msgspec.Struct, frozen=True):
    """What passed: IP headers, TCP headers, TLS and MQTT included."""

    up_bytes: int
    down_bytes: int
    up_packets: int
    down_packets: int

    def since(self, before):
        """What passed after `before`."""
        return Carried(
            *(getattr(self, name) - getattr(before, name) for name in Carried.__struct_fields__)
        )

    @property
    def total_bytes(self):
        """Both ways."""
        return self.up_bytes + self.down_bytes


def prepare_loopback():
    """Bring the namespace's loopback up, with packets as small as on an Ethernet."""
    _run("ip", "link", "set", "lo", "up", "mtu", str(_MTU_BYTES))
    # No packet larger than the wire's, in the name of speed.
    _run("ip", "link", "set", "lo", "gso_max_size", str(_MTU_BYTES), "gso_max_segs", "1")


def count_from_now(port):
    """Count from zero what goes to and comes from this port."""
    subprocess.run(["nft", "-f", "-"], input=_RULES.format(port=port), text=True, check=True)


def carried():
    """What passed so far."""
    found = {}
    for entry in json.loads(_run("nft", "-j", "list", "table", "ip", "wire"))["nftables"]:
        rule = entry.get("rule")
        if rule:
            counter = next(one["counter"] for one in rule["expr"] if "counter" in one)
            found[rule["comment"]] = counter
    up, down = found["up"], found["down"]
    return Carried(up["bytes"], down["bytes"], up["packets"], down["packets"])


def _run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
