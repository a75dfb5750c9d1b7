"""A process that enters the sandbox and then tries what is forbidden; tells what came of it.

Run as `python -I confined.py WHAT READ_ONLY_DESCRIPTOR`; WHAT is a name of `ATTEMPTS`.
"""

import ctypes
import errno
import mmap
import os
import platform
import signal
import socket
import sys
import threading
from pathlib import Path

from roeh.core.sandbox import SandboxLimits, confine

LIMITS = SandboxLimits(memory_bytes=64 * 1024 * 1024, cpu_s=1, wall_s=20)
LIBRARY = ctypes.CDLL(None, use_errno=True)
READ_ONLY = int(sys.argv[2])
PARENT = os.getppid()
#: By the kernel's number, whatever the C library would do before it asks.
NUMBERS = {
    "x86_64": {"ptrace": 101, "process_vm_readv": 310, "mount": 165, "bpf": 321, "keyctl": 250,
               "io_uring_setup": 425, "userfaultfd": 323, "unshare": 272, "setns": 308,
               "openat2": 437, "memfd_create": 319, "pidfd_open": 434, "prctl": 157,
               "prlimit64": 302},
    "aarch64": {"ptrace": 117, "process_vm_readv": 270, "mount": 40, "bpf": 280, "keyctl": 219,
                "io_uring_setup": 425, "userfaultfd": 282, "unshare": 97, "setns": 268,
                "openat2": 437, "memfd_create": 279, "pidfd_open": 434, "prctl": 167,
                "prlimit64": 261},
}[platform.machine()]  # fmt: skip


def call(name):
    ctypes.set_errno(0)
    if LIBRARY.syscall(NUMBERS[name], 0, 0, 0, 0, 0, 0) == -1:
        raise OSError(ctypes.get_errno(), name)


def connect():
    socket.socket(socket.AF_INET, socket.SOCK_STREAM)


def local_socket():
    socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)


def open_to_read():
    os.open("/etc/hostname", os.O_RDONLY)


def open_to_write():
    os.open("/tmp/roeh-confined", os.O_WRONLY | os.O_CREAT)


def begin_a_thread():
    try:
        threading.Thread(target=print).start()
    except RuntimeError as error:
        raise OSError(errno.EPERM, "thread") from error


def executable_memory():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)


def write_to_a_segment():
    os.write(READ_ONLY, b"x")


def no_more_alarm():
    # Not through signal.alarm, which has no way to tell of a failure.
    signal.setitimer(signal.ITIMER_REAL, 0)


ATTEMPTS = {
    "connect": connect,
    "local_socket": local_socket,
    "open_to_read": open_to_read,
    "open_to_write": open_to_write,
    "execute": lambda: os.execv("/bin/true", ["true"]),
    "fork": os.fork,
    "begin_a_thread": begin_a_thread,
    "kill_the_parent": lambda: os.kill(PARENT, 0),
    "executable_memory": executable_memory,
    "write_to_a_segment": write_to_a_segment,
    "truncate_a_segment": lambda: os.ftruncate(READ_ONLY, 0),
    "remove_a_file": lambda: Path("/tmp/roeh-confined").unlink(),
    "list_a_directory": lambda: list(Path("/").iterdir()),
    "become_root": lambda: os.setuid(0),
    "no_more_alarm": no_more_alarm,
    **{name: (lambda name=name: call(name)) for name in NUMBERS},
}


def take_memory():
    return [bytearray(1024 * 1024) for _ in range(100)]


def main():
    confine(LIMITS)
    if sys.argv[1] == "take_memory":
        try:
            take_memory()
        except MemoryError:
            os.write(1, b"no memory")
    elif sys.argv[1] == "spin":
        while True:
            pass
    elif sys.argv[1] == "who":
        os.write(1, f"{os.getpid() > 0} {os.pread(READ_ONLY, 3, 0).decode()}".encode())
    else:
        for name, attempt in ATTEMPTS.items():
            try:
                attempt()
                outcome = "DONE"
            except OSError as error:
                outcome = errno.errorcode.get(error.errno, str(error.errno))
            os.write(1, f"{name} {outcome}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    main()
