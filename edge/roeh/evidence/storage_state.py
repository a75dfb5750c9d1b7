"""Whether the store takes what is written, for the node's status."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from roeh.core.errors import StorageFailed, StorageFull
from roeh.core.log import log_for

STORAGE_OK = "ok"

_log = log_for("evidence")


class StorageState:
    """Said once when storage fails and once when it works again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = STORAGE_OK

    @property
    def text(self) -> str:
        """STORAGE_OK, or what the store refused with."""
        return self._state

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """What is written in the block tells the state."""
        try:
            yield
        except (StorageFull, StorageFailed) as error:
            self._become(str(error))
            raise
        self._become(STORAGE_OK)

    def _become(self, state: str) -> None:
        with self._lock:
            before, self._state = self._state, state
        if before == state:
            return
        if state == STORAGE_OK:
            _log.info("the store takes what is written again")
        else:
            _log.error("%s", state)
