"""Filters of the playbooks; what they do is in pole_inventory, without Ansible."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from ansible.parsing.ajson import AnsibleJSONEncoder

# Ansible loads this file alone, from whatever folder it was started in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pole_inventory.board import board_mistakes, machine_mistakes, told_words
from pole_inventory.bundle_sums import bundle_sums
from pole_inventory.checked import (
    CONTROL_ROOM_ROLES,
    WITNESS_ROLES,
    checked,
    machines_checked,
)
from pole_inventory.firewall import firewall_addresses
from pole_inventory.fleet import Pole
from pole_inventory.health import failed_findings, unwell
from pole_inventory.node_document import node_toml, password_file
from pole_inventory.overlays import compiled

#: Ansible's own variables that preflight looks at.
_THEIRS = frozenset(
    {"ansible_host", "ansible_port", "ansible_user", "ansible_ssh_private_key_file"}
)
#: Who of each group's hosts dials the broker, and at which of its doors; the control room's own
#: parts do so within the machine.
_DIALLERS: Mapping[str, tuple[str, int]] = {
    "poles": ("roeh-publish", 8883),
    "control_room": ("", 8883),
    "witness": ("roeh-witness", 8884),
}


def _plain(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that matter; Ansible's own mappings, lazy and tagged, as plain ones."""
    ours = {
        name: variables[name] for name in variables if name.startswith("roeh_") or name in _THEIRS
    }
    return cast(dict[str, Any], json.loads(json.dumps(ours, cls=AnsibleJSONEncoder)))


def roeh_mistakes(
    names: list[str],
    hostvars: Mapping[str, Mapping[str, Any]],
    control_rooms: list[str],
    sources: list[str],
) -> list[str]:
    """Every mistake of the poles `names`, a line each; see pole_inventory.checked."""
    poles = [Pole(str(name), _plain(hostvars[name])) for name in names]
    found = checked(poles, control_rooms=control_rooms, sources=[str(path) for path in sources])
    return [mistake.line() for mistake in found]


def roeh_board_mistakes(told: str, name: str, variables: Mapping[str, Any]) -> list[str]:
    """What the board of the pole `name` said that does not fit, a line each."""
    return [mistake.line() for mistake in board_mistakes(told, Pole(name, _plain(variables)))]


def roeh_control_room_mistakes(
    names: list[str], hostvars: Mapping[str, Mapping[str, Any]], sources: list[str]
) -> list[str]:
    """Every mistake of the control rooms `names`, a line each."""
    rooms = [Pole(str(name), _plain(hostvars[name])) for name in names]
    found = machines_checked(rooms, CONTROL_ROOM_ROLES, sources=[str(path) for path in sources])
    return [mistake.line() for mistake in found]


def roeh_witness_mistakes(
    names: list[str], hostvars: Mapping[str, Mapping[str, Any]], sources: list[str]
) -> list[str]:
    """Every mistake of the witnesses `names`, a line each."""
    witnesses = [Pole(str(name), _plain(hostvars[name])) for name in names]
    found = machines_checked(witnesses, WITNESS_ROLES, sources=[str(path) for path in sources])
    return [mistake.line() for mistake in found]


def roeh_machine_mistakes(told: str, name: str, variables: Mapping[str, Any]) -> list[str]:
    """What the control room `name` said that does not fit, a line each."""
    found = machine_mistakes(told_words(told), Pole(name, _plain(variables)))
    return [mistake.line() for mistake in found]


def roeh_node_toml(variables: Mapping[str, Any], name: str) -> str:
    """node.toml of the pole `name` from its variables."""
    return node_toml(name, _plain(variables))


def roeh_firewall_addresses(variables: Mapping[str, Any], group: str) -> str:
    """The addresses of the firewall of this host, which is in the group."""
    dialler, broker_port = _DIALLERS[group]
    ours = _plain(variables)
    if group != "poles":
        ours.pop("roeh_log_host", None)  # poles alone send their journals
    return firewall_addresses(ours, dialler=dialler, broker_port=broker_port)


def roeh_overlay_file(source: str, folder: str) -> dict[str, str]:
    """An overlay of a board as roeh_files takes it, compiled here; FAT has no modes."""
    return {
        "path": f"{folder}/{Path(source).stem}.dtbo",
        "content_base64": base64.b64encode(compiled(source)).decode("ascii"),
        "mode": "" if folder.startswith("/boot/firmware") else "0644",
    }


def roeh_bundle_sums(bundle: str) -> str:
    """Sums of all files of the bundle, as sha256sum checks them."""
    return bundle_sums(Path(bundle))


class FilterModule:
    """What Ansible asks this file for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names in templates."""
        return {
            "roeh_board_mistakes": roeh_board_mistakes,
            "roeh_bundle_sums": roeh_bundle_sums,
            "roeh_control_room_mistakes": roeh_control_room_mistakes,
            "roeh_failed_findings": failed_findings,
            "roeh_firewall_addresses": roeh_firewall_addresses,
            "roeh_machine_mistakes": roeh_machine_mistakes,
            "roeh_mistakes": roeh_mistakes,
            "roeh_node_toml": roeh_node_toml,
            "roeh_overlay_file": roeh_overlay_file,
            "roeh_password_file": password_file,
            "roeh_unwell": unwell,
            "roeh_witness_mistakes": roeh_witness_mistakes,
        }
