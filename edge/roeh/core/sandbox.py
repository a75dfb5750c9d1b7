"""What a child gives up before it looks at what strangers wrote, in this order, for good.

1. Limits (memory, CPU, file size, processes, descriptors, no core). 2. Behind
others for CPU and disk. 3. Root's rights and any user's: it becomes nobody where it can, and has
to be without rights then.
4. No new privileges, not traceable, ends with its parent. 5. System calls (system_calls.py).
All libraries are loaded by then: nothing can be opened by name afterwards.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
from pathlib import Path

import msgspec

from roeh.core.system_calls import SandboxMissing, SystemCallRules

__all__ = ["SandboxLimits", "SandboxMissing", "confine", "yield_to_others"]

#: User and group that own nothing (Debian's nobody and nogroup).
_NOBODY = 65534
#: A tenth of the weight of what records and detects; with 19 a busy pole would build for ever.
_NICE = 10
#: Descriptors: of the segments of an hour, and a few.
_MAX_DESCRIPTORS = 512
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
#: linux/capability.h.
_CAPABILITY_VERSION_3 = 0x2008_0522
_RIGHTS = struct.Struct("6I")
#: ioprio_set(2) has no name in the C library.
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_IDLE_CLASS = 3 << 13


class SandboxLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel lets a child have.

    Attributes:
        memory_bytes: of its own, beside the libraries' code.
        cpu_s: of CPU.
        wall_s: altogether; its parent is to end it then, this is for a parent that does not.
        file_bytes: as far as it may write into a file.
    """

    memory_bytes: int
    cpu_s: int
    wall_s: int
    file_bytes: int = 0


def confine(limits: SandboxLimits) -> None:
    """Give up all but the descriptors that are open; works without root too.

    Raises:
        SandboxMissing: part of it is not to be had here: then nothing is to be decoded.
    """
    rules = SystemCallRules()
    _limit(limits)
    yield_to_others()
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    _check_without_rights()
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Should the parent stand still instead of ending.
    signal.alarm(limits.wall_s + 5)
    rules.enforce()


def _check_without_rights() -> None:
    """A user that is not root may have been given some of root's rights (capget(2))."""
    # Two words of 32 each: effective, permitted, inheritable.
    held = ctypes.create_string_buffer(_RIGHTS.size)
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    if ctypes.CDLL(None, use_errno=True).capget(header, held) != 0:
        raise SandboxMissing(f"capget: {os.strerror(ctypes.get_errno())}")
    effective, permitted, _, more_effective, more_permitted, _ = _RIGHTS.unpack(held.raw)
    if effective | permitted | more_effective | more_permitted:
        raise SandboxMissing("it still has some of root's rights")


def _limit(limits: SandboxLimits) -> None:
    # The libraries' code alone takes most of 512 MiB of addresses: what is limited is what
    # is written to, and addresses to that beyond what is mapped by now.
    mapped_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    # A second beyond, so that it is SIGXCPU that ends it, which says what it was.
    resource.setrlimit(resource.RLIMIT_CPU, _within(resource.RLIMIT_CPU, limits.cpu_s, 1))
    for kind, bound in (
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_AS, mapped_bytes + limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, _MAX_DESCRIPTORS),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, _within(kind, bound, 0))


def _within(kind: int, bound: int, beyond: int) -> tuple[int, int]:
    """The soft and the hard limit, as far as this process may have them."""
    _, most = resource.getrlimit(kind)
    hard = bound + beyond if most == resource.RLIM_INFINITY else min(bound + beyond, most)
    return min(bound, hard), hard


def yield_to_others() -> None:
    """Behind what records, for CPU and disk, for good; the disk only when nobody else wants it."""
    if os.getpriority(os.PRIO_PROCESS, 0) < _NICE:
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        ctypes.CDLL(None).syscall(number, 1, 0, _IDLE_CLASS)


def _prctl(option: int, value: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0) != 0:
        raise SandboxMissing(f"prctl {option}: {os.strerror(ctypes.get_errno())}")
