"""CAP messages as files, one each, for whoever collects them from a directory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from roeh.core.config import DeskConfig
from roeh.core.errors import OutputRefused
from roeh.core.types import Alert
from roeh.desk.adapters.cap import cap_message
from roeh.desk.republish.audiences import places_of


class CapFiles:
    """Writes `{id}.xml` into adapters.cap.dir; a reader never sees half of one.

    Durable before the row counts as passed on: the file, then its name. The same message
    written again, after a kill, is the same file.
    """

    def __init__(self, config: DeskConfig) -> None:
        self._config = config
        self._directory = Path(config.adapters.cap.dir)

    def write(self, alert: Alert, earlier: Sequence[Alert]) -> None:
        """Write a message of an alert, if it is one that is passed on.

        Raises:
            OutputRefused: it cannot be written.
        """
        content = cap_message(
            alert,
            earlier,
            section=self._config.adapters.cap,
            sender_name=f"Roeh {self._config.name}",
            places=places_of(self._config, alert.site, alert.node),
        )
        if content is None:
            return
        # An id was checked when its message was parsed, so it is no path.
        path = self._directory / f"{alert.id}.xml"
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            _write_whole(path, content)
        except OSError as error:
            raise OutputRefused(
                what=f"cannot be written ({error.strerror})",
                which=str(path),
                remedy="give adapters.cap.dir a directory that the desk may write, with room",
            ) from None


def _write_whole(path: Path, content: bytes) -> None:
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
