"""A camera does not show any more what it was set up to show: covered, blinded, turned ...

What was done to it is told by the observer (`vision.tamper`); the rule says for how long it has
to last and which of it matters here.
"""

from __future__ import annotations

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.config import CameraTamperRule
from roeh.core.types import Frame, RuleKind
from roeh.vision.rules.finding import Condition, Subject
from roeh.vision.rules.geometry import FOOT_OF_POLE
from roeh.vision.scene import Scene, Tamper


class _Tampered(msgspec.Struct):
    """One camera and what is done to it; mutable, private to the rule.

    Attributes:
        holds: it has lasted long enough.
    """

    number: int
    tamper: Tamper
    started: Frame
    holds: bool = False


class CameraTamper:
    """One occurrence for each camera and each thing that is done to it."""

    kind = RuleKind.CAMERA_TAMPER
    place: str | None = None

    def __init__(self, settings: CameraTamperRule) -> None:
        self._settings = settings
        self._tampered: dict[str, _Tampered] = {}
        self._count = 0

    def update(self, scene: Scene) -> list[Condition]:
        """A condition for each camera that something has been done to for long enough."""
        self._follow(scene.frame, scene.tamper)
        return [
            _condition(camera, found) for camera, found in self._tampered.items() if found.holds
        ]

    def _follow(self, frame: Frame, tamper: Tamper | None) -> None:
        camera = frame.camera_id
        if tamper is None or tamper.kind.value not in self._settings.kinds:
            self._tampered.pop(camera, None)
            return
        found = self._tampered.get(camera)
        if found is None or found.tamper.kind is not tamper.kind:
            self._count += 1
            # A cover that slips looks now covered, now moved: it has lasted all the same.
            started = frame if found is None else found.started
            found = self._tampered[camera] = _Tampered(self._count, tamper, started)
        found.tamper = tamper
        lasted_ns = frame.t_mono_ns - found.started.t_mono_ns
        found.holds |= lasted_ns >= self._settings.persist_s * NS_PER_S


def _condition(camera: str, found: _Tampered) -> Condition:
    kind = found.tamper.kind.value
    return Condition(
        key=f"tamper-{found.number}",
        cool_key=f"{camera}-{kind}",
        subject=Subject(label=kind, confidence=found.tamper.confidence, sensor=camera),
        position=FOOT_OF_POLE,
        started=found.started,
    )
