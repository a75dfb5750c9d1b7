"""It is loud: above a level, and well above what is usual here. Of a sound nothing else is known.

The background is a slow mean of the level in decibels: it follows the traffic of the hour
within minutes and hardly a bang. A noise that lasts for minutes becomes background itself.
"""

from __future__ import annotations

import math

import msgspec

from roeh.core.clock import NS_PER_S
from roeh.core.config import LoudNoiseRule
from roeh.core.types import Frame, RuleKind
from roeh.vision.rules.finding import Condition, Subject
from roeh.vision.rules.geometry import FOOT_OF_POLE
from roeh.vision.scene import Scene

#: The background's time constant, and for how long it is learnt before anything is loud.
_BACKGROUND_S = 60.0
_LEARN_S = 5.0
#: It is over when it has been quieter by this for so long.
_HYSTERESIS_DB = 3.0
_OVER_S = 2.0
#: Frames that far apart say nothing of what was between them.
_MAX_GAP_S = 2.0
#: Surely loud: so far above both thresholds.
_SURE_DB = 10.0


class LoudNoise:
    """One occurrence for each noise.

    Args:
        settings: of the rule.
        camera: whose recording belongs to a noise that came while no camera gave pictures.
    """

    kind = RuleKind.LOUD_NOISE
    place: str | None = None

    def __init__(self, settings: LoudNoiseRule, camera: str) -> None:
        self._settings = settings
        self._camera = camera
        self._background_db: float | None = None
        self._learnt_s = 0.0
        self._last_ns = 0
        self._started: Frame | None = None
        self._loudest_db = -math.inf
        self._sure_db = 0.0
        self._loud_ns = 0
        self._holds = False
        self._count = 0

    def update(self, scene: Scene) -> list[Condition]:
        """One condition while it is loud."""
        frame = scene.frame
        if scene.sound is not None:
            self._hear(scene.sound.level_db, frame)
        is_over = frame.t_mono_ns - self._loud_ns > _OVER_S * NS_PER_S
        if is_over:
            self._started, self._holds = None, False
        if not self._holds or self._started is None:
            return []
        return [
            Condition(
                key=f"noise-{self._count}",
                cool_key="noise",
                subject=Subject(
                    label="noise",
                    confidence=round(0.5 + 0.5 * min(1.0, self._sure_db / _SURE_DB), 3),
                    sensor=self._started.camera_id,
                    level_db=round(self._loudest_db, 1),
                ),
                position=FOOT_OF_POLE,
                started=self._started,
            )
        ]

    def _hear(self, level_db: float, frame: Frame) -> None:
        now_ns = frame.t_mono_ns
        elapsed_s = min(_MAX_GAP_S, max(0.0, (now_ns - self._last_ns) / NS_PER_S))
        self._last_ns = now_ns
        if self._background_db is None:
            self._background_db, elapsed_s = level_db, 0.0
        above_db = min(
            level_db - self._settings.level_db,
            level_db - self._background_db - self._settings.above_background_db,
        )
        self._learn(level_db, elapsed_s)
        if self._learnt_s < _LEARN_S:
            return
        if self._started is not None and above_db >= -_HYSTERESIS_DB:
            self._loud_ns = now_ns
        elif above_db >= 0:
            self._started, self._loud_ns = self._of_a_camera(frame), now_ns
            self._loudest_db, self._sure_db = level_db, above_db
        elif not self._holds:
            self._started = None
        if self._started is None:
            return
        self._loudest_db = max(self._loudest_db, level_db)
        self._sure_db = max(self._sure_db, above_db)
        lasted_s = (self._loud_ns - self._started.t_mono_ns) / NS_PER_S
        if not self._holds and lasted_s >= self._settings.duration_s:
            self._count += 1
            self._holds = True

    def _of_a_camera(self, frame: Frame) -> Frame:
        if frame.camera_id:
            return frame
        return msgspec.structs.replace(frame, camera_id=self._camera)

    def _learn(self, level_db: float, elapsed_s: float) -> None:
        """Follow the background: at first the plain mean, then the slow one."""
        self._learnt_s += elapsed_s
        follow_s = min(_BACKGROUND_S, max(self._learnt_s, elapsed_s, 1e-9))
        share = 1 - math.exp(-elapsed_s / follow_s)
        if self._background_db is not None:
            self._background_db += share * (level_db - self._background_db)
