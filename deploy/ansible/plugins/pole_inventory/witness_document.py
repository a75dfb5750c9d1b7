"""A witness's variables as its witness.toml: the same keys, a few that the role says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pole_inventory.node_document import METRICS_DIR, merged, toml_of

_CERTIFICATE = "/etc/roeh/witness.pem"
#: Where its unit, user and certificate are: the role puts them there, so nobody else says it.
_FIXED: Mapping[str, Mapping[str, Any]] = {
    "broker": {
        "port": 8884,
        "tls": {
            "ca_file": "/etc/roeh/broker-ca.pem",
            "certificate_file": _CERTIFICATE,
            "key_file": _CERTIFICATE,
        },
    },
    "witness": {"state_dir": "/var/lib/roeh-witness", "ca_file": "/etc/roeh/root-ca.pem"},
    "metrics": {"dir": METRICS_DIR},
}


def witness_document(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What witness.toml is to say, as TOML's tables.

    Args:
        variables: of the host, templated.
    """
    document = merged(variables.get("roeh_witness_settings") or {}, _FIXED)
    document["broker"]["host"] = variables["roeh_broker_host"]
    document["witness"]["name"] = variables["roeh_witness_name"]
    return document


def witness_toml(name: str, variables: Mapping[str, Any]) -> str:
    """The same as TOML, with a head that says where to change it."""
    head = f"# Written by Ansible from the inventory's {name}: what is changed here is lost.\n\n"
    return head + toml_of(witness_document(variables))
