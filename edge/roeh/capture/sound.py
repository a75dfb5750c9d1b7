"""What the microphone hears, on its way to detect: a level five times a second."""

from __future__ import annotations

import math

from roeh.core.ipc.slots import FrameServer

#: Levels of 50 ms that are told together.
_TOGETHER = 4


class SoundTeller:
    """Tells detect how loud it is, whether cameras give pictures or not.

    What no detect is there to hear is forgotten: told later, it would be heard as of then.
    """

    def __init__(self, server: FrameServer) -> None:
        self._server = server
        self._loudest_db = -math.inf
        self._count = 0

    def hear(self, level_db: float) -> None:
        """The loudest level of each 50 ms, dB; from the listening thread."""
        self._loudest_db = max(self._loudest_db, level_db)
        self._count += 1
        if self._count < _TOGETHER:
            return
        # A detect that is there and full is told the next time.
        if self._server.tell_sound(self._loudest_db) or not self._server.connected:
            self._loudest_db = -math.inf
        self._count = 0
