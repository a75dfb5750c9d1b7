"""Filters of the playbooks; what they do is in pole_inventory, without Ansible."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from ansible.parsing.ajson import AnsibleJSONEncoder

# Ansible loads this file alone, from whatever folder it was started in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pole_inventory.bundle_sums import bundle_sums  # noqa: E402 - the line above
from pole_inventory.firewall import firewall_addresses  # noqa: E402
from pole_inventory.node_document import node_toml  # noqa: E402


def _plain(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that are ours; Ansible's own mappings, lazy and tagged, as plain ones."""
    ours = {name: variables[name] for name in variables if name.startswith("roeh_")}
    return cast(dict[str, Any], json.loads(json.dumps(ours, cls=AnsibleJSONEncoder)))


def roeh_node_toml(variables: Mapping[str, Any], name: str) -> str:
    """node.toml of the pole `name` from its variables."""
    return node_toml(name, _plain(variables))


def roeh_firewall_addresses(variables: Mapping[str, Any]) -> str:
    """The addresses of the firewall of this host."""
    return firewall_addresses(_plain(variables))


def roeh_bundle_sums(bundle: str) -> str:
    """Sums of all files of the bundle, as sha256sum checks them."""
    return bundle_sums(Path(bundle))


class FilterModule:
    """What Ansible asks this file for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names in templates."""
        return {
            "roeh_bundle_sums": roeh_bundle_sums,
            "roeh_firewall_addresses": roeh_firewall_addresses,
            "roeh_node_toml": roeh_node_toml,
        }
