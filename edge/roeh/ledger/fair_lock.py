"""A lock that nobody keeps by taking it again and again: whoever waits goes first.

A plain one is taken by whoever runs, and the thread that has just let go of it runs: page after
page of a long question would leave recording outside until the last.
"""

from __future__ import annotations

import threading


class FairLock:
    """A reentrant lock.

    Who waits for it has `_turn` while it waits, and who had the lock needs that to take it again.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._inner = threading.Lock()
        self._owner: int | None = None
        self._depth = 0

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> bool:
        """Wait until it is this thread's."""
        if not self._is_owned():
            with self._turn:
                self._inner.acquire()
            self._owner = threading.get_ident()
        self._depth += 1
        return True

    def release(self) -> None:
        """Let go of it as often as it was taken."""
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            self._inner.release()

    def condition(self) -> threading.Condition:
        """To wait for what is changed under it."""
        return threading.Condition(self)  # type: ignore[arg-type] # typeshed knows its own locks alone

    # What threading.Condition asks of a reentrant lock.

    def _is_owned(self) -> bool:
        return self._owner == threading.get_ident()

    def _release_save(self) -> int:
        depth, self._depth = self._depth, 0
        self._owner = None
        self._inner.release()
        return depth

    def _acquire_restore(self, depth: int) -> None:
        self.acquire()
        self._depth = depth
