"""How each thing is done to a pole: by a program beside it, or by its own shell.

An environment file chooses: the same protocols on every tier.
"""

from __future__ import annotations

import shlex
import subprocess

import attr
from labgrid.driver import Driver, ExecutionError
from labgrid.factory import target_factory

from suite.protocols import (
    CameraProtocol,
    ClockProtocol,
    DiskProtocol,
    HeatProtocol,
    LinkProtocol,
    MeterProtocol,
    ProvisionProtocol,
    WritesProtocol,
)

_PATIENCE_S = 120.0
_PROVISION_PATIENCE_S = 1800.0
_SAID_CHARACTERS = 2000


def _run(command: str, patience_s: float = _PATIENCE_S) -> None:
    """A program on this side; what it says is told when it fails."""
    done = subprocess.run(
        shlex.split(command),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience_s,
        check=False,
    )
    if done.returncode:
        said = (done.stderr + done.stdout).strip()[-_SAID_CHARACTERS:]
        raise ExecutionError(f"status {done.returncode}: {command}: {said}")


@target_factory.reg_driver
@attr.s(eq=False)
class CommandLinkDriver(Driver, LinkProtocol):
    """A link that a program cuts: in a virtual street, or in a rig's network fault box."""

    cmd_cut: str = attr.ib(validator=attr.validators.instance_of(str))
    cmd_mend: str = attr.ib(validator=attr.validators.instance_of(str))

    @Driver.check_active
    def cut(self) -> None:
        """See the protocol."""
        _run(self.cmd_cut)

    @Driver.check_active
    def mend(self) -> None:
        """See the protocol."""
        _run(self.cmd_mend)


@target_factory.reg_driver
@attr.s(eq=False)
class CommandCameraDriver(Driver, CameraProtocol):
    """A camera that a program plugs in: a network camera, or a relay in a rig's cable."""

    cmd_plug: str = attr.ib(validator=attr.validators.instance_of(str))
    cmd_unplug: str = attr.ib(validator=attr.validators.instance_of(str))

    @Driver.check_active
    def plug(self) -> None:
        """See the protocol."""
        _run(self.cmd_plug)

    @Driver.check_active
    def unplug(self) -> None:
        """See the protocol."""
        _run(self.cmd_unplug)


@target_factory.reg_driver
@attr.s(eq=False)
class CommandProvisionDriver(Driver, ProvisionProtocol):
    """A pole that a program provisions: Ansible, with the tier's inventory."""

    cmd: str = attr.ib(validator=attr.validators.instance_of(str))
    cmd_decommission: str = attr.ib(validator=attr.validators.instance_of(str))
    patience_s: float = attr.ib(default=_PROVISION_PATIENCE_S, converter=float)

    @Driver.check_active
    def provision(self) -> None:
        """See the protocol."""
        _run(self.cmd, self.patience_s)

    @Driver.check_active
    def decommission(self) -> None:
        """See the protocol."""
        _run(self.cmd_decommission, self.patience_s)


class _ByShell(Driver):
    """What is done by the pole's own shell, as root.

    A pole that was off took its shell along, and labgrid deactivates whatever goes by it: each is
    activated when it is used, and not only when a test is given it.
    """

    bindings = {"shell": "CommandProtocol"}  # noqa: RUF012 - labgrid reads it of the class

    def _as_root(self, script: str) -> list[str]:
        self.target.activate(self)
        said: list[str] = self.shell.run_check(
            f"sudo -n sh -c {shlex.quote(script)}", timeout=_PATIENCE_S
        )
        return said


@target_factory.reg_driver
@attr.s(eq=False)
class ShellClockDriver(_ByShell, ClockProtocol):
    """The clock, set by hand while whatever disciplines it stands still."""

    service: str = attr.ib(default="chrony.service", validator=attr.validators.instance_of(str))

    def step(self, seconds: float) -> None:
        """See the protocol."""
        self._as_root(
            f"systemctl stop {self.service}; "
            f"""date --set="@$(awk 'BEGIN {{ printf "%.3f", '"$(date +%s.%N)"' + {seconds} }}')" """
        )

    def release(self) -> None:
        """See the protocol."""
        # By the clock of whoever tests: the pole's servers may be further away than it.
        now = subprocess.run(["date", "+%s.%N"], capture_output=True, text=True, check=True)
        self._as_root(f"date --set=@{now.stdout.strip()}; systemctl start {self.service}")


