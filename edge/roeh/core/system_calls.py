"""The one adapter of pyseccomp: what the kernel still answers a child in the sandbox.

The list allows; everything else fails with EPERM. It is what a child asks for that has
loaded all it needs and only reads, computes, writes and ends: no name can be opened, so
there is nothing to read or write but the descriptors handed over; no socket, no program, no
thread or child, no executable memory, no other process. Names are resolved by libseccomp,
so the list is the same on x86-64 and aarch64.
"""

from __future__ import annotations

import errno
import os

#: Without an argument to look at.
ALLOWED = (
    # descriptors that are there already
    "read", "pread64", "readv", "write", "writev", "lseek", "_llseek", "close", "fstat",
    "fstat64", "poll", "ppoll", "ppoll_time64",
    # memory
    "brk", "munmap", "mremap", "madvise",
    # one's own thread, signals and end
    "futex", "futex_time64", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
    "restart_syscall", "sched_yield", "sched_getaffinity", "set_robust_list", "rseq",
    "getpid", "gettid", "getrusage", "getrandom", "exit", "exit_group",
    # time
    "clock_gettime", "clock_gettime64", "clock_getres", "gettimeofday", "times",
)  # fmt: skip

_PROT_EXEC = 4
_AT_EMPTY_PATH = 0x1000


class SandboxMissing(Exception):
    """The kernel or the system's library does not have what the sandbox is made of."""


class SystemCallRules:
    """The rules, made while libraries can still be loaded, and put into force later.

    Raises:
        SandboxMissing: libseccomp is not here.
    """

    def __init__(self) -> None:
        try:
            import pyseccomp  # noqa: PLC0415 - it looks for the system's library when imported
        except (ImportError, RuntimeError) as error:
            raise SandboxMissing(f"libseccomp: {error}") from None
        try:
            rules = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
            # Threads that a library may have begun are bound by it too.
            rules.set_attr(pyseccomp.Attr.CTL_TSYNC, 1)
            for name in ALLOWED:
                rules.add_rule(pyseccomp.ALLOW, name)
            not_executable = pyseccomp.Arg(2, pyseccomp.MASKED_EQ, _PROT_EXEC, 0)
            for name in ("mmap", "mmap2", "mprotect"):
                rules.add_rule(pyseccomp.ALLOW, name, not_executable)
            # A descriptor's own state, as newer C libraries ask for it.
            of_descriptor = pyseccomp.Arg(3, pyseccomp.EQ, _AT_EMPTY_PATH)
            rules.add_rule(pyseccomp.ALLOW, "newfstatat", of_descriptor)
            # abort(3) of a codec: to itself alone.
            to_itself = pyseccomp.Arg(0, pyseccomp.EQ, os.getpid())
            rules.add_rule(pyseccomp.ALLOW, "tgkill", to_itself)
        except (OSError, ValueError) as error:
            raise SandboxMissing(f"libseccomp: {error}") from None
        self._rules = rules

    def enforce(self) -> None:
        """Take every other system call from this process, for good.

        Raises:
            SandboxMissing: the kernel does not do it.
        """
        try:
            self._rules.load()
        except OSError as error:
            raise SandboxMissing(f"seccomp: {error}") from None
