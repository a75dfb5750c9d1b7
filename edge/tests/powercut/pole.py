"""The rest of the pole: capture, detect and publish, as evidence's peers, each a thread.

They outlive evidence's restarts, ask again what was not answered, as the real ones do, and
write a line for each thing that was acknowledged (acknowledgements.py).
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from roeh.core.clock import SystemClock
from roeh.core.errors import PeerGone, RoehError
from roeh.core.gop import Discontinuity, Gop, StreamEnd
from roeh.core.ids import ClockIds
from roeh.core.ipc.stream import StreamClient
from roeh.core.peers import (
    AlertStored,
    Done,
    EndStream,
    GopStored,
    NodeStatus,
    NodeStatusRequest,
    Role,
    StoreAlert,
    StoreGop,
    Verb,
)
from roeh.core.types import AlertDraft, AlertPhase, EvidenceReference
from tests.alert_drafts import alert_draft
from tests.gops import GOP_US, GopSource
from tests.powercut.acknowledgements import (
    Acknowledgement,
    AcknowledgementWriter,
    AlertAcknowledged,
    CheckpointPublished,
    FragmentAcknowledged,
)
from tests.powercut.panel import Panel

_AnswerT = TypeVar("_AnswerT", bound=msgspec.Struct)

_CLOCK = SystemClock()
_IDS = ClockIds(_CLOCK)
_AGAIN_S = 0.003
#: A thing that is refused so often, with the power on, will not be taken.
_MOST_REFUSALS = 100
#: Grey levels of the two cameras: groups of 17 kB, and of a few hundred bytes.
NOISE = (16, 0)
SIZES_PX = ((160, 96), (192, 96))


class Living(msgspec.Struct, frozen=True):
    """Where evidence answers, and what this life of the pole is like."""

    socket: Path
    said: Path
    boot_id: str
    seed: int
    cameras: tuple[str, ...]


def live(living: Living, panel: Panel) -> None:
    """Store as fast as it is taken, until killed."""
    os.dup2(os.open(living.said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    acknowledged = AcknowledgementWriter(panel.acknowledgements)
    counting = threading.Lock()

    def note(thing: Acknowledgement) -> None:
        with counting:
            acknowledged.write(thing)
            panel.numbers.acknowledged += 1

    def asking(role: Role) -> Asking:
        return Asking(living.socket, role, panel)

    cameras = [
        Camera(
            GopSource(camera_id, boot_id=living.boot_id, noise=noise),
            random.Random(living.seed + noise),
        )
        for camera_id, noise in zip(living.cameras, NOISE, strict=True)
    ]
    eyes = Eyes(cameras[0], random.Random(living.seed - 1))
    loops: list[Callable[[], None]] = [
        *(lambda camera=camera: camera.send(asking(Role.CAPTURE), note) for camera in cameras),
        lambda: eyes.see(asking(Role.DETECT), note),
        lambda: publish(asking(Role.PUBLISH), note),
    ]
    threads = [threading.Thread(target=_or_end, args=(loop,), daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Asking:
    """One role's stream to evidence; asks until it is answered."""

    def __init__(self, socket: Path, role: Role, panel: Panel) -> None:
        self._client = StreamClient(socket, role, _CLOCK)
        self._panel = panel

    def ask(self, verb: Verb, request: msgspec.Struct, answer_type: type[_AnswerT]) -> _AnswerT:
        """Its answer, however often evidence is restarted meanwhile.

        Raises:
            RoehError: it refuses, with the power on.
        """
        refusals = 0
        while True:
            try:
                return self._client.call(verb, request, answer_type)
            except PeerGone:
                pass
            except RoehError:
                refusals += not self._panel.is_excused
                if refusals > _MOST_REFUSALS:
                    raise
            _CLOCK.wait(_AGAIN_S)


