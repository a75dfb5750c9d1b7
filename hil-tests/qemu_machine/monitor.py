"""QEMU's machine protocol (QMP): a line of JSON asked, a line answered."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

from qemu_machine.troubles import MachineFailed


class Monitor:
    """One connection to a machine's monitor; `monitor` opens it."""

    def __init__(self, connection: socket.socket) -> None:
        self._lines = connection.makefile("rw", encoding="utf-8")

    def ask(self, command: str, arguments: dict[str, int | str] | None = None) -> dict[str, str]:
        """One command; what it returned.

        Raises:
            MachineFailed: QEMU refused it or is gone.
        """
        print(json.dumps({"execute": command, "arguments": arguments or {}}), file=self._lines)
        self._lines.flush()
        for line in self._lines:
            answer = json.loads(line)
            if "error" in answer:
                raise MachineFailed(f"QEMU refused {command}: {answer['error'].get('desc')}")
            if "return" in answer:
                returned: dict[str, str] = answer["return"]
                return returned
        raise MachineFailed(f"QEMU ended while it was asked to {command}")


@contextlib.contextmanager
def monitor(path: Path) -> Iterator[Monitor]:
    """The monitor behind a socket, ready to be asked.

    Raises:
        MachineFailed: QEMU is gone, or says nothing that is QMP.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60.0)
        connection.connect(str(path))
        opened = Monitor(connection)
        opened.ask("qmp_capabilities")
        yield opened
