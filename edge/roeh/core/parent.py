"""A process ends with the one that started it (prctl(2), PR_SET_PDEATHSIG)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import traceback

from roeh.core.errors import EXIT_UNEXPECTED

_PARENT_VARIABLE = "ROEH_PARENT_PID"
_PR_SET_PDEATHSIG = 1


def tied_environment() -> dict[str, str]:
    """The environment of a child that is to end when this process does."""
    return {
        **os.environ,
        _PARENT_VARIABLE: str(os.getpid()),
        # What lies in the user's directory is not to be taken for a module.
        "PYTHONSAFEPATH": "1",
    }


def die_with_parent() -> bool:
    """Ask the kernel for SIGTERM when the parent ends, however it does.

    Without a parent that asked for it (`tied_environment`) nothing happens.

    Returns:
        False when the parent had ended already.
    """
    parent = os.environ.pop(_PARENT_VARIABLE, "")
    if not parent:
        return True
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    return os.getppid() == int(parent)


def die_with_any_thread() -> None:
    """End the process when something unforeseen ends one of its threads.

    Half a process would look alive and do nothing; a whole one is started again.
    """
    threading.excepthook = _end_at_once


def _end_at_once(what: threading.ExceptHookArgs) -> None:
    traceback.print_exception(what.exc_type, what.exc_value, what.exc_traceback)
    sys.stderr.flush()
    os._exit(EXIT_UNEXPECTED)