class Camera:
    """A camera and its capture: groups of pictures, gaps, ends, other formats."""

    def __init__(self, source: GopSource, chance: random.Random) -> None:
        self._source = source
        self._chance = chance
        self.newest_mono_us = source.mono_us

    @property
    def camera_id(self) -> str:
        return self._source.camera_id

    @property
    def boot_id(self) -> str:
        return self._source.boot_id

    def send(self, asking: Asking, note: Callable[[Acknowledgement], None]) -> None:
        while True:
            gop = self._next(asking)
            stored = asking.ask(Verb.GOP_STORE, StoreGop(gop), GopStored)
            note(fragment_acknowledged(gop, stored))
            self.newest_mono_us = gop.t_end_mono_us
            if self._chance.random() < 0.03:
                again = asking.ask(Verb.GOP_STORE, StoreGop(gop), GopStored)
                assert again == stored, f"stored twice: {stored}, {again}"

    def _next(self, asking: Asking) -> Gop:
        happens = self._chance.random()
        if happens < 0.03:
            end = EndStream(self.camera_id, self._chance.choice(list(StreamEnd)))
            asking.ask(Verb.STREAM_END, end, Done)
        elif happens < 0.06:
            self._source.skip(self._chance.randint(1, 20) * 1_000_000)
            return self._source.next(discontinuity=Discontinuity.SOURCE_RECONNECTED)
        elif happens < 0.08:
            self._source.restart_capture()
        elif happens < 0.10:
            self._source.resize(*self._chance.choice(SIZES_PX))
            return self._source.next(discontinuity=Discontinuity.FORMAT_CHANGED)
        return self._source.next()


def fragment_acknowledged(gop: Gop, stored: GopStored) -> FragmentAcknowledged:
    """What may be asked back: the pictures of the group, at that place."""
    pictures = hashlib.sha256()
    for unit in gop.units:
        pictures.update(unit.nal_units)
    return FragmentAcknowledged(
        camera_id=gop.camera_id,
        segment=stored.segment,
        fragment=stored.fragment,
        capture_id=gop.capture_id,
        capture_seq=gop.seq,
        pictures_sha256=pictures.hexdigest(),
    )


class Eyes:
    """A detect that sees something on the newest pictures of one camera."""

    def __init__(self, camera: Camera, chance: random.Random) -> None:
        self._camera = camera
        self._chance = chance
        self._raised: AlertDraft | None = None

    def see(self, asking: Asking, note: Callable[[Acknowledgement], None]) -> None:
        while True:
            thumbnail = self._chance.randbytes(self._chance.randint(200, 4000))
            draft = self._draft(thumbnail)
            request = StoreAlert(draft=draft, thumbnail=thumbnail)
            note(
                alert_acknowledged(
                    draft, thumbnail, asking.ask(Verb.ALERT_STORE, request, AlertStored)
                )
            )

    def _draft(self, thumbnail: bytes) -> AlertDraft:
        to_us = self._camera.newest_mono_us
        seen = {
            "alert_id": _IDS.new(),
            "thumbnail": thumbnail,
            "boot_id": self._camera.boot_id,
            "priority": self._chance.randint(1, 9),
            "evidence": EvidenceReference(
                self._camera.camera_id, 10, 16, max(0, to_us - GOP_US), to_us
            ),
        }
        if self._raised is None or self._chance.random() < 0.6:
            self._raised = alert_draft(**seen)
            return self._raised
        phase = self._chance.choice([AlertPhase.UPDATED, AlertPhase.CLEARED])
        draft = alert_draft(**seen, phase=phase, raised_id=self._raised.raised_id)
        if phase is AlertPhase.CLEARED:
            self._raised = None
        return draft


def alert_acknowledged(
    draft: AlertDraft, thumbnail: bytes, stored: AlertStored
) -> AlertAcknowledged:
    """What may be asked back: the alert, its thumbnail, its lock."""
    return AlertAcknowledged(
        id=draft.id,
        seq=stored.seq,
        draft_sha256=hashlib.sha256(msgspec.json.encode(draft)).hexdigest(),
        thumbnail_sha256=hashlib.sha256(thumbnail).hexdigest(),
        raised_id=draft.raised_id,
        boot_id=draft.boot_id,
        evidence=draft.evidence,
    )


def publish(asking: Asking, note: Callable[[Acknowledgement], None]) -> None:
    """See what may leave the pole: each checkpoint once."""
    newest = None
    while True:
        status = asking.ask(Verb.NODE_STATUS, NodeStatusRequest(), NodeStatus)
        if status.checkpoint not in {None, newest}:
            newest = status.checkpoint
            note(CheckpointPublished(newest))
        _CLOCK.wait(_AGAIN_S)


def _or_end(loop: Callable[[], None]) -> None:
    """A loop that ends is an error, and ends the pole."""
    try:
        loop()
    except BaseException:  # noqa: BLE001 - whatever it was, it is told
        traceback.print_exc()
    os._exit(1)
