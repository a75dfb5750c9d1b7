"""A pole's variables as its node.toml: the same keys, a few under other names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomli_w

#: Where the node exporter looks, on every machine (roles/observability/files/node-exporter).
METRICS_DIR = "/var/lib/roeh/metrics"
#: Where units, users and certificates are: the roles put them there, so nobody else says it.
FIXED: Mapping[str, Mapping[str, Any]] = {
    "paths": {"data_dir": "/var/lib/roeh/data", "run_dir": "/run/roeh"},
    "keys": {"tls_dir": "/var/lib/roeh/tls", "retrieve_tls_dir": "/var/lib/roeh/https"},
    "access": {"exports_dir": "/var/lib/roeh/exports"},
    "metrics": {"dir": METRICS_DIR},
    "broker": {"tls": {"ca_file": "/etc/roeh/broker-ca.pem"}},
    "desk": {"keys_file": "/etc/roeh/desk.keys"},
    "users": {
        "capture": "roeh-capture",
        "detect": "roeh-detect",
        "evidence": "roeh-evidence",
        "publish": "roeh-publish",
        "retrieve": "roeh-retrieve",
        "supervise": "root",
        "custody": "root",
        "usb": "roeh-usb",
    },
}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {"broker": {"port": 8883}}

#: Variable and key in it -> key of [node].
PLACE_KEYS: Mapping[tuple[str, str], str] = {
    ("roeh_heading", "deg"): "heading_deg",
    ("roeh_heading", "sigma_deg"): "heading_sigma_deg",
    ("roeh_heading", "from"): "north_from",
    ("roeh_place", "latitude_deg"): "latitude_deg",
    ("roeh_place", "longitude_deg"): "longitude_deg",
    ("roeh_place", "position_sigma_m"): "position_sigma_m",
    ("roeh_place", "time_zone"): "time_zone",
}
#: Variables that are lists of tables -> the table.
LISTS: Mapping[str, str] = {
    "roeh_sensors": "sensors",
    "roeh_zones": "zones",
    "roeh_lines": "lines",
    "roeh_schedules": "schedules",
    "roeh_operations": "operations",
    "roeh_outputs": "outputs",
    "roeh_rules": "rules",
}
#: Sections that have variables of their own, hence no place in roeh_settings.
OWN_SECTIONS = frozenset({"node", *LISTS.values(), "users", "paths"})

#: Sections whose only variable is roeh_settings.
SETTINGS = (
    "detect", "evidence", "keys", "outbox", "broker", "desk", "metrics", "retrieve", "access",
    "supervise",
)  # fmt: skip


def node_document(name: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """What node.toml is to say, as TOML's tables.

    Args:
        name: the inventory's name of the host, which is the pole's.
        variables: its variables, templated.
    """
    document: dict[str, Any] = {"node": _node(name, variables)}
    settings = variables.get("roeh_settings") or {}
    for layer in (_DEFAULTS, settings, FIXED):
        document = merged(document, layer)
    if host := variables.get("roeh_broker_host"):
        document["broker"]["host"] = host
    if document["access"].get("host"):
        document["access"].setdefault("root_file", "/etc/roeh/root-ca.pem")
        document["access"].setdefault("trust_file", "/etc/roeh/trust-list.p7m")
    for variable, table in LISTS.items():
        if variables.get(variable):
            document[table] = variables[variable]
    return document


def node_toml(name: str, variables: Mapping[str, Any]) -> str:
    """The same as TOML, with a head that says where to change it."""
    head = f"# Written by Ansible from the inventory's {name}: what is changed here is lost.\n\n"
    return head + toml_of(node_document(name, variables))


def toml_of(document: Mapping[str, Any]) -> str:
    """TOML of tables."""
    text: str = tomli_w.dumps(document)
    return text


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables laid over each other, key by key; what is no table replaces."""
    together = {**under, **over}
    for key in under.keys() & over.keys():
        if isinstance(under[key], Mapping) and isinstance(over[key], Mapping):
            together[key] = merged(under[key], over[key])
    return together


def _node(name: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    node: dict[str, Any] = {"name": name}
    if "roeh_site" in variables:
        node["site"] = variables["roeh_site"]
    for (variable, key), field in PLACE_KEYS.items():
        table = variables.get(variable) or {}
        if isinstance(table, Mapping) and key in table:
            node[field] = table[key]
    return node


def password_file(entry: Mapping[str, str]) -> dict[str, str]:
    """The file of a network camera's password, as roeh_files takes it; capture's alone."""
    return {
        "path": f"/etc/roeh/cameras/{entry['key']}.password",
        "content": entry["value"],
        "owner": "roeh-capture",
        "mode": "0400",
    }
