"""Variables against what the roles' meta/argument_specs.yml say, all roles at once.

Ansible validates a role's arguments when the role begins: too late, for other roles have changed
the pole by then. It does not know either which of ours nobody asks for.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from pole_inventory.mistakes import Mistake

_ROLES = Path(__file__).resolve().parents[2] / "roles"


def options_of(roles: list[str]) -> dict[str, Any]:
    """Every option of the roles, by the variable's name."""
    options: dict[str, Any] = {}
    for role in roles:
        path = _ROLES / role / "meta/argument_specs.yml"
        specification = yaml.safe_load(path.read_text(encoding="utf-8"))
        for name, option in specification["argument_specs"]["main"].get("options", {}).items():
            known = options.setdefault(name, option)
            if option.get("required"):
                options[name] = {**known, "required": True}
    return options


def known_variables() -> set[str]:
    """Variables that some role asks for."""
    return set(
        options_of([path.parents[1].name for path in _ROLES.glob("*/meta/argument_specs.yml")])
    )


def specified(
    host: str, variables: Mapping[str, Any], options: Mapping[str, Any]
) -> Iterator[Mistake]:
    """Variables of a wrong type or with a wrong choice, and those that are not there."""
    for name, option in options.items():
        if name not in variables and not option.get("required"):
            continue
        if name not in variables:
            yield Mistake(host, name, "it is not set", _described(option))
            continue
        validated = ArgumentSpecValidator({name: _plain(option)}).validate({name: variables[name]})
        for message in validated.error_messages:
            yield Mistake(host, name, message.rstrip("."), _described(option))


def unknown(host: str, variables: Mapping[str, Any], known: set[str]) -> Iterator[Mistake]:
    """Variables of ours that no role asks for: most likely a slip of the pen."""
    for name in sorted(variables.keys() - known):
        if name.startswith("roeh_"):
            near = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {near[0]}?" if near else "take it out"
            yield Mistake(host, name, "a variable that no role knows", remedy)


def _described(option: Mapping[str, Any]) -> str:
    description = option.get("description", "")
    text = description if isinstance(description, str) else " ".join(description)
    return f"it is: {text.rstrip('.')}" if text else "see the role's argument_specs.yml"


def _plain(option: Mapping[str, Any]) -> dict[str, Any]:
    """An option as the validator takes it: `options` for what documents call so, no words."""
    kept = ("type", "elements", "choices", "required")
    plain: dict[str, Any] = {key: option[key] for key in kept if key in option}
    if "options" in option:
        plain["options"] = {name: _plain(inner) for name, inner in option["options"].items()}
    return plain
