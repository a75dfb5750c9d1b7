"""An RTSP camera whose hours pass in minutes, and to which things happen by plan.

It serves one connection at a time, over the connection itself (TCP), and writes down what
it did: one line of JSON an event, with the times of the stream.
"""

from __future__ import annotations

import json
import random
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from roeh.bench.rtp import RtpStream, description
from roeh.bench.rtsp_server import shake_hands
from tests.soak.pictures import FPS, coded
from tests.soak.plan import Misfortune

SIZES = ((160, 120), (240, 180))
_TICKS = 90_000 // FPS
_ACCEPT_S = 0.05
#: Nothing happens to a connection before so many pictures: whoever connects looks at them
#: for a while, and what nobody recorded yet can leave no trace.
_CALM_PICTURES = 100
#: Late by more than this it does not catch up: no camera sends its past.
_LATE_S = 20.0


@dataclass(frozen=True)
class Happening:
    """One misfortune as the camera had it; `back_s` is when it was ready to send again."""

    misfortune: Misfortune
    at_s: float
    back_s: float | None


class SoakCamera:
    """Until the stream's `duration_s` is over; `clock` is the fast one of all processes."""

    def __init__(self, port, plan, duration_s, clock, journal: Path, seed=1):
        self._port = port
        self._plan = list(plan)
        self._duration_s = duration_s
        self._clock = clock
        self._journal = journal
        self._chance = random.Random(seed)
        self._codec, self._size = "h264", SIZES[0]
        self._film = coded(self._codec, *self._size)
        self._picture = 0
        self._stamp = 0
        self._sent = 0
        self._calm_pictures = 0
        self._latest_s = 0.0
        self._reboot = None

    def run(self) -> None:
        with self._journal.open("w", encoding="utf-8") as self._log:
            while not self._is_over():
                with self._listening() as listener:
                    self._serve(listener)
            self._say("end", sent=self._sent, latest_s=self._latest_s)

    def _now_s(self) -> float:
        return self._clock.since_start_s()

    def _is_over(self) -> bool:
        """Its time is over, everything happened, and what came after it was seen."""
        is_late = self._now_s() >= self._duration_s
        return is_late and not self._plan and self._calm_pictures >= _CALM_PICTURES

    def _is_due(self) -> bool:
        if not self._plan or self._calm_pictures < _CALM_PICTURES:
            return False
        return self._now_s() >= self._plan[0].at_s

    def _say(self, what, **more) -> None:
        line = {"what": what, "at_s": round(self._now_s(), 3), **more}
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()

    def _listening(self) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        listener.listen(4)
        listener.settimeout(_ACCEPT_S)
        return listener

    def _serve(self, listener) -> None:
        """Connections, one after the other, until a reboot or the end."""
        while not self._is_over():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.settimeout(2.0)
                sdp = description(self._codec, self._film.parameter_sets)
                try:
                    if shake_hands(connection, sdp) and self._play(connection):
                        break
                except OSError:
                    # Whoever watched has gone: that is theirs to do at any time.
                    continue
        event = self._reboot
        self._reboot = None
        if event is None:
            return
        listener.close()
        self._clock.wait(event.lasts_s)
        if event.misfortune is Misfortune.CODEC:
            self._codec = "h265" if self._codec == "h264" else "h264"
        self._film = coded(self._codec, *self._size)
        self._picture = 0
        self._say("back", codec=self._codec)

    def _play(self, connection) -> bool:
        """Pictures until the connection ends; True when the camera reboots."""
        stream = RtpStream(
            self._codec,
            ssrc=self._chance.getrandbits(32),
            first_sequence=self._chance.getrandbits(16),
        )
        self._stamp = self._chance.getrandbits(31)
        self._picture -= self._picture % len(self._film.pictures)
        connection.settimeout(5.0)
        due_s = self._now_s()
        self._calm_pictures = 0
        while not self._is_over():
            if self._is_due():
                event = self._plan.pop(0)
                self._calm_pictures = 0
                kind = event.misfortune
                self._say(kind.value, lasts_s=event.lasts_s)
                if kind is Misfortune.STALL:
                    self._clock.wait(event.lasts_s)
                    self._say("back", codec=self._codec)
                    return False
                if kind is not Misfortune.RESIZE:
                    self._reboot = event
                    return True
                self._size = SIZES[1 - SIZES.index(self._size)]
                self._film = coded(self._codec, *self._size)
                self._picture = 0
            film = self._film.pictures
            connection.sendall(stream.packets(film[self._picture % len(film)], self._stamp))
            self._sent += 1
            self._calm_pictures += 1
            self._picture += 1
            self._stamp += _TICKS
            due_s += 1 / FPS
            late_s = self._now_s() - due_s
            self._latest_s = max(self._latest_s, late_s)
            if late_s > _LATE_S:
                self._stamp += round(late_s * 90_000)
                due_s += late_s
            elif late_s < 0:
                self._clock.wait(-late_s)
        return False


def camera_main(*arguments) -> None:
    """The camera, in a process of its own."""
    SoakCamera(*arguments).run()


def journal_of(journal: Path) -> list[Happening]:
    """What the camera wrote down, each misfortune with the moment at which it was over."""
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    found: list[Happening] = []
    for line in lines:
        if line["what"] in ("back", "end"):
            if found and found[-1].back_s is None:
                found[-1] = replace(found[-1], back_s=line["at_s"])
        else:
            kind = Misfortune(line["what"])
            over_s = line["at_s"] if kind is Misfortune.RESIZE else None
            found.append(Happening(kind, line["at_s"], over_s))
    return found
