"""Addresses of the firewall, from the networks and hosts that the inventory names."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_EVERYBODY = ("0.0.0.0/0", "::/0")
#: Name in the firewall -> the inventory's list of networks.
NETWORKS: Mapping[str, str] = {
    "management": "roeh_management_networks",
    "access": "roeh_access_networks",
    "metrics": "roeh_metrics_networks",
    "cameras": "roeh_camera_networks",
    "name_servers": "roeh_name_servers",
}
#: Name in the firewall -> the inventory's host or hosts, which may be names.
HOSTS: Mapping[str, str] = {
    "broker": "roeh_broker_host",
    "time_servers": "roeh_time_servers",
    "log_sink": "roeh_log_host",
}


def firewall_addresses(variables: Mapping[str, Any], *, dialler: str, broker_port: int) -> str:
    """roeh-addresses.nft: each set for IPv4 and IPv6 apart; nobody is `{ }`.

    A host that is a name without an address in roeh_host_addresses is everybody at its port:
    the firewall asks no name server.

    Args:
        variables: of the host, templated.
        dialler: the user who dials the broker beside root; empty: nobody. The rules are not
            taken with a user who is not there.
        broker_port: where the broker is dialled, unless the settings say another.

    Raises:
        ValueError: something that is no address and no network.
    """
    lines = ["# Written by Ansible from the inventory: who the firewall's names are."]
    for name, variable in NETWORKS.items():
        lines.extend(_defines(name, _listed(variables.get(variable))))
    known = variables.get("roeh_host_addresses") or {}
    for name, variable in HOSTS.items():
        addresses: list[str] = []
        for host in _listed(variables.get(variable)):
            addresses.extend(_addresses(str(known.get(host, host))))
        lines.extend(_defines(name, addresses))
    settings = variables.get("roeh_settings") or {}
    access_port = settings.get("access", {}).get("port", 8443)
    broker_port = settings.get("broker", {}).get("port", broker_port)
    lines.append(f"define access_port = {int(access_port)}")
    lines.append(f"define broker_ports = {{ {int(broker_port)} }}")
    users = f"root, {dialler}" if dialler else "root"
    lines.append(f"define broker_users = {{ {users} }}")
    lines.append("define log_port = 19532")
    return "\n".join(lines) + "\n"


def _listed(value: object) -> Sequence[str]:
    if not value:
        return ()
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]


def _addresses(host: str) -> Iterable[str]:
    try:
        return (str(ipaddress.ip_network(host)),)
    except ValueError:
        return _EVERYBODY


def _defines(name: str, networks: Iterable[str]) -> list[str]:
    parsed = [ipaddress.ip_network(network) for network in networks]
    of_version = {
        version: ", ".join(str(network) for network in parsed if network.version == version)
        for version in (4, 6)
    }
    return [f"define {name}{version} = {{ {listed} }}" for version, listed in of_version.items()]
