"""A thread of another process stopped where it is, while the rest of that process goes on.

So does a driver stall: the camera's own thread does not come back, and nobody is told.
ptrace(2): a seized thread that is interrupted stays stopped until it is let go; it goes on
by itself when whoever seized it ends.
"""

import contextlib
import ctypes
import os
import subprocess
import sys
from pathlib import Path

from roeh.core.clock import SystemClock

_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
_PPOLL = 271  # on x86-64
_WALL = 0x40000000  # wait for threads too

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def driver_threads(pid):
    """Ids of the threads of a process in which libcamera runs its cameras.

    They have no name; what tells them is the system call in which they wait for work:
    ppoll, where Python's own threads wait in futex, select, poll or epoll_wait.
    """
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            number = (task / "syscall").read_text().split()[0]
            if int(task.name) != pid and number == str(_PPOLL):
                found.append(int(task.name))
    return found


@contextlib.contextmanager
def frozen(thread):
    """The thread stands still for as long as the block runs."""
    _ptrace(_SEIZE, thread)
    _ptrace(_INTERRUPT, thread)
    os.waitpid(thread, _WALL)
    try:
        yield
    finally:
        # Gone with its process: nobody to let go.
        with contextlib.suppress(ProcessLookupError):
            _ptrace(_DETACH, thread)


@contextlib.contextmanager
def frozen_by_another(thread, duration_s):
    """A thread of this very process stands still for a while: only another process may do that.

    While libcamera's thread stands still, stopping the camera holds Python's interpreter lock:
    nothing of this process runs, so the other process lets go by itself.
    """
    command = [sys.executable, "-m", "guest.frozen_threads", str(thread), str(duration_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"frozen\n"
        yield


def _ptrace(request, thread):
    if _libc.ptrace(request, thread, None, None) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace of thread {thread}: {os.strerror(number)}")


if __name__ == "__main__":
    with frozen(int(sys.argv[1])):
        print("frozen", flush=True)
        SystemClock().wait(float(sys.argv[2]))
