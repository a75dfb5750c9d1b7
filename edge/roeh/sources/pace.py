"""Which frames are worth offering when fewer are looked at than a camera gives. Pure."""

from __future__ import annotations

from roeh.core.clock import NS_PER_S


class OfferPace:
    """Chooses frames so that `fps` of them are offered each second.

    Due times advance on a grid: 15 frames a second give exactly 5 and not 4.
    """

    def __init__(self, fps: float) -> None:
        self._step_ns = int(NS_PER_S / fps)
        self._due_ns: int | None = None

    def wants(self, t_mono_ns: int) -> bool:
        """Whether the frame of that time is to be offered; it then counts as such."""
        if self._due_ns is None or t_mono_ns >= self._due_ns + self._step_ns:
            self._due_ns = t_mono_ns + self._step_ns
            return True
        # An eighth of a step early is nearer than a whole frame late.
        if t_mono_ns < self._due_ns - self._step_ns // 8:
            return False
        self._due_ns += self._step_ns
        return True
