"""Units enabled, running, and never older than what they read.

Runs on the pole with the system's Python. A handler is lost with a run that is killed: the
next one finds the file in place, says changed=0, and the old configuration goes on living. So
what counts is looked at here: when the unit was started, and when its files were last written.
"""

from __future__ import annotations

import calendar
import os
import shlex
import time  # noqa: TID251 - Clock is the product's, and this runs before it is there
from dataclasses import dataclass
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: roeh_units
short_description: Units enabled, running, and never older than their files
description:
  - Reloads systemd's own configuration where a unit file is newer than what was loaded.
  - Enables and starts each unit, and restarts one that was started before its files were written.
options:
  units:
    description: The units, in the order in which they are started.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: With its suffix, type: str, required: true}
      files:
        description: What it reads; a folder stands for its files, what is missing for none.
        type: list
        elements: path
        default: []
      check:
        description: Command that refuses the files before a restart, so that what runs goes on.
        type: str
        default: ""
      enabled:
        description: Whether it starts with the system; a unit that others start has no such state.
        type: bool
        default: true
      state:
        description: Wanted state; as_found is restarted where it runs, and else left alone.
        type: str
        choices: [started, stopped, untouched, as_found]
        default: started
  manager_files:
    description: What systemd itself reads; it is reloaded where they are newer.
    type: list
    elements: path
    default: []
  masked:
    description: Units that are stopped and never start; of a template, every instance.
    type: list
    elements: str
    default: []
author: [Roeh]
"""
EXAMPLES = r"""
- name: Firewall in force
  roeh_units:
    units:
      - name: nftables.service
        files: [/etc/nftables.conf]
"""
RETURN = r"""
done:
  description: What was done and why, a line each.
  returned: always
  type: list
  elements: str
