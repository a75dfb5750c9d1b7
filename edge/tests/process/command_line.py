"""`roeh` command lines as processes of their own, forked from one that has imported it all.

What a real start costs is a second of imports; what is tested is what comes after.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NamedTuple

#: By commands.
IMPORTED_WHEN_USED = (
    "roeh.demo.main",
    "roeh.desk.watch.command",
    "roeh.detect.replay",
    "roeh.detect.stills",
)


class Outcome(NamedTuple):
    """How a command line ended, and what it took of a processor."""

    status: int
    cpu_s: float
    stdout: str
    stderr: str


class CommandLines:
    """Runs command lines one after the other."""

    def __init__(self):
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, *arguments, cwd=None, environment=(), stdout=None, processors=None):
        """Run one.

        `stdout` names where its output goes instead: a path, or "closed pipe";
        `processors` is how many it may use.
        """
        with tempfile.TemporaryDirectory(prefix="roeh-") as directory:
            out, err = Path(directory) / "out", Path(directory) / "err"
            order = {
                "arguments": [str(argument) for argument in arguments],
                "cwd": str(cwd or directory),
                "environment": dict(environment),
                "stdout": str(stdout or out),
                "stderr": str(err),
                "processors": processors,
            }
            self._server.stdin.write(json.dumps(order) + "\n")
            self._server.stdin.flush()
            answer = json.loads(self._server.stdout.readline())
            said = out.read_text(errors="replace") if out.exists() else ""
            return Outcome(**answer, stdout=said, stderr=err.read_text(errors="replace"))

    def close(self):
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait()


@contextlib.contextmanager
def command_lines():
    running = CommandLines()
    try:
        yield running
    finally:
        running.close()


def _serve():
    for module in IMPORTED_WHEN_USED:
        importlib.import_module(module)
    main = importlib.import_module("roeh.cli").main
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _run(json.loads(line), main)
        _, status, used = os.wait4(pid, 0)
        answer = {
            "status": os.waitstatus_to_exitcode(status),
            "cpu_s": used.ru_utime + used.ru_stime,
        }
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _run(order, main):
    """Be the process; ends like an interpreter does."""
    status = 1
    try:
        _redirect(order)
        os.chdir(order["cwd"])
        os.environ.update(order["environment"])
        if order["processors"]:
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: order["processors"]])
        status = main(order["arguments"])
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001 - as the interpreter, which then ends with 1
        traceback.print_exc()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        status = 120
    os._exit(status or 0)


def _redirect(order):
    if order["stdout"] == "closed pipe":
        read_end, out = os.pipe()
        os.close(read_end)
    else:
        out = os.open(order["stdout"], os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(os.open(order["stderr"], os.O_WRONLY | os.O_CREAT, 0o600), 2)


if __name__ == "__main__":
    _serve()
