"""How a pole comes to be off, booted or provisioned, from wherever it is."""

from __future__ import annotations

import enum

import attr
from labgrid.driver import ExecutionError
from labgrid.factory import target_factory
from labgrid.strategy import Strategy, StrategyError
from labgrid.util import Timeout

#: systemd's own words for a boot that came to its end.
_BOOTED = ("running", "degraded")


class State(enum.Enum):
    """Where a pole is."""

    UNKNOWN = "unknown"
    OFF = "off"
    BOOTED = "booted"
    PROVISIONED = "provisioned"


@target_factory.reg_driver
@attr.s(eq=False)
class PoleStrategy(Strategy):
    """off <-> booted -> provisioned; the way back to off is to take its power.

    What a pole is provisioned with stays on its disk: off, and it boots provisioned.

    Bindings: `power` and `ssh` of the pole, and `provision` for what brings it further.

    Args:
        boot_timeout_s: from power to a systemd that has finished booting.
    """

    bindings = {  # noqa: RUF012 - labgrid reads it of the class
        "power": "PowerProtocol",
        "ssh": "SSHDriver",
        "provision": "ProvisionProtocol",
    }
    boot_timeout_s: float = attr.ib(default=60.0, converter=float)
    status: State = attr.ib(default=State.UNKNOWN)

    def transition(self, state: State | str) -> None:
        """Go there; nothing where it is there.

        Raises:
            StrategyError: no way leads there, or it did not boot in time.
        """
        wanted = State(state) if isinstance(state, str) else state
        if wanted is self.status:
            return
        if wanted is State.OFF:
            self._leave()
            self.power.off()
        elif wanted is State.BOOTED:
            if self.status is not State.PROVISIONED:
                self._boot()
        elif wanted is State.PROVISIONED:
            if self.status is not State.BOOTED:
                self._boot()
            if not self._is_provisioned():
                self.target.activate(self.provision)
                self.provision.provision()
                # It may have ended the very connection it came by.
                self._boot()
        else:
            raise StrategyError(f"no way leads to {wanted.value}")
        self.status = wanted

    def force(self, state: State | str) -> None:
        """Believe that it is there already."""
        self.status = State(state) if isinstance(state, str) else state

    def _leave(self) -> None:
        self.target.deactivate(self.ssh)
        self.target.activate(self.power)

    def _boot(self) -> None:
        self._leave()
        self.power.on()
        timeout = Timeout(self.boot_timeout_s)
        said: list[str] = []
        while True:
            try:
                self.target.activate(self.ssh)
                said, _, _ = self.ssh.run(
                    "systemctl is-system-running --wait", timeout=self.boot_timeout_s
                )
            except Exception as failure:  # noqa: BLE001 - labgrid raises no narrower one
                self.target.deactivate(self.ssh)
                said = [str(failure)]
            if said and said[-1] in _BOOTED:
                return
            if timeout.expired:
                raise StrategyError(f"not booted in {self.boot_timeout_s:g} s: {said}")

    def _is_provisioned(self) -> bool:
        try:
            self.ssh.run_check("systemctl is-active --quiet roeh.target")
        except ExecutionError:
            return False
        return True
