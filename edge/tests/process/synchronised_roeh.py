"""`roeh run` as it is, but for a clock that says it is synchronised, as a machine's in service.

`synchronised_roeh(directory)` is a program that stands where Python stands in the supervisor's
command line, so that each process of the node has such a clock.
"""

import argparse
import os
import stat
import sys
from pathlib import Path

from roeh.cli import _process
from roeh.core.config import load_config
from roeh.core.errors import EXIT_UNEXPECTED, RoehError
from roeh.core.log import configure_log
from roeh.core.parent import die_with_any_thread, die_with_parent
from roeh.core.peers import Role
from roeh.core.stopping import stop_on_signals
from roeh.supervise.main import Supervisor
from tests.clocks import SynchronisedClock

_PROGRAM = """#!/bin/sh
shift 3  # -m roeh run
ROEH_TEST_PROGRAM="$0" exec "{python}" -c \\
    "import sys; sys.path.insert(0, '{root}'); \\
from tests.process.synchronised_roeh import main; main()" "$@"
"""


def synchronised_roeh(directory):
    """The program, written into `directory`."""
    path = directory / "synchronised-roeh"
    root = Path(__file__).parents[2]
    path.write_text(_PROGRAM.format(python=sys.executable, root=root))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-c", "--config", type=Path, required=True)
    parser.add_argument("--only")
    chosen = parser.parse_args()
    stop = stop_on_signals()
    if not die_with_parent():
        raise SystemExit(EXIT_UNEXPECTED)
    try:
        raise SystemExit(_run(chosen, stop))
    except RoehError as error:
        _say(error.line())
        raise SystemExit(error.exit_status) from None


def _run(chosen, stop):
    config, clock = load_config(chosen.config), SynchronisedClock()
    configure_log(chosen.only or "run")
    if chosen.only is None:
        sys.executable = os.environ["ROEH_TEST_PROGRAM"]
        supervisor = Supervisor(config, chosen.config, clock, on_state=_say)
        return supervisor.run(stop)
    die_with_any_thread()
    return _process(Role(chosen.only))(config, clock, stop)


def _say(line):
    os.write(2, f"roeh run: {line}\n".encode())
