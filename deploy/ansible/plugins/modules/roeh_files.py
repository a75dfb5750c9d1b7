"""Puts many files in place at once: each validated first, each safe from a power cut.

Runs on the pole with the system's Python. Order, for all files of one task:

1. what differs is written beside its destination, flushed, with owner and mode;
2. every such file is shown to its tool; if one is refused, none is put in place;
3. each is renamed over its destination and the folder is flushed.

A run killed between two renames leaves whole files, old and new; the next run sees which are
old. `ansible.builtin.copy` flushes nothing: a power cut may leave an empty file behind.
"""

from __future__ import annotations

import base64
import contextlib
import grp
import os
import pwd
import shlex
import shutil
import tempfile
import time  # noqa: TID251 - Clock is the product's, and this runs before it is there
from dataclasses import dataclass
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: roeh_files
short_description: Puts many files in place at once, validated and flushed
description:
  - Writes each file beside its destination, validates all of them, then renames them into place.
  - If one is refused, none is put in place.
options:
  files:
    description: The files.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Where to, type: path, required: true}
      content: {description: What is in it, type: str}
      content_base64: {description: What is in it where that is no text, type: str}
      owner: {description: User, type: str, default: root}
      group: {description: Group, type: str, default: root}
      mode:
        description: Octal mode; empty for a file system that has neither owners nor modes (FAT).
        type: str
        default: "0644"
      validate:
        description: Command that refuses a wrong file by its status; C(%s) is the file.
        type: str
        default: ""
  verify_units:
    description: Shows what ends as a unit does to C(systemd-analyze verify), all at once.
    type: bool
    default: false
  absent:
    description: Files that are not to be there.
    type: list
    elements: path
    default: []
author: [Roeh]
"""
EXAMPLES = r"""
- name: Firewall
  roeh_files:
    files:
      - path: /etc/nftables.conf
        content: "{{ lookup('ansible.builtin.template', 'nftables.conf.j2') }}"
        validate: /usr/sbin/nft -c -f %s
"""
RETURN = r"""
changed_files:
  description: Paths written or removed.
  returned: always
  type: list
  elements: str
"""

#: What was staged so long ago belongs to a run that is no more.
_ABANDONED_S = 3600.0
_UNIT_SUFFIXES = (".service", ".target", ".mount", ".timer", ".path", ".socket")


@dataclass(frozen=True)
class WantedFile:
    """One file as the task states it; `content` in bytes."""

    path: Path
    content: bytes
    uid: int
    gid: int
    #: None where the file system has neither owners nor modes.
    mode: int | None
    validate: str

    def is_in_place(self) -> bool:
        """Whether content, owner and mode are as wanted, and it is a plain file."""
        try:
            status = self.path.lstat()
            return (
                self.path.is_file()
                and not self.path.is_symlink()
                and (self.mode is None or self._is_owned(status))
                and self.path.read_bytes() == self.content
            )
        except OSError:
            return False

    def _is_owned(self, status: os.stat_result) -> bool:
        found = (status.st_uid, status.st_gid, status.st_mode & 0o7777)
        return found == (self.uid, self.gid, self.mode)

    def stage(self, directory: Path) -> Path:
        """Writes it into `directory` under its own name, flushed; the staged path."""
        staged = directory / self.path.name
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(self.content)
            if self.mode is not None:
                os.fchown(stream.fileno(), self.uid, self.gid)
                os.fchmod(stream.fileno(), self.mode)
            stream.flush()
            os.fsync(stream.fileno())
        return staged


def main() -> None:
    """The module: parameters in, changed files out."""
    file_options = {
        "path": {"type": "path", "required": True},
        "content": {"type": "str"},
        "content_base64": {"type": "str"},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
        "mode": {"type": "str", "default": "0644"},
        "validate": {"type": "str", "default": ""},
    }
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": file_options,
                "required_one_of": [("content", "content_base64")],
            },
            "verify_units": {"type": "bool", "default": False},
            "absent": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    files = [_wanted(module, entry) for entry in module.params["files"]]
    changed = [wanted for wanted in files if not wanted.is_in_place()]
    surplus = [Path(path) for path in module.params["absent"] if os.path.lexists(path)]
    if not module.check_mode:
        _put_in_place(module, changed)
        for path in surplus:
            path.unlink()
            _flush_directory(path.parent)
    names = [str(wanted.path) for wanted in changed] + [str(path) for path in surplus]
    module.exit_json(changed=bool(names), changed_files=names)


def _wanted(module: AnsibleModule, entry: dict[str, str]) -> WantedFile:
    try:
        uid = pwd.getpwnam(entry["owner"]).pw_uid
        gid = grp.getgrnam(entry["group"]).gr_gid
    except KeyError as error:
        if not module.check_mode:
            module.fail_json(msg=f"{entry['path']}: {error.args[0]}")
        uid = gid = 0  # the run that is only tried has not made the user
    return WantedFile(
        path=Path(entry["path"]),
        content=(
            base64.b64decode(entry["content_base64"])
            if entry["content"] is None
            else entry["content"].encode()
        ),
        uid=uid,
        gid=gid,
        mode=int(entry["mode"], 8) if entry["mode"] else None,
        validate=entry["validate"],
    )


def _put_in_place(module: AnsibleModule, files: list[WantedFile]) -> None:
    """All or none, up to the first rename."""
    with contextlib.ExitStack() as stack:
        staged: list[tuple[WantedFile, Path]] = []
        for wanted in files:
            wanted.path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            _sweep(wanted.path.parent)
            # In the same folder, hence on the same file system: the rename is atomic. A name of
            # its own in a folder of its own: tools judge a unit by its name.
            folder = Path(tempfile.mkdtemp(prefix=".roeh-", dir=wanted.path.parent))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            if wanted.mode is not None:
                folder.chmod(0o755)
            staged.append((wanted, wanted.stage(folder)))
        for wanted, path in staged:
            if wanted.validate:
                _validate(module, wanted, path)
        units = [path for _, path in staged if path.suffix in _UNIT_SUFFIXES]
        if module.params["verify_units"] and units:
            _verify_units(module, units)
        for wanted, path in staged:
            path.replace(wanted.path)
            _flush_directory(wanted.path.parent)


def _sweep(parent: Path) -> None:
    """What a run left behind that was killed here; one that goes on is younger."""
    for left in parent.glob(".roeh-*"):
        with contextlib.suppress(OSError):
            if abs(time.time() - left.stat().st_mtime) > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)


def _validate(module: AnsibleModule, wanted: WantedFile, staged: Path) -> None:
    command = [part.replace("%s", str(staged)) for part in shlex.split(wanted.validate)]
    status, out, err = module.run_command(command)
    if status != 0:
        said = (err or out).strip().replace(str(staged), str(wanted.path))
        module.fail_json(msg=f"{wanted.path} is refused by {command[0]}: {said}", rc=status)


def _verify_units(module: AnsibleModule, units: list[Path]) -> None:
    """systemd-analyze ends with 0 at an unknown key: whatever it says of our files refuses them."""
    _, out, err = module.run_command(
        ["systemd-analyze", "verify", "--man=no", *[str(unit) for unit in units]]
    )
    said = [
        line
        for line in (out + err).splitlines()
        # A release that is not installed yet is none of the unit's mistakes.
        if any(str(unit) in line for unit in units) and "is not executable" not in line
    ]
    if said:
        module.fail_json(msg="units are refused by systemd-analyze verify: " + "; ".join(said))


def _flush_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
