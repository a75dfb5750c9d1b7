"""A machine that is asked over its shell, as root, whatever labgrid reaches it by."""

from __future__ import annotations

import base64
import shlex
import subprocess
from pathlib import Path
from typing import Protocol

import msgspec

from suite.waiting import PATIENCE

_PATIENCE_S = 60.0
_SAID_CHARACTERS = 1500
#: The interpreter of the release in force.
PRODUCT_PYTHON = "/opt/roeh/current/bin/python"


class CommandFailed(Exception):
    """A command in a machine ended otherwise than it had to: one sentence with what it said."""


class Said(msgspec.Struct, frozen=True):
    """What a command ended with."""

    status: int
    out: str
    err: str


def seconds_of(shown: str) -> float:
    """What systemd shows of a time: `1min 30s`, `0`, `infinity`."""
    units = {"min": 60, "s": 1, "ms": 0.001, "h": 3600}
    total = 0.0
    for word in shown.split():
        number = word.rstrip("abcdefghijklmnopqrstuvwxyz")
        total += float(number or "inf") * units.get(word[len(number) :], 1)
    return total


class Shell(Protocol):
    """What is used of labgrid's CommandProtocol."""

    def run(self, cmd: str, *, timeout: float | None = None) -> tuple[list[str], list[str], int]:
        """Standard output and error by lines, and the status."""
        ...


class Machine:
    """A pole or a control room.

    Args:
        name: for messages.
        shell: how it is reached; a person who may become root.
    """

    def __init__(self, name: str, shell: Shell) -> None:
        self.name = name
        self._shell = shell

    def ask(self, script: str, *, patience_s: float = _PATIENCE_S) -> Said:
        """Run a shell script as root, however it ends.

        Args:
            script: of the shell.
            patience_s: how long it may take where the tier is as quick as a container.

        Raises:
            CommandFailed: it did not end in time.
        """
        command = f"sudo -n sh -c {shlex.quote(script)}"
        patience_s *= PATIENCE
        try:
            out, err, status = self._shell.run(command, timeout=patience_s)
        except subprocess.TimeoutExpired:
            raise CommandFailed(f"{self.name}: not within {patience_s:g} s: {script}") from None
        return Said(status, "\n".join(out), "\n".join(err))

    def run(self, script: str, *, patience_s: float = _PATIENCE_S) -> str:
        """Run a shell script as root; what it said on standard output.

        Raises:
            CommandFailed: it ended with another status than 0, or not in time.
        """
        said = self.ask(script, patience_s=patience_s)
        if said.status:
            told = (said.err or said.out).strip()[-_SAID_CHARACTERS:]
            raise CommandFailed(f"{self.name}: status {said.status}: {script[:300]}: {told}")
        return said.out

    def python(
        self,
        program: Path,
        *arguments: str,
        before: str = "",
        interpreter: str = PRODUCT_PYTHON,
        patience_s: float = _PATIENCE_S,
    ) -> Said:
        """Run a Python program of ours there; nothing is left behind.

        Args:
            program: a file on this side.
            arguments: of it.
            before: what runs the interpreter, `runuser -u somebody --` for instance.
            interpreter: a path there.
            patience_s: how long it may take.
        """
        text = base64.b64encode(program.read_bytes()).decode()
        start = f"import base64; exec(compile(base64.b64decode('{text}'), 'probe', 'exec'))"
        words = shlex.join((interpreter, "-c", start, *arguments))
        return self.ask(f"{before} {words}", patience_s=patience_s)

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit, by name."""
        said = self.run(f"systemctl show {unit} " + " ".join(f"-p {name}" for name in names))
        return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)

    def journal(self, since: str, lines: int = 200) -> str:
        """The end of what its units said since a moment that journalctl understands."""
        said = self.ask(f"journalctl --no-pager -o short-precise --since '{since}' -n {lines}")
        return said.out
