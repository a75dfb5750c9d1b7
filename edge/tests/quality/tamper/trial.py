"""Trials: a camera looks at a clip for a while, then something happens."""

from __future__ import annotations

import copy

import msgspec
import numpy as np

from roeh.core.clock import NS_PER_S
from roeh.core.config import CameraTamperRule
from roeh.core.types import Frame
from roeh.media.frames import PixelFrame, UInt8Image
from roeh.vision.rules.camera_tamper import CameraTamper
from roeh.vision.scene import Scene
from roeh.vision.tamper import TamperObserver
from tests.quality.tamper.acts import Act
from tests.quality.tamper.clips import FRAME_S, FRAMES, Clip
from tests.quality.tamper.light import Exposure, lit, noisy

#: So many pictures before anything happens.
BEFORE = 9


class Told(msgspec.Struct, frozen=True):
    """What an alert would say, and when since the act began."""

    label: str
    after_s: float


class Camera:
    """A camera that has looked at its clip for long enough to know it.

    Args:
        clip: what it looks at.
        exposure: in what light.
    """

    def __init__(self, clip: Clip, exposure: Exposure) -> None:
        self._clip = clip
        self._exposure = exposure
        self._observer = TamperObserver(clip.lens)
        idle = Act(clip, np.random.default_rng(0))
        for index in range(BEFORE):
            self._observer.update(self._frame(idle, index))

    def suffer(self, act: Act) -> tuple[Told, ...]:
        """Everything that the rule, as it is by itself, would raise."""
        observer, rule = copy.deepcopy(self._observer), CameraTamper(CameraTamperRule())
        told: list[Told] = []
        raised: set[str] = set()
        for index in range(BEFORE, FRAMES):
            frame = self._frame(act, index)
            for condition in rule.update(Scene(frame=frame.info, tamper=observer.update(frame))):
                if condition.key not in raised:
                    raised.add(condition.key)
                    told.append(Told(condition.label, (index - BEFORE) * FRAME_S))
        return tuple(told)

    def picture(self, act: Act, index: int) -> tuple[UInt8Image, Exposure]:
        """The picture of that number and how it was exposed."""
        clip, step = self._clip, index - BEFORE
        pose, exposure = act.pose(step), act.exposure(self._exposure, step)
        seen = clip.view(
            index,
            turn_deg=clip.rest_deg + pose.turn_deg,
            tilt_deg=pose.tilt_deg,
            roll_deg=pose.roll_deg,
        )
        shown = act.glass(lit(act.scene(seen, step), exposure), step)
        if exposure.is_infrared:
            # Whatever saturates is white to it.
            shown = np.repeat(shown.max(axis=2, keepdims=True), 3, axis=2)
        return noisy(shown, exposure, np.random.default_rng([clip.seed, 3, index])), exposure

    def _frame(self, act: Act, index: int) -> PixelFrame:
        pixels, exposure = self.picture(act, index)
        t_ns = round(index * FRAME_S * NS_PER_S)
        info = Frame(
            camera_id="camera",
            seq=index,
            t_mono_ns=t_ns,
            t_utc_ns=t_ns,
            utc_error_ns=0,
            boot_id="boot",
            width_px=pixels.shape[1],
            height_px=pixels.shape[0],
            pixel_format="bgr24",
            light=exposure.light,
        )
        return PixelFrame(info, pixels)
