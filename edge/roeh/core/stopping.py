"""How a process is told to end: SIGTERM or SIGINT, as an event."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM or SIGINT sets; Ctrl-C a second time ends at once.

    A thread of its own sets it, since the main thread, where handlers run, may hold the
    event's lock at that very moment.
    """
    stop = threading.Event()
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)

    def handle(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    def set_when_told() -> None:
        os.read(read_end, 1)
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    threading.Thread(target=set_when_told, name="signals", daemon=True).start()
    return stop
