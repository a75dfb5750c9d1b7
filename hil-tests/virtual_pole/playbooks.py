"""Ansible from the laptop: what each run changed, and why it failed in one line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec

from virtual_pole.network import in_namespace
from virtual_pole.street import REPOSITORY, Street
from virtual_pole.troubles import PoleFailed

ANSIBLE = REPOSITORY / "deploy/ansible"
_PATIENCE_S = 600.0
_RECAP = re.compile(r"^(\S+)\s+:((?:\s+[a-z]+=\d+)+)", re.MULTILINE)
_TASK = re.compile(r"^TASK \[(.*?)\] \**$", re.MULTILINE)
_FAILED = re.compile(r"^(?:fatal: |\[ERROR\]: |ERROR! ).*", re.MULTILINE)
_MESSAGE = re.compile(r"^\s+msg: (.*)", re.MULTILINE)
_SAID_CHARACTERS = 400
_LAST_LINES = 60


class Run(msgspec.Struct, frozen=True):
    """How a playbook ended.

    Attributes:
        log: all that it said.
        changed: how many tasks changed something, by host.
        failed: how many failed, or found nobody, by host.
    """

    log: Path
    changed: dict[str, int]
    failed: dict[str, int]


def run(
    street: Street,
    playbook: str,
    log_name: str,
    *options: str,
    patience_s: float = _PATIENCE_S,
) -> Run:
    """Run a playbook from the laptop, to its end.

    Args:
        street: whose machines.
        playbook: as in deploy/ansible/playbooks, without its ending.
        log_name: of the log, in the state directory.
        options: for ansible-playbook.
        patience_s: how long it may take; a machine whose processor is imitated needs more.

    Raises:
        PoleFailed: it failed, or did not end in time.
    """
    log = street.logs / f"{log_name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        process = subprocess.Popen(
            command(street, playbook, *options),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment(street),
            cwd=ANSIBLE,
        )
        try:
            status = process.wait(patience_s)
        except subprocess.TimeoutExpired:
            raise PoleFailed(f"{playbook}.yml did not end; {log} says how far it came") from None
        finally:
            process.kill()
            process.wait()
    ended = read(log)
    if status or any(ended.failed.values()):
        raise PoleFailed(f"{playbook}.yml: {why(log.read_text(errors='replace'))} ({log})")
    return ended


def command(street: Street, playbook: str, *options: str) -> list[str]:
    """The command line that runs a playbook on a street's machines."""
    return in_namespace(
        street.laptop,
        *(sys.executable, "-m", "ansible", "playbook"),
        *("-i", str(ANSIBLE / "inventories/virtual"), "-i", str(street.inventory)),
        *options,
        str(ANSIBLE / "playbooks" / f"{playbook}.yml"),
    )


def environment(street: Street) -> dict[str, str]:
    """What Ansible is told by its environment.

    Its shared connections are sockets named by host, and hosts of two streets have the same
    names: without a folder of its own one street would come out in the other.
    """
    return {
        **os.environ,
        "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(street.connections),
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONUNBUFFERED": "1",
    }


def read(log: Path) -> Run:
    """What a log's last lines say of each host."""
    changed, failed = {}, {}
    for host, counts in _RECAP.findall(log.read_text(errors="replace")):
        said = {key: int(value) for key, value in re.findall(r"([a-z]+)=(\d+)", counts)}
        changed[host] = said.get("changed", 0)
        failed[host] = said.get("failed", 0) + said.get("unreachable", 0)
    return Run(log, changed, failed)


def last_task(log: Path) -> str:
    """The task that a log ends in."""
    tasks = _TASK.findall(log.read_text(errors="replace"))
    return tasks[-1] if tasks else "before the first task"


def last_lines(street: Street) -> str:
    """The end of the log that was written last."""
    logs = sorted(street.logs.glob("*.log"), key=lambda log: log.stat().st_mtime)
    if not logs:
        return "no playbook was run"
    lines = logs[-1].read_text(errors="replace").splitlines()
    return "\n".join([f"{logs[-1].name}:", *lines[-_LAST_LINES:]])


def why(said: str) -> str:
    """The first failure, in one line."""
    match = _FAILED.search(said)
    if match is None:
        lines = said.strip().splitlines()
        return (lines[-1] if lines else "it said nothing")[:_SAID_CHARACTERS]
    message = _MESSAGE.search(said, match.start())
    words = f"{match[0]} {message[1] if message else ''}".split()
    return " ".join(words)[:_SAID_CHARACTERS]
