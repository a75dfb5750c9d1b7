"""What somebody who asks now and then is told of the sound: one number."""

from __future__ import annotations

import math
import threading


class Ear:
    """The loudest level since it was last asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loudest_db: float | None = None

    def hear(self, level_db: float) -> None:
        """From the listening thread."""
        with self._lock:
            before_db = -math.inf if self._loudest_db is None else self._loudest_db
            self._loudest_db = max(level_db, before_db)

    def take(self) -> float | None:
        """The loudest since the last time, dB; None if nothing was heard since."""
        with self._lock:
            loudest_db, self._loudest_db = self._loudest_db, None
        return loudest_db
