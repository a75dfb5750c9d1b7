"""How often those that face a network may ask for what writes: who has them has no disk with it.

publish itself lets less in from a broker (publish/down.py), and retrieve fewer visitors, so that
they never meet these bounds. What leaves the outbox needs none: a row leaves once.
"""

from __future__ import annotations

import threading

from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import PeerRefused
from roeh.core.peers import Verb

#: So many at once of each.
BURST = 64
#: And a second after that.
RATES_HZ: dict[Verb, float] = {
    Verb.CONNECTION_BEGIN: 2.0,
    Verb.COMMAND_TAKE: 4.0,
    Verb.COSIGNATURE_KEEP: 2.0,
    Verb.TRUST_OFFER: 1.0,
    Verb.VISITOR_JUDGE: 50.0,
    Verb.STRANGER_NOTE: 20.0,
    Verb.VISITOR_HOLD: 2.0,
    Verb.VISITOR_RELEASE: 2.0,
    Verb.EXPORT_REQUEST: 2.0,
    Verb.EXPORT_APPROVE: 2.0,
    Verb.EXPORT_NOTE: 20.0,
    Verb.EXPORT_BEGIN: 1.0,
    Verb.EXPORT_FILES: 20.0,
    Verb.EXPORT_SEAL: 1.0,
}


class WritePace:
    """A bucket for each of these verbs. Safe to call from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left = {verb: float(BURST) for verb in RATES_HZ}
        self._t_filled_ns = dict.fromkeys(RATES_HZ, clock.mono_ns())

    def check(self, verb: Verb) -> None:
        """Count one more.

        Raises:
            PeerRefused: too many; asked later, it is answered.
        """
        if verb not in RATES_HZ:
            return
        with self._lock:
            now_ns = self._clock.mono_ns()
            elapsed_s = (now_ns - self._t_filled_ns[verb]) / NS_PER_S
            left = min(float(BURST), self._left[verb] + elapsed_s * RATES_HZ[verb])
            self._t_filled_ns[verb] = now_ns
            self._left[verb] = left - 1.0 if left >= 1.0 else left
        if left < 1.0:
            raise PeerRefused(
                what=f"asks for {verb.value} more than {RATES_HZ[verb]:.0f} times a second",
                which="publish, retrieve or usb",
                remedy="find out what runs as their user",
            )
