"""`python -m qemu_pole COMMAND`: a virtual pole with a kernel of its own; as root.

Exit status: 0 done, 2 the machine could not be made or reached, 130 interrupted. All else is
`python -m virtual_pole`'s: cut, ssh, exec, status, down.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from qemu_machine.disks import only_one
from qemu_machine.recipe import install_packages
from qemu_machine.troubles import MachineFailed
from virtual_pole import life
from virtual_pole.street import DEFAULT_STATE, Street
from virtual_pole.troubles import PoleFailed

from qemu_pole.depot import Depot, copied
from qemu_pole.pole import POLE, QemuPole
from qemu_pole.recipe import CACHE, HERE
from roeh.core.clock import SystemClock

_TPMS = ("none", "another", "own")


def main() -> int:
    """Run one command; the process's exit status."""
    options = _parser().parse_args()
    try:
        if os.geteuid() != 0:
            raise MachineFailed("needs root: it builds a disk and lays network cables")
        _run(options)
    except (MachineFailed, PoleFailed) as failure:
        print(f"qemu pole: {failure}", file=sys.stderr, flush=True)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    clock = SystemClock()
    street = Street.at(options.state)
    pole = QemuPole(street, POLE, clock)
    match options.command:
        case "up":
            install_packages(HERE / "host_packages.txt")
            depot = Depot.of_this_checkout()
            with only_one(CACHE, "python -m qemu_pole up"):
                depot.make_ready(clock)
            with life.alone(street):
                depot.put_up(street, clock)
        case "boot":
            with life.alone(street):
                pole.boot()
        case "steal":
            with life.alone(street):
                pole.cut()
                copy = copied(pole.board, street.state / "copy", has_its_tpm=options.tpm == "own")
                pole.power_on(board=copy, has_tpm=options.tpm != "none")
                pole.wait_until_reached()
        case "time-server":
            pole.time_server.start()
        case "no-time-server":
            pole.time_server.stop()
        case "reset":
            pole.reset()
        case "console":
            print(pole.console())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m qemu_pole", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, help_text in (
        ("up", "make a board ready, put it up and boot it; from the second time on quickly"),
        ("boot", "give it power, and wait until ssh answers"),
        ("steal", "cut it, and boot a copy of its disk on a board without its TPM"),
        ("time-server", "start the street's time server"),
        ("no-time-server", "end it"),
        ("reset", "press its reset button"),
        ("console", "what kernel and systemd said"),
    ):
        command = commands.add_parser(name, help=help_text)
        if name == "steal":
            command.add_argument("--tpm", choices=_TPMS, default="another")
        command.add_argument("--state", type=Path, default=DEFAULT_STATE, metavar="DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
