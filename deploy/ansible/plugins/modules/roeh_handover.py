"""Takes over what a key keeper brings on a stick, without its passing through the laptop.

Runs on the control room's host with the system's Python. Everything is looked at before
anything is written, and every file that is missing both on the stick and in place is named.
A file is written beside its destination, flushed, and renamed; a directory likewise, and one
that is in place stays as it is: a CA's directory lives on after it was brought.
"""

from __future__ import annotations

import filecmp
import grp
import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: roeh_handover
short_description: Takes over files and directories from a stick at the host itself
description:
  - Copies each file whose content differs, and each directory that is not in place yet.
  - What is on neither side is named, all of it, before anything is written.
options:
  source:
    description: Where the stick is mounted. It need not be there once all is in place.
    type: path
    required: true
  files:
    description: The files.
    type: list
    elements: dict
    default: []
    suboptions:
      from: {description: Path on the stick, type: str, required: true}
      path: {description: Where to, type: path, required: true}
      owner: {description: User, type: str, default: root}
      group: {description: Group, type: str, default: root}
      mode: {description: Octal mode, type: str, default: "0644"}
      optional: {description: May be on neither side, type: bool, default: false}
  trees:
    description: Directories, taken over once; root's alone.
    type: list
    elements: dict
    default: []
    suboptions:
      from: {description: Path on the stick, type: str, required: true}
      path: {description: Where to, type: path, required: true}
author: [Roeh]
"""
EXAMPLES = r"""
- name: The node CA
  roeh_handover:
    source: /media/stick
    trees:
      - {from: nodes, path: /var/lib/roeh-ca/nodes}
"""
RETURN = r"""
changed_files:
  description: Paths written.
  returned: always
  type: list
  elements: str
"""


@dataclass(frozen=True)
class Wanted:
    """A file or directory, where from and where to."""

    source: Path
    path: Path
    is_tree: bool
    is_optional: bool
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644

    def is_missing(self) -> bool:
        """Whether it is on neither side, and has to be."""
        return not (self.is_optional or self.source.exists() or self.path.exists())

    def is_in_place(self) -> bool:
        """Whether nothing is to be done."""
        if self.is_tree:
            return self.path.exists()
        if not self.path.exists():
            return not self.source.exists()
        if self.source.exists() and not filecmp.cmp(self.source, self.path, shallow=False):
            return False
        status = self.path.stat()
        return (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (
            pwd.getpwnam(self.owner).pw_uid,
            grp.getgrnam(self.group).gr_gid,
            self.mode,
        )

    def put(self) -> None:
        """Bring it into place."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if self.is_tree else 0o755)
        making = self.path.with_name(f".{self.path.name}.making")
        if self.is_tree:
            shutil.rmtree(making, ignore_errors=True)
            shutil.copytree(self.source, making)
            _make_roots_alone(making)
        else:
            content = (self.source if self.source.exists() else self.path).read_bytes()
            making.unlink(missing_ok=True)
            descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                uid, gid = pwd.getpwnam(self.owner).pw_uid, grp.getgrnam(self.group).gr_gid
                os.fchown(stream.fileno(), uid, gid)
                os.fchmod(stream.fileno(), self.mode)
                stream.flush()
                os.fsync(stream.fileno())
        making.replace(self.path)
        _flush(self.path.parent)


def main() -> None:
    """The module: parameters in, changed files out."""
    file_options = {
        "from": {"type": "str", "required": True},
        "path": {"type": "path", "required": True},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
        "mode": {"type": "str", "default": "0644"},
        "optional": {"type": "bool", "default": False},
    }
    tree_options = {
        "from": {"type": "str", "required": True},
        "path": {"type": "path", "required": True},
    }
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "dict", "default": [], "options": file_options},
            "trees": {"type": "list", "elements": "dict", "default": [], "options": tree_options},
        },
        supports_check_mode=True,
    )
    source = Path(module.params["source"])
    wanted = [
        Wanted(source / each["from"], Path(each["path"]), is_tree=True, is_optional=False)
        for each in module.params["trees"]
    ] + [
        Wanted(
            source / each["from"],
            Path(each["path"]),
            is_tree=False,
            is_optional=each["optional"],
            owner=each["owner"],
            group=each["group"],
            mode=int(each["mode"], 8),
        )
        for each in module.params["files"]
    ]
    missing = [f"{each.source} (for {each.path})" for each in wanted if each.is_missing()]
    if missing:
        module.fail_json(
            msg="the key keeper has not brought: "
            + ", ".join(missing)
            + "; edge/docs/keys.md and edge/docs/broker.md say how each is made"
        )
    if module.check_mode:
        # Users may not be there yet in a run that is only tried.
        module.exit_json(changed=False, changed_files=[])
    changed = [each for each in wanted if not each.is_in_place()]
    for each in changed:
        each.put()
    module.exit_json(changed=bool(changed), changed_files=[str(each.path) for each in changed])


def _make_roots_alone(directory: Path) -> None:
    """Owner, modes, and everything on the disk."""
    for path in [directory, *sorted(directory.rglob("*"))]:
        os.chown(path, 0, 0, follow_symlinks=False)
        path.chmod(0o700 if path.is_dir() else 0o600)
        _flush(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
