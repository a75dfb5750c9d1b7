"""From one camera's ring to evidence: each group again and again until it is acknowledged.

A thread a camera, so that neither a slow disk nor an absent evidence is felt by anybody
else. Evidence stores a group that comes twice only once, so asking again is safe.
"""

from __future__ import annotations

import threading

from roeh.capture.ring import GopRing, RingItem
from roeh.core.clock import NS_PER_S, Clock
from roeh.core.errors import MessageRefused, PeerGone, PeerRefused, RoehError
from roeh.core.gop import Gop
from roeh.core.ipc.stream import StreamClient
from roeh.core.log import log_error, log_for
from roeh.core.peers import Done, EndStream, GopStored, StoreGop, Verb

_IDLE_S = 0.5
#: Evidence is away: it is brought back within seconds, and there is room for a minute.
_AWAY_RETRY_S = 0.2
#: Evidence is there and cannot: a full disk is not emptied by asking.
_UNABLE_RETRY_S = 2.0
#: A peer is also refused for what passes, such as too many connections at once.
_MAX_REFUSALS = 5
_JOIN_S = 1.0

_log = log_for("capture")


class GopSender:
    """Empties a ring in order.

    Args:
        camera_id: whose ring it is.
        ring: what is to be stored.
        client: of its own; closed by `close`.
        clock: for waits.
    """

    def __init__(self, camera_id: str, ring: GopRing, client: StreamClient, clock: Clock) -> None:
        self._camera_id = camera_id
        self._ring = ring
        self._client = client
        self._clock = clock
        self._sent = 0
        self._refusals = 0
        self._trouble = ""
        self._draining = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"gops-{camera_id}", daemon=True)

    @property
    def sent(self) -> int:
        """Groups acknowledged."""
        return self._sent

    @property
    def trouble(self) -> str:
        """Why the oldest group could not be stored the last time; empty when it could."""
        return self._trouble

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def close(self, drain_s: float) -> None:
        """Send what the ring still holds, for at most `drain_s`, and end."""
        deadline_ns = self._clock.mono_ns() + int(drain_s * NS_PER_S)
        self._draining.set()
        self._ring.wake()
        if self._thread.ident is not None:
            self._thread.join(max(0.0, (deadline_ns - self._clock.mono_ns()) / NS_PER_S))
        self._stopping.set()
        self._client.close()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            # Looked at before the ring: what was put before the drain began is seen.
            draining = self._draining.is_set()
            item = self._ring.hold(0.0 if draining else _IDLE_S)
            if item is None:
                if draining:
                    return
                continue
            retry_s = self._send(item)
            if retry_s:
                self._clock.wait(retry_s, self._stopping)

    def _send(self, item: RingItem) -> float:
        """Ask once; how long to wait before asking again, 0 when it is settled."""
        try:
            if isinstance(item, Gop):
                self._client.call(Verb.GOP_STORE, StoreGop(gop=item), GopStored)
                self._sent += 1
            else:
                request = EndStream(camera_id=self._camera_id, reason=item)
                self._client.call(Verb.STREAM_END, request, Done)
        except RoehError as error:
            return self._settle(error)
        self._ring.done()
        self._refusals = 0
        if self._trouble:
            _log.info("%s: recording is stored again", self._camera_id)
            self._trouble = ""
        return 0.0

    def _settle(self, error: RoehError) -> float:
        """What becomes of an item that was not stored; how long to wait before the next try."""
        if not self._stopping.is_set():
            self._say(error)
        self._refusals += isinstance(error, PeerRefused)
        if isinstance(error, MessageRefused) or self._refusals >= _MAX_REFUSALS:
            self._refusals = 0
            self._ring.refuse()
            return 0.0
        self._ring.release()
        return _AWAY_RETRY_S if isinstance(error, PeerGone | PeerRefused) else _UNABLE_RETRY_S

    def _say(self, error: RoehError) -> None:
        """Each kind of trouble is said once, not with every try."""
        if error.code != self._trouble.partition(":")[0]:
            log_error(_log, error)
        self._trouble = f"{error.code}: {error}"
