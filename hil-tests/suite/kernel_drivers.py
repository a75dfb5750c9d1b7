"""How these things are done: by programs beside the suite."""

from __future__ import annotations

import shlex
import subprocess

import attr
from labgrid.driver import Driver, ExecutionError
from labgrid.factory import target_factory

from suite.kernel_protocols import SerialProtocol, TheftProtocol, TimeServerProtocol, Tpm

_PATIENCE_S = 900.0
_TEXT = attr.validators.instance_of(str)


def _output(command: str) -> str:
    done = subprocess.run(
        shlex.split(command),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    if done.returncode:
        raise ExecutionError(f"status {done.returncode}: {command}: {done.stderr.strip()}")
    return done.stdout


@target_factory.reg_driver
@attr.s(eq=False)
class CommandTheftDriver(Driver, TheftProtocol):
    """A copy of the disk, made and booted by a program."""

    cmd_start: str = attr.ib(validator=_TEXT)
    cmd_cut: str = attr.ib(validator=_TEXT)

    @Driver.check_active
    def start(self, tpm: Tpm) -> None:
        """See the protocol."""
        _output(f"{self.cmd_start} {tpm}")

    @Driver.check_active
    def end(self) -> None:
        """See the protocol."""
        _output(self.cmd_cut)


@target_factory.reg_driver
@attr.s(eq=False)
class CommandConsoleDriver(Driver, SerialProtocol):
    """A serial line that a program has written down."""

    cmd: str = attr.ib(validator=_TEXT)

    @Driver.check_active
    def said(self) -> str:
        """See the protocol."""
        return _output(self.cmd)


@target_factory.reg_driver
@attr.s(eq=False)
class CommandTimeServerDriver(Driver, TimeServerProtocol):
    """A time server that a program starts."""

    cmd_start: str = attr.ib(validator=_TEXT)
    cmd_stop: str = attr.ib(validator=_TEXT)
    address: str = attr.ib(validator=_TEXT)

    @Driver.check_active
    def start(self) -> None:
        """See the protocol."""
        _output(self.cmd_start)

    @Driver.check_active
    def stop(self) -> None:
        """See the protocol."""
        _output(self.cmd_stop)
