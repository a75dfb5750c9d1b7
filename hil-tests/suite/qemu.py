"""The tier whose pole is a machine with a kernel of its own, under QEMU.

Its control room is a container, as on the other virtual tier; both hang on one street.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from qemu_machine.disks import only_one
from qemu_machine.recipe import install_packages
from qemu_machine.troubles import MachineFailed
from qemu_pole.depot import Depot
from qemu_pole.pole import POLE, QemuPole
from qemu_pole.recipe import CACHE, HERE
from virtual_pole import life
from virtual_pole.network import in_namespace
from virtual_pole.street import CONTROL_ROOM, Street
from virtual_pole.troubles import PoleFailed

from roeh.core.clock import SystemClock
from suite.tiers import ENVIRONMENTS, TierFailed


class Qemu:
    """A virtual street whose pole is a machine.

    Args:
        state: its state directory.
    """

    name = "qemu"
    environment_file = ENVIRONMENTS / "qemu.yaml"

    def __init__(self, state: Path) -> None:
        # Beside the containers' street: one may be up while the other is tested.
        self._street = Street.at(state.with_name(f"{state.name}-qemu"))

    def make(self, *, short: bool) -> None:
        """See the protocol; of this tier there is no short form."""
        del short
        try:
            install_packages(HERE / "host_packages.txt")
            clock = SystemClock()
            depot = Depot.of_this_checkout()
            with only_one(CACHE, "make hil-qemu"):
                depot.make_ready(clock)
            with life.alone(self._street):
                depot.put_up(self._street, clock)
        except (MachineFailed, PoleFailed) as failure:
            raise TierFailed(str(failure)) from None

    def variables(self) -> dict[str, str]:
        """See the protocol."""
        return {
            "LG_STATE": str(self._street.state),
            "LG_PYTHON": sys.executable,
            "LG_POLE_ADDRESS": self._street.place(POLE).address,
            "LG_CONTROL_ADDRESS": self._street.place(CONTROL_ROOM).address,
        }

    def command(self, *words: str) -> list[str]:
        """See the protocol."""
        return in_namespace(self._street.laptop, *words)

    def take_away(self) -> None:
        """See the protocol."""
        QemuPole(self._street, POLE, SystemClock()).time_server.stop()
        life.down(self._street)
        # What was stolen.
        shutil.rmtree(self._street.state, ignore_errors=True)
