"""A control room's variables as its desk.toml: the same keys, a few that the roles say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pole_inventory.node_document import METRICS_DIR, merged, toml_of

_DATA_DIR = "/var/lib/roeh-desk"
#: PostgreSQL over its socket: who the system says that one is, and no password.
_POSTGRESQL = "postgresql://roeh-desk@/roeh?host=/run/postgresql"
#: Where units, users and certificates are: the roles put them there, so nobody else says it.
_FIXED: Mapping[str, Mapping[str, Any]] = {
    "paths": {"data_dir": _DATA_DIR},
    "broker": {"port": 8884, "tls": {"ca_file": "/etc/roeh/broker-ca.pem"}},
    "metrics": {"dir": METRICS_DIR},
}
#: A witness belongs on a machine of somebody else's; its own file is witness.toml.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {"witness": {"enabled": False}}


def desk_document(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What desk.toml is to say, as TOML's tables.

    Args:
        variables: of the host, templated.
    """
    document: dict[str, Any] = {"name": variables["roeh_desk_name"]}
    settings = variables.get("roeh_desk_settings") or {}
    for table in {**_DEFAULTS, **_FIXED, **settings}:
        if isinstance(settings.get(table), list):
            document[table] = settings[table]
            continue
        document[table] = merged(
            merged(_DEFAULTS.get(table, {}), settings.get(table, {})), _FIXED.get(table, {})
        )
    document["broker"]["host"] = variables["roeh_broker_host"]
    if variables.get("roeh_desk_database", "postgresql") == "postgresql":
        document["database"] = {"url": _POSTGRESQL}
    return document


def desk_toml(name: str, variables: Mapping[str, Any]) -> str:
    """The same as TOML, with a head that says where to change it."""
    head = f"# Written by Ansible from the inventory's {name}: what is changed here is lost.\n\n"
    return head + toml_of(desk_document(variables))
