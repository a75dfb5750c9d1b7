"""The laptop's half of roeh_files: `src` is read here, so that tasks are tables of two paths."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

#: Where boards' and systems' files are in the checkout; `src` is below it, or begins with `/`.
_FIRMWARE = Path(__file__).resolve().parents[4] / "firmware-config"


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """Fills in contents, then runs the module on the pole."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """As Ansible calls it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        arguments["files"] = [_filled(dict(entry)) for entry in arguments.get("files", [])]
        result.update(
            self._execute_module(
                module_name="roeh_files", module_args=arguments, task_vars=task_vars
            )
        )
        return result


def _filled(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry with its content, and without `src`."""
    source = entry.pop("src", None)
    if source is None:
        return entry
    path = _FIRMWARE / str(source)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AnsibleActionFail(
            f"{entry.get('path')}: cannot read {path}: {error.strerror}"
        ) from error
    try:
        entry["content"] = content.decode("utf-8")
    except UnicodeDecodeError:
        entry["content_base64"] = base64.b64encode(content).decode("ascii")
    if str(entry["path"]).endswith("/"):
        entry["path"] = f"{entry['path']}{path.name}"
    return entry
