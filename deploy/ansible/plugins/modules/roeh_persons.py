"""Logins of persons: made, given their keys, and shut when they are not listed any more.

Runs on the pole with the system's Python. Who leaves keeps their other files, and is let in
nowhere: account expired and locked, key file gone, out of the group. Who comes back is let in by
key again; a password stays locked.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import time  # noqa: TID251 - Clock is the product's, and this runs before it is there
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: roeh_persons
short_description: Logins of persons, by key alone
description:
  - Makes the group and each person's login, writes their public keys, and shuts the logins of
    those members of the group who are not listed any more; whoever is listed again is let in again.
options:
  group: {description: Who may come in, type: str, required: true}
  persons:
    description: Persons, each with name and keys.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Login, type: str, required: true}
      keys: {description: Public keys for ssh, type: list, elements: str, required: true}
  keeps_caller:
    description: Whoever provisions by sudo is a member too; their keys are left as they are.
    type: bool
    default: false
author: [Roeh]
"""
EXAMPLES = r"""
- name: Persons
  roeh_persons:
    group: roeh-technicians
    persons:
      - { name: dana, keys: ["ssh-ed25519 AAAA... dana"] }
"""
RETURN = r"""
done:
  description: What was done, a line each.
  returned: always
  type: list
  elements: str
caller:
  description: Who provisions, as they came in; root where they came in as that.
  returned: always
  type: str
"""

_LOGIN = re.compile(r"[a-z][a-z0-9-]{0,30}")
_SECONDS_PER_DAY = 86400
#: Of a line of shadow(5): days since 1970 after which nobody logs in there.
_EXPIRES = 7


def main() -> None:
    """The module: parameters in, what was done out."""
    person = {
        "name": {"type": "str", "required": True},
        "keys": {"type": "list", "elements": "str", "required": True, "no_log": False},
    }
    module = AnsibleModule(
        argument_spec={
            "group": {"type": "str", "required": True},
            "persons": {"type": "list", "elements": "dict", "default": [], "options": person},
            "keeps_caller": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    group = module.params["group"]
    persons = {entry["name"]: entry["keys"] for entry in module.params["persons"]}
    for name in persons:
        if not _LOGIN.fullmatch(name):
            module.fail_json(msg=f"{name!r} is no login: give lower-case letters, digits, hyphens")
    members = set(_members(group))
    caller = os.environ.get("SUDO_USER", "root")
    wanted = {*persons, *([caller] if module.params["keeps_caller"] and caller != "root" else [])}
    done: list[str] = []
    if not _has_group(group):
        done.append(f"{group}: made")
        _run(module, "groupadd", "--system", group)
    # Who comes first, so that nobody is shut out while somebody is let in.
    for name, keys in persons.items():
        if not _has_login(name):
            done.append(f"{name}: made")
            _run(module, "useradd", "--create-home", "--shell=/bin/bash", name)
        done.extend(_give_keys(module, name, keys))
    for name in sorted(wanted):
        if name not in members or _is_expired(module, name):
            done.append(f"{name}: let in")
            # Not unlocked: logins are by key, and of an account without a password it is refused.
            _run(module, "usermod", "--append", "--groups", group, "--expiredate", "", name)
    # Out of the group at last: until then the next run finds whom a killed one began to shut out.
    for name in sorted(members - wanted):
        done.append(f"{name}: shut out")
        if _has_login(name):
            _run(module, "usermod", "--lock", "--expiredate=1", name)
            _run(module, "rm", "--recursive", "--force", "--", str(_key_file(name)))
        _run(module, "gpasswd", "--delete", name, group)
    module.exit_json(changed=bool(done), done=done, caller=caller)


def _give_keys(module: AnsibleModule, name: str, keys: list[str]) -> list[str]:
    """Their authorized_keys, exactly these."""
    content = "".join(f"{key.strip()}\n" for key in keys)
    path = _key_file(name)
    if path.exists() and path.read_text(encoding="utf-8") == content:
        return []
    if not module.check_mode:
        login = pwd.getpwnam(name)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        staged = path.with_suffix(".new")
        with staged.open("w", encoding="utf-8") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        staged.chmod(0o600)
        for item in (path.parent, staged):
            os.chown(item, login.pw_uid, login.pw_gid)
        staged.replace(path)
    return [f"{name}: keys written"]


def _key_file(name: str) -> Path:
    home = Path(pwd.getpwnam(name).pw_dir) if _has_login(name) else Path("/nonexistent")
    return home / ".ssh/authorized_keys"


def _is_expired(module: AnsibleModule, name: str) -> bool:
    """Whether the account has ended, as that of somebody who was shut out."""
    _, line, _ = module.run_command(["getent", "shadow", name])
    day = line.strip().split(":")[_EXPIRES] if line.count(":") > _EXPIRES else ""
    return bool(day) and int(day) <= time.time() // _SECONDS_PER_DAY


def _has_login(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _has_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _members(name: str) -> list[str]:
    return list(grp.getgrnam(name).gr_mem) if _has_group(name) else []


def _run(module: AnsibleModule, *words: str) -> None:
    if not module.check_mode:
        module.run_command(list(words), check_rc=True)


if __name__ == "__main__":
    main()
