"""Who is in the sandbox has the descriptors that it was given, and nothing else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyseccomp
import pytest

from roeh.core.system_calls import ALLOWED

CONFINED = Path(__file__).with_name("confined.py")


@pytest.fixture
def read_only(tmp_path):
    path = tmp_path / "segment"
    path.write_bytes(b"abc")
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def run(what, read_only):
    return subprocess.run(
        [sys.executable, "-I", "-B", str(CONFINED), what, str(read_only)],
        pass_fds=[read_only],
        capture_output=True,
        timeout=30,
        check=False,
    )


def test_it_reads_what_it_was_handed_and_answers(read_only):
    ran = run("who", read_only)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"True abc", b"")


def test_everything_else_is_refused(read_only):
    ran = run("all", read_only)
    assert (ran.returncode, ran.stderr) == (0, b"")
    outcomes = dict(line.split() for line in ran.stdout.decode().splitlines())
    assert len(outcomes) > 25
    # The descriptor itself refuses a write: it was opened for reading alone.
    assert outcomes.pop("write_to_a_segment") == "EBADF"
    assert set(outcomes.values()) == {"EPERM"}, outcomes


@pytest.mark.parametrize("machine", ["X86_64", "AARCH64"])
def test_the_list_is_known_on_both_machines(machine):
    machine = getattr(pyseccomp.Arch, machine)
    numbers = {name: pyseccomp.resolve_syscall(machine, name) for name in ALLOWED}
    # Below zero: that machine has no such call, and the rule says nothing there.
    for needed in ("read", "pread64", "write", "brk", "munmap", "futex", "exit_group", "ppoll"):
        assert numbers[needed] >= 0, needed


def test_memory_ends_at_its_limit(read_only):
    assert run("take_memory", read_only).stdout == b"no memory"


def test_cpu_time_ends_at_its_limit(read_only):
    assert run("spin", read_only).returncode == -signal.SIGXCPU
