"""The tier whose pole is a machine with a kernel of its own, under QEMU.

Its control room is a container, as on the other virtual tier; both hang on one street.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import msgspec
import yaml
from qemu_machine.disks import only_one
from qemu_machine.recipe import install_packages
from qemu_machine.troubles import MachineFailed
from qemu_pole.depot import Depot
from qemu_pole.pole import POLE, QemuPole
from qemu_pole.recipe import CACHE, HERE
from virtual_pole import inventory, life
from virtual_pole.machine import Machine
from virtual_pole.network import in_namespace
from virtual_pole.playbooks import ANSIBLE
from virtual_pole.steps import Steps
from virtual_pole.street import CONTROL_ROOM, POLES_ROUTER, Street
from virtual_pole.troubles import PoleFailed
from virtual_pole.walk import plug_camera, prepare

from roeh.core.clock import Clock, SystemClock
from suite.disk_key import DEVICE
from suite.tiers import ENVIRONMENTS, TierFailed

#: One tile in the smaller form takes an imitated processor 3 s, and three in the larger one 20 s:
#: longer than the pole waits for a word of detect.
_SLOW_DETECT = {
    "model": "nanodet_g_coco_416_int8",
    "threads": 2,
    "max_tiles_per_frame": 1,
    "sweep_s": 10.0,
    "fps": 2.0,
}
#: Pictures come 3 s apart where 10 a second are taken; its people walk so much slower that one who
#: was seen is found again.
_SLOW_FPS = 2.0


def _slow_settings() -> dict[str, dict[str, object]]:
    """The virtual poles' own settings, with less for detect to do."""
    poles = yaml.safe_load((ANSIBLE / "inventories/virtual/group_vars/poles.yml").read_text())
    settings: dict[str, dict[str, object]] = poles["roeh_settings"]
    return settings | {"detect": settings["detect"] | _SLOW_DETECT}


class Qemu:
    """A virtual street whose pole is a machine.

    Args:
        state: its state directory.
    """

    name = "qemu"
    # Without KVM, with other work beside it, a third of a core is left for an imitated processor.
    patience = 6.0
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
                pole = depot.put_up(self._street, clock)
            self._furnish(clock)
            pole.time_server.start()
        except (MachineFailed, PoleFailed) as failure:
            raise TierFailed(str(failure)) from None

    def _furnish(self, clock: Clock) -> None:
        """The control room, keys, bundle, camera: what Ansible needs before it begins."""
        if self._street.inventory.exists():
            return
        keys, bundle = prepare(self._street, Steps(clock), poles=0)
        inventory.write(self._street, bundle)
        written = msgspec.json.decode(self._street.inventory.read_bytes())
        # Where this pole's board is not what a container is.
        written["all"]["children"]["poles"]["hosts"][POLE] |= {
            "roeh_evidence_device": DEVICE,
            "roeh_disk_key": "tpm2",
            "roeh_time_servers": [POLES_ROUTER],
            # How long ssh may take, in seconds.
            "ansible_timeout": 120,
            "roeh_settings": _slow_settings(),
        }
        self._street.inventory.write_bytes(msgspec.json.encode(written))
        inventory.bring_stick(Machine(self._street, CONTROL_ROOM, clock), keys)
        plug_camera(self._street, _SLOW_FPS)

    def variables(self) -> dict[str, str]:
        """See the protocol."""
        return {
            "LG_STATE": str(self._street.state),
            "LG_PYTHON": sys.executable,
            "LG_CAMERA_FPS": str(_SLOW_FPS),
            "LG_POLE_ADDRESS": self._street.place(POLE).address,
            "LG_CONTROL_ADDRESS": self._street.place(CONTROL_ROOM).address,
        }

    def command(self, *words: str) -> list[str]:
        """See the protocol."""
        return in_namespace(self._street.laptop, *words)

    def last_words(self) -> str:
        """See the protocol."""
        return f"its console: {self._street.state}"

    def take_away(self) -> None:
        """See the protocol."""
        QemuPole(self._street, POLE, SystemClock()).time_server.stop()
        life.down(self._street)
        # What was stolen.
        shutil.rmtree(self._street.state, ignore_errors=True)
