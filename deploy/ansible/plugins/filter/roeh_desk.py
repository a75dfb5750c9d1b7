"""Filters of the control room's and the witness's roles; what they do is in pole_inventory."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.parsing.ajson import AnsibleJSONEncoder

# Ansible loads this file alone, from whatever folder it was started in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pole_inventory.desk_document import desk_toml
from pole_inventory.witness_document import witness_toml


def roeh_desk_toml(variables: Mapping[str, Any], name: str) -> str:
    """desk.toml of the control room `name` from its variables."""
    return desk_toml(name, json.loads(json.dumps(variables, cls=AnsibleJSONEncoder)))


def roeh_witness_toml(variables: Mapping[str, Any], name: str) -> str:
    """witness.toml of the witness `name` from its variables."""
    return witness_toml(name, json.loads(json.dumps(variables, cls=AnsibleJSONEncoder)))


class FilterModule:
    """What Ansible asks this file for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names in templates."""
        return {"roeh_desk_toml": roeh_desk_toml, "roeh_witness_toml": roeh_witness_toml}
