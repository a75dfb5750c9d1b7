"""Telling systemd that a process is ready, alive or stopping (sd_notify(3)).

Silent where there is no systemd: without NOTIFY_SOCKET nothing is sent, and
without systemd-python (the `node` extra) nothing can be. The watchdog is petted by
the loop that made progress, never by a timer.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from roeh.core.errors import RuntimeMissing


def _load_sender() -> Callable[[str], bool] | None:
    if not os.environ.get("NOTIFY_SOCKET"):
        return None
    try:
        # systemd-python has no type information; this module is its only user.
        from systemd.daemon import notify  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise RuntimeMissing(
            what="systemd expects a notification and systemd-python is not installed",
            which=f"NOTIFY_SOCKET={os.environ['NOTIFY_SOCKET']}",
            remedy="install roeh with the node extra",
        ) from None
    sender: Callable[[str], bool] = notify
    return sender


class Notifier:
    """Messages to the service manager of this process."""

    def __init__(self) -> None:
        self._send = _load_sender()

    @property
    def active(self) -> bool:
        """Whether anybody listens."""
        return self._send is not None

    def ready(self, status: str) -> None:
        """The process serves now."""
        self._notify(f"READY=1\nSTATUS={status}")

    def progress(self) -> None:
        """Work was done: pet the watchdog."""
        self._notify("WATCHDOG=1")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._notify(f"STATUS={status}")

    def stopping(self) -> None:
        """The process ends on purpose."""
        self._notify("STOPPING=1")

    def _notify(self, message: str) -> None:
        if self._send is not None:
            self._send(message)
