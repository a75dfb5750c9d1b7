"""The way into machines: one key for the technician, and each machine's own host key, known.

What ssh is told lies in one file, which Ansible uses as well: nobody is asked, and a machine
with another key is refused.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from virtual_pole.base import PERSON, PERSON_ID
from virtual_pole.commands import output
from virtual_pole.network import in_namespace
from virtual_pole.street import Place, Street

_KEY = "id_ed25519"


def make_key(street: Street) -> None:
    """The technician's key, where there is none."""
    directory = street.ssh_config.parent
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    street.connections.mkdir(exist_ok=True)
    _key_pair(directory / _KEY, PERSON)


def give_machine(street: Street, place: Place, upper: Path) -> None:
    """Put a new machine's host key and the technician's public key on its disk.

    Args:
        street: whose.
        place: the machine's.
        upper: the machine's own layer of its disk.
    """
    host_key = upper / "etc/ssh/ssh_host_ed25519_key"
    host_key.parent.mkdir(parents=True, exist_ok=True)
    _key_pair(host_key, place.name)
    home = upper / "home" / PERSON
    keys = home / ".ssh"
    keys.mkdir(parents=True)
    shutil.copyfile(street.ssh_config.parent / f"{_KEY}.pub", keys / "authorized_keys")
    for path, mode in ((home, 0o700), (keys, 0o700), (keys / "authorized_keys", 0o600)):
        path.chmod(mode)
        os.chown(path, PERSON_ID, PERSON_ID)


def write_config(street: Street) -> None:
    """What ssh is told, for the machines that are there."""
    directory = street.ssh_config.parent
    places = [street.place(name) for name in street.names]
    known = []
    for place in places:
        public = street.directory(place.name) / "upper/etc/ssh/ssh_host_ed25519_key.pub"
        if public.exists():
            kind, key = public.read_text().split()[:2]
            known.append(f"{place.name} {kind} {key}\n")
    _write(directory / "known_hosts", "".join(known))
    hosts = "".join(
        f"Host {place.name} {place.address}\n"
        f"    HostName {place.address}\n    HostKeyAlias {place.name}\n"
        for place in places
    )
    _write(
        street.ssh_config,
        f"{hosts}Host *\n"
        f"    User {PERSON}\n"
        f"    IdentityFile {directory / _KEY}\n"
        f"    UserKnownHostsFile {directory / 'known_hosts'}\n"
        "    GlobalKnownHostsFile /dev/null\n"
        "    StrictHostKeyChecking yes\n"
        "    IdentitiesOnly yes\n"
        "    IdentityAgent none\n"
        "    BatchMode yes\n"
        "    ConnectTimeout 30\n"
        "    LogLevel ERROR\n",
    )


def forget_connections(street: Street) -> None:
    """Whoever shares a connection makes a new one: those that are there lead to what is off."""
    for connection in street.connections.glob("*"):
        connection.unlink(missing_ok=True)


def ssh_command(street: Street, name: str, *words: str) -> list[str]:
    """The command line, for any namespace, that runs words in a machine's shell.

    Args:
        street: whose.
        name: the machine.
        words: what its shell is given, as ssh joins them; none: a shell.
    """
    return in_namespace(street.laptop, "ssh", "-F", str(street.ssh_config), name, *words)


def _key_pair(path: Path, comment: str) -> None:
    if not path.exists():
        output(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])


def _write(path: Path, text: str) -> None:
    """Whole or not at all: another command may read it now."""
    writing = path.with_name(f"{path.name}.{os.getpid()}")
    writing.write_text(text)
    writing.replace(path)
