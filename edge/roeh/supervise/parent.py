"""A supervised process ends with its supervisor (prctl(2), PR_SET_PDEATHSIG)."""

from __future__ import annotations

import ctypes
import os
import signal

from roeh.supervise.children import SUPERVISOR_VARIABLE

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> bool:
    """Ask the kernel for SIGTERM when the supervisor ends, however it does.

    Returns:
        False when the supervisor had ended already.
    """
    supervisor = os.environ.get(SUPERVISOR_VARIABLE)
    if not supervisor:
        return True
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    return os.getppid() == int(supervisor)
