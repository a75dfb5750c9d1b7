"""What a camera's thread leaves for the one that iterates: all notices, the newest frames."""

from __future__ import annotations

import threading

from roeh.sources.protocol import SourceFrame, SourceNotice

Letter = SourceFrame | SourceNotice

#: Frames kept when they come faster than they are taken; older ones are dropped.
KEPT_FRAMES = 4


class Mailbox:
    """Letters in order; of frames only the newest few."""

    def __init__(self) -> None:
        self._letters: list[Letter] = []
        self._arrived = threading.Condition()

    def put(self, letter: Letter) -> None:
        """Leave a letter; the oldest frame goes when there are too many."""
        with self._arrived:
            self._letters.append(letter)
            frames = [one for one in self._letters if isinstance(one, SourceFrame)]
            if len(frames) > KEPT_FRAMES:
                self._letters.remove(frames[0])
            self._arrived.notify()

    def take(self, wait_s: float) -> list[Letter]:
        """All letters, after waiting for a first one for at most `wait_s`."""
        with self._arrived:
            if not self._letters:
                self._arrived.wait(wait_s)
            taken, self._letters = self._letters, []
            return taken
