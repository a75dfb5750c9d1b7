"""The filter of the control room's roles; what it does is in pole_inventory, without Ansible."""

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


def roeh_desk_toml(variables: Mapping[str, Any], name: str) -> str:
    """desk.toml of the control room `name` from its variables."""
    return desk_toml(name, json.loads(json.dumps(variables, cls=AnsibleJSONEncoder)))


class FilterModule:
    """What Ansible asks this file for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names in templates."""
        return {"roeh_desk_toml": roeh_desk_toml}