"""

_PROPERTIES = (
    "ActiveState,UnitFileState,NeedDaemonReload,InactiveExitTimestamp,FragmentPath,DropInPaths,"
    "LoadState,ConditionResult,ConditionTimestamp"
)
#: As `systemctl show --timestamp=us+utc` writes it, without the fraction.
_STAMP = "%a %Y-%m-%d %H:%M:%S"
#: A unit that began so much later than now began before the clock was set back.
_CLOCK_ERROR_S = 2.0


@dataclass(frozen=True)
class Unit:
    """What systemd says of a unit; times are seconds of the wall clock, 0: never started."""

    is_active: bool
    is_enabled: bool
    can_be_enabled: bool
    #: Asked to start, and found to be none for this machine (a Condition of the unit).
    is_unmet: bool
    needs_reload: bool
    is_known: bool
    started_s: float
    own_files: tuple[str, ...]


def main() -> None:
    """The module: parameters in, what was done out."""
    unit_options = {
        "name": {"type": "str", "required": True},
        "files": {"type": "list", "elements": "path", "default": []},
        "enabled": {"type": "bool", "default": True},
        "state": {
            "type": "str",
            "choices": ["started", "stopped", "untouched", "as_found"],
            "default": "started",
        },
        "check": {"type": "str", "default": ""},
    }
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "dict", "default": [], "options": unit_options},
            "manager_files": {"type": "list", "elements": "path", "default": []},
            "masked": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    wanted = module.params["units"]
    done: list[str] = []
    for name in module.params["masked"]:
        if os.path.realpath(f"/etc/systemd/system/{name}") != "/dev/null":
            _systemctl(module, "mask", name)
            # A template is none that could run.
            _systemctl(module, "stop", name.replace("@.", "@*."), must_succeed=False)
            done.append(f"{name}: masked")
    reason = _reason_to_reload(module, wanted)
    if reason:
        _systemctl(module, "daemon-reload")
        done.append(f"systemd reloaded, for {reason}")
    for entry in wanted:
        done.extend(_bring(module, entry))
    module.exit_json(changed=bool(done), done=done)


def _reason_to_reload(module: AnsibleModule, wanted: list[dict[str, object]]) -> str:
    """Why systemd has to read its files anew; empty if it has not."""
    for entry in wanted:
        unit = _look(module, str(entry["name"]))
        is_missed = entry["state"] == "started" and not unit.is_known
        if unit.needs_reload or is_missed:
            return f"{entry['name']} was written"
    if module.params["manager_files"]:
        _, out, _ = module.run_command(
            [
                "systemctl",
                "show",
                "--timestamp=us+utc",
                "--property=UnitsLoadTimestamp",
                "--value",
            ]
        )
        newer = _newest_after(_seconds(out.strip()), _listed(module.params["manager_files"]))
        if newer and out.strip():
            return f"{newer} is newer"
    return ""


def _bring(module: AnsibleModule, entry: dict[str, object]) -> list[str]:
    """One unit into its wanted state; what was done."""
    name, state = str(entry["name"]), entry["state"]
    unit = _look(module, name)
    done: list[str] = []
    if unit.can_be_enabled and bool(entry["enabled"]) != unit.is_enabled:
        verb = "enable" if entry["enabled"] else "disable"
        _systemctl(module, verb, name)
        done.append(f"{name}: {verb}d")
    if state == "stopped" and unit.is_active:
        _systemctl(module, "stop", name)
        done.append(f"{name}: stopped")
    if state == "started" and not unit.is_active and not unit.is_unmet:
        _systemctl(module, "reset-failed", name, must_succeed=False)
        _systemctl(module, "start", name)
        done.append(f"{name}: started")
    elif state in ("started", "as_found") and unit.is_active:
        files = [*unit.own_files, *_listed(entry["files"])]
        newer = _newest_after(unit.started_s, files)
        if entry["files"] and unit.started_s > time.time() + _CLOCK_ERROR_S:
            newer = newer or "who knows which file (it began before the clock was set back)"
        if newer:
            _check(module, str(entry["check"]), name)
            _systemctl(module, "restart", name)
            done.append(f"{name}: restarted, for {newer} is newer")
    return done


def _check(module: AnsibleModule, command: str, name: str) -> None:
    if command and not module.check_mode:
        status, out, err = module.run_command(shlex.split(command))
        if status != 0:
            module.fail_json(msg=f"{name} is not restarted: {command}: {(err or out).strip()}")


def _look(module: AnsibleModule, name: str) -> Unit:
    status, out, err = module.run_command(
        ["systemctl", "show", "--timestamp=us+utc", f"--property={_PROPERTIES}", name]
    )
    if status != 0:
        module.fail_json(msg=f"systemctl show {name}: {err.strip()}")
    told = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
    return Unit(
        is_active=told["ActiveState"] in ("active", "activating", "reloading"),
        is_enabled=told["UnitFileState"] == "enabled",
        can_be_enabled=told["UnitFileState"] in ("enabled", "disabled"),
        is_unmet=told["ConditionResult"] == "no" and bool(told.get("ConditionTimestamp")),
        needs_reload=told["NeedDaemonReload"] == "yes",
        is_known=told["LoadState"] == "loaded",
        started_s=_seconds(told.get("InactiveExitTimestamp", "")),
        own_files=tuple(
            path for path in (told["FragmentPath"], *told["DropInPaths"].split()) if path
        ),
    )


def _seconds(stamp: str) -> float:
    """`Mon 2026-11-23 12:00:00.123456 UTC` as seconds since 1970; empty is never."""
    if not stamp or stamp == "n/a":
        return 0.0
    whole, _, fraction = stamp.removesuffix(" UTC").partition(".")
    return calendar.timegm(time.strptime(whole, _STAMP)) + float(f"0.{fraction or 0}")


def _listed(paths: object) -> list[str]:
    """The files, and those in the folders."""
    found: list[str] = []
    for path in paths if isinstance(paths, list) else []:
        if Path(path).is_dir():
            found.extend(str(item) for item in sorted(Path(path).rglob("*")) if item.is_file())
        else:
            found.append(path)
    return found


def _newest_after(moment_s: float, paths: list[str]) -> str:
    """A file that was written after a moment; empty if there is none."""
    now_s = time.time()
    for path in paths:
        try:
            written_s = Path(path).stat().st_mtime
        except OSError:
            continue
        if written_s > now_s:
            # The clock was set back since: without this it would be newer until then.
            os.utime(path, (now_s, now_s))
        if written_s > moment_s:
            return path
    return ""


def _systemctl(module: AnsibleModule, *words: str, must_succeed: bool = True) -> None:
    if module.check_mode:
        return
    status, out, err = module.run_command(["systemctl", *words])
    if status != 0 and must_succeed:
        journal = ""
        if words[0] in ("start", "restart"):
            _, journal, _ = module.run_command(
                ["journalctl", "--no-pager", "--lines=20", "--output=cat", f"--unit={words[-1]}"]
            )
        module.fail_json(
            msg=f"systemctl {' '.join(words)}: {(err or out).strip()}", journal=journal.splitlines()
        )


if __name__ == "__main__":
    main()
