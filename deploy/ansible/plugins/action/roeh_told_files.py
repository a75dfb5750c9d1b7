"""Files that a host told, onto the laptop: lines `file NAME BASE64` among others.

Nothing is asked of the host again, so a folder of them costs no more than the task that told.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """Writes what differs."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """As Ansible calls it; `told` and `directory` are the task's."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        directory = Path(str(self._task.args["directory"]))
        found = told_files(str(self._task.args["told"]))
        changed = [
            name
            for name, content in found.items()
            if not (directory / name).is_file() or (directory / name).read_bytes() != content
        ]
        if changed and not self._task.check_mode:
            directory.mkdir(parents=True, exist_ok=True)
            for name in changed:
                staged = directory / f".{name}.new"
                staged.write_bytes(found[name])
                staged.replace(directory / name)
        result.update(changed=bool(changed), changed_files=changed)
        return result


def told_files(told: str) -> dict[str, bytes]:
    """Name and content of each.

    Raises:
        AnsibleActionFail: a line is none, or a name leads elsewhere.
    """
    found: dict[str, bytes] = {}
    for line in told.splitlines():
        if not line.startswith("file "):
            continue
        try:
            _, name, encoded = line.split(" ")
            found[name] = base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error) as error:
            raise AnsibleActionFail(f"not `file NAME BASE64`: {line[:80]!r}") from error
        if Path(name).name != name or name.startswith("."):
            raise AnsibleActionFail(f"{name!r} is no name of a file")
    return found