@target_factory.reg_driver
@attr.s(eq=False)
class ShellDiskDriver(_ByShell, DiskProtocol):
    """The evidence's file system, filled with one file of root's.

    Refuses a directory that is no file system of its own: it would fill somebody else's.
    """

    directory: str = attr.ib(default="/var/lib/roeh", validator=attr.validators.instance_of(str))

    @property
    def _filler(self) -> str:
        return f"{self.directory}/.filled-by-a-test"

    def fill(self, leave_bytes: int) -> None:
        """See the protocol."""
        self._as_root(
            f"mountpoint -q {self.directory} || "
            f"{{ echo '{self.directory} is no file system of its own' >&2; exit 1; }}; "
            f"free=$(( $(stat -f -c '%a * %S' {self.directory}) )); "
            f"want=$(( free - {leave_bytes} )); "
            f"[ $want -le 0 ] || fallocate -l $want {self._filler}"
        )

    def free(self) -> None:
        """See the protocol."""
        self._as_root(f"rm -f {self._filler}")


@target_factory.reg_driver
@attr.s(eq=False)
class SimulatedHeatDriver(_ByShell, HeatProtocol):
    """A sysfs of our own before the unit that reads it: heat that no part of the board feels.

    The unit is started anew, because a mount namespace is made when it starts.
    """

    unit: str = attr.ib(default="roeh-evidence.service", validator=attr.validators.instance_of(str))

    _thermal = "/run/simulated-thermal"

    @property
    def _drop_in(self) -> str:
        return f"/run/systemd/system/{self.unit}.d/simulated-heat.conf"

    def heat(self, temperature_c: float) -> None:
        """See the protocol."""
        zone, fan = f"{self._thermal}/thermal_zone0", f"{self._thermal}/cooling_device0"
        self._as_root(
            f"mkdir -p {zone} {fan} $(dirname {self._drop_in}); "
            f"echo {round(temperature_c * 1000)} > {zone}/temp; echo cpu-thermal > {zone}/type; "
            f"echo thermal-cpufreq-0 > {fan}/type; echo 3 > {fan}/cur_state; "
            f"echo 4 > {fan}/max_state; chmod -R a+rX {self._thermal}; "
            f"printf '[Service]\\nBindReadOnlyPaths={self._thermal}:/sys/class/thermal\\n'"
            f" > {self._drop_in}; systemctl daemon-reload; systemctl restart {self.unit}"
        )

    def cool(self) -> None:
        """See the protocol."""
        self._as_root(
            f"rm -rf {self._thermal} {self._drop_in}; systemctl daemon-reload; "
            f"systemctl restart {self.unit}"
        )


@target_factory.reg_driver
@attr.s(eq=False)
class LoadHeatDriver(_ByShell, HeatProtocol):
    """Heat as a board makes it itself: every core busy, beside what it has to do.

    Where the bench can close the fan off or warm the air, that is done by hand before.
    """

    def heat(self, temperature_c: float) -> None:
        """Until the board is so hot, or for ten minutes."""
        self._as_root(
            "systemd-run --quiet --collect --unit=heat --property=CPUWeight=20 sh -c"
            " 'for core in $(seq $(nproc)); do while :; do :; done & done; wait'"
        )
        self.shell.poll_until_success(
            f"test $(cat /sys/class/thermal/thermal_zone*/temp | sort -n | tail -n 1)"
            f" -ge {round(temperature_c * 1000)}",
            timeout=600.0,
        )

    def cool(self) -> None:
        """See the protocol."""
        self._as_root("systemctl stop heat.service 2>/dev/null || true")


@target_factory.reg_driver
@attr.s(eq=False)
class BoardMeterDriver(_ByShell, MeterProtocol):
    """Temperature by the board's own sensors; power by a program that asks the power port."""

    cmd_power_w: str = attr.ib(validator=attr.validators.instance_of(str))

    def read(self, figure: str) -> float:
        """See the protocol."""
        if figure == "temperature_c":
            said = self._as_root("cat /sys/class/thermal/thermal_zone*/temp")
            return max(int(line) for line in said) / 1000
        done = subprocess.run(
            shlex.split(self.cmd_power_w), capture_output=True, text=True, check=True
        )
        return float(done.stdout)


@target_factory.reg_driver
@attr.s(eq=False)
class DiskStatsWritesDriver(_ByShell, WritesProtocol):
    """Writes to the disk of the evidence as the kernel counts them (its admin-guide, iostats)."""

    directory: str = attr.ib(default="/var/lib/roeh", validator=attr.validators.instance_of(str))

    def wait_for(self, count: int) -> None:
        """See the protocol."""
        # In the pole's own shell: from here each look would take longer than many writes.
        self._as_root(
            f"device=$(stat -c '%Hd:%Ld' {self.directory});"
            " stat=/sys/dev/block/$device/stat;"
            f" until=$(( $(awk '{{print $5}}' $stat) + {count} ));"
            " while [ $(awk '{print $5}' $stat) -lt $until ]; do :; done"
        )
