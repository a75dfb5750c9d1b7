"""`python -m virtual_pole COMMAND`: virtual poles, made, cut, asked; as root.

Exit status: 0 done, 1 something that must hold does not, 2 a machine could not be made or
reached, 130 interrupted; of `ssh` and `exec`: what they ran ended with.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from roeh.core.clock import SystemClock
from virtual_pole import interruption, life, links, playbooks, ways_in
from virtual_pole.machine import Machine
from virtual_pole.network import in_namespace
from virtual_pole.steps import Steps, table_of
from virtual_pole.street import DEFAULT_STATE, Street
from virtual_pole.troubles import PoleFailed
from virtual_pole.walk import walk


def main() -> int:
    """Run one command; the process's exit status."""
    options, words = _parsed(sys.argv[1:])
    street = Street.at(options.state)
    try:
        if os.geteuid() != 0:
            raise PoleFailed("needs root: it makes containers and network namespaces")
        return _run(options, words, street)
    except PoleFailed as failure:
        print(f"virtual pole: {failure}", file=sys.stderr, flush=True)
        return 2
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace, words: list[str], street: Street) -> int:
    match options.command:
        case "up":
            for machine in life.up(street, options.poles):
                print(_line(machine))
        case "pole":
            return _walk(options, street)
        case "interrupt":
            return _interrupt(options, street)
        case "down":
            life.down(street)
        case "status":
            for name in street.names:
                print(_line(Machine(street, name)))
        case "boot" | "cut" | "stop":
            with life.alone(street):
                getattr(Machine(street, options.name), options.command)()
        case "link":
            _change_link(options, street)
        case "ssh":
            return _status(ways_in.ssh_command(street, options.name, *words))
        case "exec":
            return _status(
                in_namespace(street.laptop, *words),
                {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(street.connections)},
            )
    return 0


def _walk(options: argparse.Namespace, street: Street) -> int:
    clock = SystemClock()
    steps = Steps(clock)
    try:
        walk(street, steps, clock, is_short=options.ci)
    except PoleFailed as failure:
        if options.ci:
            # Whoever reads this has no logs.
            print(playbooks.last_lines(street), file=sys.stderr, flush=True)
        print(f"pole: {failure}", file=sys.stderr, flush=True)
        return 1
    finally:
        if not options.keep:
            life.down(street)
    print("\n".join(table_of(steps.took, steps.total_s)), flush=True)
    return 0


def _interrupt(options: argparse.Namespace, street: Street) -> int:
    steps = Steps(SystemClock())
    poles = len(street.names)
    print(f"pole: seed {options.seed}", flush=True)
    try:
        interruption.series(
            street,
            steps,
            first=poles,
            times=options.times,
            kills=options.kills,
            seed=options.seed,
            longest_s=options.longest,
        )
    except PoleFailed as failure:
        print(f"pole: {failure}", file=sys.stderr, flush=True)
        return 1
    return 0


def _change_link(options: argparse.Namespace, street: Street) -> None:
    match options.change:
        case "cut":
            links.cut(street, options.one, options.other)
        case "mend":
            links.mend(street, options.one, options.other)
        case "slow":
            links.slow(street, options.name, options.rate_bps)
        case "free":
            links.free(street, options.name)


def _line(machine: Machine) -> str:
    is_running = "running" if machine.is_running() else "off"
    return f"{machine.name}  {machine.place.address}  {is_running}"


def _parsed(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options, and the words after --, which are another program's."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return _parser().parse_args(arguments[:at]), arguments[at + 1 :]


def _status(command: list[str], told: Mapping[str, str] | None = None) -> int:
    return subprocess.run(command, check=False, env=os.environ | dict(told or {})).returncode


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--state",
        type=Path,
        default=DEFAULT_STATE,
        metavar="DIR",
        help="where disks, keys and records are (build/poles)",
    )
    parser = argparse.ArgumentParser(prog="python -m virtual_pole", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, help_text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help_text, parents=[common])

    up = add("up", "make and boot bare machines")
    up.add_argument("--poles", type=int, default=1, metavar="N", help="how many (1)")
    pole = add("pole", "from nothing: provisioned, an alarm, evidence, all healthy")
    pole.add_argument("--keep", action="store_true", help="leave the machines up")
    pole.add_argument("--ci", action="store_true", help="the short form: the control room once")
    killed = add("interrupt", "Ansible killed, poles cut, in a street that `pole --keep` left")
    killed.add_argument("--times", type=int, default=3, metavar="N", help="new poles (3)")
    killed.add_argument(
        "--kills", type=int, default=1, metavar="N", help="runs killed at each in a row (1)"
    )
    killed.add_argument("--seed", type=int, default=1, metavar="N", help="of the moments (1)")
    killed.add_argument(
        "--longest", type=float, default=60.0, metavar="S", help="how long a whole run takes (60)"
    )
    add("down", "end them and remove all that was made")
    add("status", "which machines there are")
    for name, help_text in (
        ("boot", "boot a machine that is off, and wait until ssh answers"),
        ("cut", "end all its processes at once (what was written and not synced survives)"),
        ("stop", "shut it down"),
    ):
        add(name, help_text).add_argument("name", metavar="NAME")
    link = commands.add_parser("link", help="cut or slow a link")
    changes = link.add_subparsers(dest="change", required=True)
    for name, help_text in (
        ("cut", "nothing passes between two any more"),
        ("mend", "it passes again"),
    ):
        change = changes.add_parser(name, help=help_text, parents=[common])
        change.add_argument("one", metavar="NAME")
        change.add_argument("other", metavar="NAME|laptop")
    slow = changes.add_parser(
        "slow", help="a machine's cable carries so much each way", parents=[common]
    )
    slow.add_argument("name", metavar="NAME")
    slow.add_argument("rate_bps", type=int, metavar="BITS_PER_SECOND")
    free = changes.add_parser("free", help="it is quick again", parents=[common])
    free.add_argument("name", metavar="NAME")
    ssh = add("ssh", "what follows -- in a machine's shell, as its technician")
    ssh.add_argument("name", metavar="NAME")
    add("exec", "what follows -- in the laptop's network")
    return parser


if __name__ == "__main__":
    sys.exit(main())
