"""A camera gives no picture any more, or never gave one.

It is asked when nothing comes, too: with a frame of no camera, which gives the time.
"""

from __future__ import annotations

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.config import (
    CameraBlindRule,
    ComposedSource,
    FileSource,
    NodeConfig,
    PanoramaSource,
    SensorSection,
)
from roeh.core.types import Frame, RuleKind
from roeh.vision.rules.finding import Condition, Subject
from roeh.vision.rules.geometry import FOOT_OF_POLE
from roeh.vision.scene import Scene

#: Whoever was not asked for so long was not watching either (a machine that slept): what did
#: not come meanwhile says nothing.
_UNWATCHED_S = 5.0


class _Silence(msgspec.Struct, frozen=True):
    """A camera that gives nothing.

    Attributes:
        started: its last picture, or the time from which none was seen.
    """

    number: int
    started: Frame


class CameraBlind:
    """One occurrence for each time that a camera falls silent.

    Args:
        settings: of the rule.
        sensors: the names of the cameras that should always give pictures.
    """

    kind = RuleKind.CAMERA_BLIND
    place: str | None = None

    def __init__(self, settings: CameraBlindRule, sensors: tuple[str, ...]) -> None:
        self._after_ns = round(settings.after_s * NS_PER_S)
        self._newest: dict[str, Frame | None] = dict.fromkeys(sensors)
        self._silent: dict[str, _Silence] = {}
        self._asked_ns: int | None = None
        self._watched_since_ns = 0
        self._count = 0

    def update(self, scene: Scene) -> list[Condition]:
        """A condition for each camera that is silent."""
        now = scene.frame
        if now.camera_id in self._newest:
            self._newest[now.camera_id] = now
            self._silent.pop(now.camera_id, None)
        now_ns = now.t_mono_ns
        if self._asked_ns is None or now_ns - self._asked_ns > _UNWATCHED_S * NS_PER_S:
            self._watched_since_ns = now_ns
        self._asked_ns = now_ns
        for camera, newest in self._newest.items():
            since_ns = max(self._watched_since_ns, 0 if newest is None else newest.t_mono_ns)
            if camera not in self._silent and now_ns - since_ns >= self._after_ns:
                self._count += 1
                started = newest or msgspec.structs.replace(
                    now, camera_id=camera, t_mono_ns=since_ns
                )
                self._silent[camera] = _Silence(self._count, started)
        return [_condition(camera, silence) for camera, silence in self._silent.items()]


def endless_cameras(config: NodeConfig) -> tuple[str, ...]:
    """The cameras that should always give pictures: footage and rehearsals end by themselves."""
    return tuple(section.name for section in config.sensors if _is_endless(section))


def _is_endless(section: SensorSection) -> bool:
    if section.stop_after_s > 0:
        return False
    match section.source:
        case FileSource(loop=loop) | PanoramaSource(loop=loop):
            return loop
        case ComposedSource(duration_s=duration_s):
            return duration_s == 0
        case _:
            return True


def _condition(camera: str, silence: _Silence) -> Condition:
    return Condition(
        key=f"blind-{silence.number}",
        cool_key=f"{camera}-blind",
        subject=Subject(label="blind", confidence=1.0, sensor=camera),
        position=FOOT_OF_POLE,
        started=silence.started,
    )
