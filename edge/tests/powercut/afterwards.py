"""Life goes on after a cut: evidence takes the next group of each camera, and an alert."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from roeh.core.clock import NS_PER_S, SystemClock
from roeh.core.errors import PeerGone
from roeh.core.ipc.stream import StreamClient
from roeh.core.peers import AlertStored, GopStored, Role, StoreAlert, StoreGop, Verb
from roeh.core.types import EvidenceReference
from tests.alert_drafts import alert_draft
from tests.gops import GOP_US, GopSource
from tests.powercut.acknowledgements import Acknowledgement
from tests.powercut.pole import alert_acknowledged, fragment_acknowledged

_CLOCK = SystemClock()
_PATIENCE_S = 20
_LOOK_EACH_S = 0.1


def go_on(
    socket: Path, boot_id: str, cameras: tuple[str, ...], is_alive: Callable[[], bool]
) -> list[Acknowledgement]:
    """What evidence acknowledged, if it lives.

    Raises:
        RoehError: it refused, or does not answer.
    """
    capture = _client(socket, Role.CAPTURE, is_alive)
    detect = _client(socket, Role.DETECT, is_alive)
    done: list[Acknowledgement] = []
    try:
        for camera_id in cameras:
            for gop in GopSource(camera_id, boot_id=boot_id).take(2):
                stored = capture.call(Verb.GOP_STORE, StoreGop(gop), GopStored)
                done.append(fragment_acknowledged(gop, stored))
        thumbnail = bytes(range(200))
        draft = alert_draft(
            thumbnail=thumbnail,
            boot_id=boot_id,
            evidence=EvidenceReference(cameras[0], 1, 5, GOP_US, 2 * GOP_US),
        )
        request = StoreAlert(draft=draft, thumbnail=thumbnail)
        answer = detect.call(Verb.ALERT_STORE, request, AlertStored)
        done.append(alert_acknowledged(draft, thumbnail, answer))
    finally:
        capture.close()
        detect.close()
    return done


def _client(socket: Path, role: Role, is_alive: Callable[[], bool]) -> StreamClient:
    client = StreamClient(socket, role, _CLOCK)
    deadline_ns = _CLOCK.mono_ns() + _PATIENCE_S * NS_PER_S
    while not client.wait_until_there(_LOOK_EACH_S):
        if not is_alive() or _CLOCK.mono_ns() > deadline_ns:
            client.close()
            raise PeerGone(
                what="evidence does not answer", which=str(socket), remedy="see what it said"
            )
    return client
