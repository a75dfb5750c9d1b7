"""What one camera's pictures show beside detections: looked for only where a rule needs it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from roeh.core.config import CameraTamperRule, ObjectLeftRule, RuleSection, ScuffleRule
from roeh.core.types import Track
from roeh.media.frames import PixelFrame
from roeh.optics.rig import Rig, Sensor
from roeh.vision.agitation import AgitationObserver
from roeh.vision.budget import observer_kept
from roeh.vision.scene import Agitation, StillObject, Tamper
from roeh.vision.still import StillObserver
from roeh.vision.tamper import TamperObserver


class Observed(msgspec.Struct, frozen=True):
    """What one picture shows; the fields are those of the scene."""

    still_objects: tuple[StillObject, ...] = ()
    agitation: tuple[Agitation, ...] = ()
    tamper: Tamper | None = None


class Observers:
    """The observers of one camera.

    Args:
        rig: whose camera it is.
        sensor: the camera.
        mask: (height, width), true where nothing may be looked at.
        rules: those of the configuration.

    While `low_observers` is false, what only rules of low priority need is not looked at:
    what stood stands.
    """

    def __init__(
        self,
        rig: Rig,
        sensor: Sensor,
        mask: npt.NDArray[np.bool_] | None,
        rules: Sequence[RuleSection],
    ) -> None:
        needs_still = [rule for rule in rules if isinstance(rule, ObjectLeftRule)]
        self._still_kept = any(observer_kept(rule, low_observers=False) for rule in needs_still)
        self._still_objects: tuple[StillObject, ...] = ()
        self.low_observers = True
        self._still = StillObserver(rig, sensor, mask) if needs_still else None
        needs_agitation = any(isinstance(rule, ScuffleRule) for rule in rules)
        self._agitation = (
            AgitationObserver(sensor.name, sensor.lens.width_px) if needs_agitation else None
        )
        needs_tamper = any(isinstance(rule, CameraTamperRule) for rule in rules)
        self._tamper = TamperObserver(sensor.lens) if needs_tamper else None

    def look(self, frame: PixelFrame, tracks: Sequence[Track], *, settling: bool) -> Observed:
        """Look at a picture.

        Args:
            frame: of this camera.
            tracks: live tracks of the pole as of it.
            settling: the picture changed as a whole a moment ago.
        """
        if self._still is not None and (self.low_observers or self._still_kept):
            self._still_objects = self._still.update(frame, tracks, settling=settling)
        tamper = None if self._tamper is None else self._tamper.update(frame)
        agitation: tuple[Agitation, ...] = ()
        if self._agitation is not None and self.low_observers:
            agitation = self._agitation.update(frame, tracks)
        return Observed(still_objects=self._still_objects, agitation=agitation, tamper=tamper)
